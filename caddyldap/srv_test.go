package caddyldap

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func hostsOf(records []record) (hosts []string) {
	for _, r := range records {
		hosts = append(hosts, r.host)
	}
	return hosts
}

// TestDrawnByPriority: whatever the lot, the site's before the domain's, and a
// lower number before a higher one.
func TestDrawnByPriority(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	records := canonical([]record{
		{far: 1, priority: 0, weight: 100, host: "d"}, {priority: 10, weight: 60000, host: "c"},
		{priority: 0, weight: 1, host: "a"}, {priority: 0, weight: 65535, host: "b"},
	})
	firsts := make(map[string]int)
	for range 1000 {
		got := hostsOf(drawn(records, r.IntN))
		if len(got) != 4 || got[2] != "c" || got[3] != "d" || !slices.Contains(got[:2], "a") || !slices.Contains(got[:2], "b") {
			t.Fatalf("got %v, want a and b by lot, then c, then d", got)
		}
		firsts[got[0]]++
	}
	if firsts["b"] < 990 {
		t.Errorf("got %v, want b nearly always", firsts)
	}
}

// TestDrawnByWeight: over many draws each is first as often as its weight says,
// and of those that are left second.
func TestDrawnByWeight(t *testing.T) {
	const draws = 40_000
	r := rand.New(rand.NewPCG(3, 4))
	for _, c := range []struct {
		name    string
		weights map[string]uint16
		first   map[string]float64
		second  map[string]float64
	}{
		{"as Windows registers them", map[string]uint16{"a": 100, "b": 100, "c": 100, "d": 100},
			map[string]float64{"a": .25, "b": .25, "c": .25, "d": .25}, map[string]float64{"a": .25, "d": .25}},
		{"three to one", map[string]uint16{"a": 300, "b": 100}, map[string]float64{"a": .75, "b": .25}, map[string]float64{"a": .25, "b": .75}},
		{"three", map[string]uint16{"a": 500, "b": 300, "c": 200}, map[string]float64{"a": .5, "b": .3, "c": .2}, map[string]float64{"a": .3*.5/.7 + .2*.5/.8}},
		{"no weights", map[string]uint16{"a": 0, "b": 0, "c": 0}, map[string]float64{"a": 1. / 3, "b": 1. / 3, "c": 1. / 3}, nil},
		{"one without", map[string]uint16{"a": 0, "b": 9999}, map[string]float64{"a": 0, "b": 1}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var records []record
			for host, weight := range c.weights {
				records = append(records, record{host: host, weight: weight})
			}
			records = canonical(records)
			first, second := make(map[string]float64), make(map[string]float64)
			for range draws {
				order := drawn(records, r.IntN)
				first[order[0].host] += 1. / draws
				second[order[1].host] += 1. / draws
			}
			for _, place := range []struct {
				name      string
				got, want map[string]float64
			}{{"first", first, c.first}, {"second", second, c.second}} {
				for host, want := range place.want {
					if got := place.got[host]; got < want-.015 || got > want+.015 {
						t.Errorf("%s is %s in %.3f of the draws, want %.3f", host, place.name, got, want)
					}
				}
			}
		})
	}
}

// TestCanonical: one order for one set.
func TestCanonical(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	set := []record{{host: "a", port: 389}, {host: "a", port: 636}, {host: "b", weight: 1}, {host: "b", weight: 2}, {host: "c", priority: 1}, {host: "a", port: 389, far: 1}}
	want := canonical(set)
	for range 100 {
		mixed := append(slices.Clone(set), set[r.IntN(len(set))]) // one of them twice
		r.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		if got := canonical(mixed); !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}
