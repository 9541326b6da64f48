package caddyldap

import (
	"cmp"
	"slices"
)

// record is an SRV record, RFC 2782. Two of one text are equal.
type record struct {
	far      int // 0 under the first name that was asked, 1 under the second
	priority uint16
	weight   uint16
	host     string // in lower case, without a dot at the end
	port     uint16
}

// peers compares what RFC 2782 chooses among by weight alone: 0 for records of
// the same name and priority.
func peers(a, b record) int {
	return cmp.Or(cmp.Compare(a.far, b.far), cmp.Compare(a.priority, b.priority))
}

// canonical is one order for each set of records, whatever the server's was.
func canonical(records []record) []record {
	sorted := slices.SortedFunc(slices.Values(records), func(a, b record) int {
		return cmp.Or(peers(a, b), cmp.Compare(a.host, b.host), cmp.Compare(a.port, b.port), cmp.Compare(a.weight, b.weight))
	})
	return slices.Compact(sorted)
}

// drawn is the order in which the servers of canonical records are to be
// contacted, RFC 2782: by priority, and by lot where that is the same. intn is a
// random number below n.
func drawn(records []record, intn func(n int) int) []record {
	order := make([]record, 0, len(records))
	for rest := records; len(rest) > 0; {
		n := 1
		for n < len(rest) && peers(rest[0], rest[n]) == 0 {
			n++
		}
		order = append(order, byLot(slices.Clone(rest[:n]), intn)...)
		rest = rest[n:]
	}
	return order
}

// byLot puts records of one priority in order: each place goes to one of those
// that are left, with a chance as large as its weight. Before the draw they
// stand in any order, those without weight first, which gives them a small one.
func byLot(left []record, intn func(int) int) []record {
	for i := len(left) - 1; i > 0; i-- {
		j := intn(i + 1)
		left[i], left[j] = left[j], left[i]
	}
	slices.SortStableFunc(left, func(a, b record) int { return b2i(a.weight > 0) - b2i(b.weight > 0) })
	sum := 0
	for _, r := range left {
		sum += int(r.weight)
	}
	order := make([]record, 0, len(left))
	for len(left) > 0 {
		i, running, lot := 0, int(left[0].weight), intn(sum+1)
		for running < lot {
			i++
			running += int(left[i].weight)
		}
		order = append(order, left[i])
		sum -= int(left[i].weight)
		left = slices.Delete(left, i, i+1)
	}
	return order
}
