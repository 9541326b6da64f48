package main

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// figures are those of one round, by benchmark and unit: "Request plain-ns".
type figures map[string]float64

// processors is what the testing package puts behind a benchmark's name.
var processors = regexp.MustCompile(`-\d+$`)

// read takes in the result lines of go test -bench: a name, the number of runs,
// and pairs of value and unit. Of what was run several times it keeps the least
// disturbed.
func (f figures) read(output string) {
	for line := range strings.Lines(output) {
		words := strings.Fields(line)
		if len(words) < 4 || !strings.HasPrefix(words[0], "Benchmark") {
			continue
		}
		name := strings.TrimPrefix(processors.ReplaceAllString(words[0], ""), "Benchmark")
		for i := 2; i+1 < len(words); i += 2 {
			key := name + " " + words[i+1]
			value, err := strconv.ParseFloat(words[i], 64)
			if before, counted := f[key]; err == nil && (!counted || value < before) {
				f[key] = value
			}
		}
	}
}

// derive adds what is computed from two figures of the round.
func (f figures) derive() {
	for name, of := range map[string]struct {
		a, b  string
		ratio bool
	}{
		"handler ns":     {"KnownConnection/door ns/op", "KnownConnection/bare ns/op", false},
		"handler allocs": {"KnownConnection/door allocs/op", "KnownConnection/bare allocs/op", false},
		"request ratio":  {"Request door-ns", "Request plain-ns", true},
		"request ns":     {"Request door-ns", "Request plain-ns", false},
		"request cpu":    {"Request door-cpu-ns", "Request plain-cpu-ns", false},
		"request allocs": {"Request door-allocs", "Request plain-allocs", false},
		"session cpu":    {"Session door-cpu-ns", "Session plain-cpu-ns", false},
		"ticket lookup":  {"Ticket lookup-cpu-ns", "Ticket apache-cpu-ns", true},
		"ticket pac":     {"Ticket pac-cpu-ns", "Ticket apache-cpu-ns", true},
		"netlogon rate":  {"NTLM netlogon-logins/s", "NTLM apache-logins/s", true},
		"netlogon cpu":   {"NTLM netlogon-cpu-ns", "NTLM apache-cpu-ns", true},
		"floor cpu":      {"NTLM floor-cpu-ns", "NTLM apache-cpu-ns", true},
		"relay rate":     {"NTLM relay-logins/s", "NTLM apache-logins/s", true},
		"relay cpu":      {"NTLM relay-cpu-ns", "NTLM apache-cpu-ns", true},
	} {
		a, hasA := f[of.a]
		b, hasB := f[of.b]
		switch {
		case !hasA || !hasB || of.ratio && b == 0:
		case of.ratio:
			f[name] = a / b
		default:
			f[name] = a - b
		}
	}
}

// lines are the figures that are printed, in this order.
var lines = []struct {
	name, unit, key string
	optional        bool
}{
	{"request.plain", "µs", "Request plain-ns", false},
	{"request.authenticated", "µs", "Request door-ns", false},
	{"request.ratio", "x", "request ratio", false},
	{"request.added", "ns", "request ns", false},
	{"request.added_cpu", "ns", "request cpu", false},
	{"request.added_allocations", "allocations", "request allocs", false},
	{"handler.added", "ns", "handler ns", false},
	{"handler.added_allocations", "allocations", "handler allocs", false},
	{"login.ntlm_relay_demo", "log-ins/s", "Login/demo logins/s", false},
	{"login.ntlm_relay_demo_cpu", "ms", "Login/demo cpu-ms", false},
	{"login.ntlm_relay_samba", "log-ins/s", "Login/samba logins/s", true},
	{"ntlm.netlogon", "log-ins/s", "NTLM netlogon-logins/s", true},
	{"ntlm.netlogon_cpu", "µs", "NTLM netlogon-cpu-ns", true},
	{"ntlm.netlogon_controller", "µs", "NTLM netlogon-controller-ns", true},
	{"ntlm.relay", "log-ins/s", "NTLM relay-logins/s", true},
	{"ntlm.relay_cpu", "µs", "NTLM relay-cpu-ns", true},
	{"ntlm.relay_controller", "µs", "NTLM relay-controller-ns", true},
	{"ntlm.apache", "log-ins/s", "NTLM apache-logins/s", true},
	{"ntlm.apache_cpu", "µs", "NTLM apache-cpu-ns", true},
	{"ntlm.apache_controller", "µs", "NTLM apache-controller-ns", true},
	{"ntlm.plain_cpu", "µs", "NTLM plain-cpu-ns", true},
	{"ntlm.floor", "log-ins/s", "NTLM floor-logins/s", true},
	{"ntlm.floor_cpu", "µs", "NTLM floor-cpu-ns", true},
	{"ntlm.netlogon_to_apache", "x", "netlogon rate", true},
	{"ntlm.netlogon_cpu_to_apache", "x", "netlogon cpu", true},
	{"ntlm.floor_cpu_to_apache", "x", "floor cpu", true},
	{"ntlm.relay_to_apache", "x", "relay rate", true},
	{"ntlm.relay_cpu_to_apache", "x", "relay cpu", true},
	{"basic.warm", "requests/s", "BasicWarm requests/s", false},
	{"basic.warm_cpu", "µs", "BasicWarm door-cpu-ns", false},
	{"basic.warm_cpu_without", "µs", "BasicWarm plain-cpu-ns", false},
	{"basic.cold_demo", "requests/s", "BasicCold/demo requests/s", false},
	{"basic.cold_samba", "requests/s", "BasicCold/samba requests/s", true},
	{"session.cookie_cpu", "µs", "Session door-cpu-ns", false},
	{"session.cookie_cpu_without", "µs", "Session plain-cpu-ns", false},
	{"session.added_cpu", "ns", "session cpu", false},
	{"ticket.plain", "requests/s", "Ticket plain-requests/s", false},
	{"ticket.plain_cpu", "µs", "Ticket plain-cpu-ns", false},
	{"ticket.lookup", "requests/s", "Ticket lookup-requests/s", false},
	{"ticket.lookup_cpu", "µs", "Ticket lookup-cpu-ns", false},
	{"ticket.lookup_first", "µs", "Ticket lookup-first-ns", false},
	{"ticket.pac", "requests/s", "Ticket pac-requests/s", false},
	{"ticket.pac_cpu", "µs", "Ticket pac-cpu-ns", false},
	{"ticket.pac_first", "µs", "Ticket pac-first-ns", false},
	{"ticket.pac300", "requests/s", "Ticket pac300-requests/s", false},
	{"ticket.pac300_cpu", "µs", "Ticket pac300-cpu-ns", false},
	{"ticket.pac300_first", "µs", "Ticket pac300-first-ns", false},
	{"ticket.apache", "requests/s", "Ticket apache-requests/s", true},
	{"ticket.apache_cpu", "µs", "Ticket apache-cpu-ns", true},
	{"ticket.apache_first", "µs", "Ticket apache-first-ns", true},
	{"ticket.apache300", "requests/s", "Ticket apache300-requests/s", true},
	{"ticket.apache300_cpu", "µs", "Ticket apache300-cpu-ns", true},
	{"ticket.apache300_first", "µs", "Ticket apache300-first-ns", true},
	{"ticket.lookup_to_apache", "x", "ticket lookup", true},
	{"ticket.pac_to_apache", "x", "ticket pac", true},
	{"lookup.demo", "look-ups/s", "LookUp/demo each/s", false},
	{"lookup.slapd", "look-ups/s", "LookUp/slapd each/s", true},
	{"lookup.samba", "look-ups/s", "LookUp/samba each/s", true},
	{"memory.half_open", "B/handshake", "HalfOpen ntlm-B", false},
	{"memory.half_open_negotiate", "B/handshake", "HalfOpen negotiate-B", false},
	{"memory.plain_2000", "B/connection", "IdleConnections/2000 plain-B", false},
	{"memory.added_2000", "B/connection", "IdleConnections/2000 added-B", false},
	{"memory.added_own_identity_2000", "B/connection", "IdleConnections/2000 own-added-B", false},
	{"memory.plain_20000", "B/connection", "IdleConnections/20000 plain-B", false},
	{"memory.added_20000", "B/connection", "IdleConnections/20000 added-B", false},
	{"memory.added_own_identity_20000", "B/connection", "IdleConnections/20000 own-added-B", false},
}

// write prints one line a figure. One that a round lacks is an error, unless it
// needs something that need not be there.
func write(to io.Writer, rounds []figures) error {
	var missing []error
	for _, l := range lines {
		var values []float64
		for _, round := range rounds {
			if v, ok := round[l.key]; ok {
				if l.unit == "µs" {
					v /= 1000
				}
				values = append(values, v)
			}
		}
		if len(values) < len(rounds) {
			if !l.optional || len(values) > 0 {
				missing = append(missing, fmt.Errorf("%s was measured %d times in %d rounds", l.name, len(values), len(rounds)))
			}
			continue
		}
		slices.Sort(values)
		fmt.Fprintf(to, "%-32s %10s %-13s %s–%s\n", l.name, short(median(values)), l.unit, short(values[0]), short(values[len(values)-1]))
	}
	return errors.Join(missing...)
}

func median(sorted []float64) float64 {
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// short writes three or four digits that mean something.
func short(v float64) string {
	switch {
	case v >= 100 || v <= -100 || v == float64(int64(v)):
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10 || v <= -10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}
