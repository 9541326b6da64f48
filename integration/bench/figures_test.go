package main

import (
	"strings"
	"testing"
)

func TestFigures(t *testing.T) {
	const output = `goos: linux
BenchmarkKnownConnection/bare-2   	  100	  1000 ns/op	  500 B/op	  7 allocs/op
BenchmarkKnownConnection/door-2   	  100	  3000 ns/op	  900 B/op	  9 allocs/op
BenchmarkKnownConnection/door-2   	  100	  4000 ns/op	  900 B/op	  9 allocs/op
BenchmarkRequest-2   	  10	  1 ns/op	 20000 plain-ns	 22000 door-ns	 9000 plain-cpu-ns	 9500 door-cpu-ns	 40 plain-allocs	 42 door-allocs
BenchmarkLogin/demo-2  10  5 ns/op  VALUE logins/s  4.5 cpu-ms
BenchmarkBasicWarm-2  10  5 ns/op  30000 plain-cpu-ns  36000 door-cpu-ns  20000 requests/s
BenchmarkSession-2  10  5 ns/op  50000 plain-cpu-ns  57000 door-cpu-ns
BenchmarkBasicCold/demo-2  10  5 ns/op  400 requests/s
BenchmarkTicket-2  3  5 ns/op  40000 plain-cpu-ns  17000 plain-requests/s  120000 lookup-cpu-ns  400000 lookup-first-ns  6000 lookup-requests/s  110000 pac-cpu-ns  410000 pac-first-ns  6100 pac-requests/s  130000 pac300-cpu-ns  420000 pac300-first-ns  6200 pac300-requests/s  480000 apache-cpu-ns
BenchmarkNTLM-2  3  5 ns/op  500 netlogon-logins/s  600000 netlogon-cpu-ns  2200000 netlogon-controller-ns  200 apache-logins/s  2400000 apache-cpu-ns  2000000 apache-controller-ns  150 relay-logins/s  1800000 relay-cpu-ns  9000000 relay-controller-ns
BenchmarkHalfOpen-2  1  5 ns/op  830 ntlm-B  1100 negotiate-B
BenchmarkLookUp/demo-2  10  5 ns/op  1400 each/s
BenchmarkIdleConnections/2000-2  1  5 ns/op  9000 plain-B  800 added-B  2000 own-added-B
BenchmarkIdleConnections/20000-2  1  5 ns/op  9000 plain-B  801 added-B  2000 own-added-B
PASS
`
	var rounds []figures
	for _, value := range []string{"300", "100", "220"} {
		f := make(figures)
		f.read(strings.ReplaceAll(output, "VALUE", value))
		f.derive()
		rounds = append(rounds, f)
	}
	var b strings.Builder
	if err := write(&b, rounds); err != nil {
		t.Error(err)
	}
	got := strings.Join(strings.Fields(b.String()), " ")
	for _, want := range []string{
		"request.authenticated 22 µs 22–22", "request.ratio 1.10 x 1.10–1.10", "request.added 2000 ns", "request.added_cpu 500 ns",
		"request.added_allocations 2 allocations", "handler.added 2000 ns", "ticket.lookup_cpu 120 µs", "ticket.pac300 6200 requests/s", "ticket.lookup_to_apache 0.25 x", "basic.warm_cpu 36 µs 36–36", "session.cookie_cpu 57 µs 57–57", "session.added_cpu 7000 ns", "ntlm.netlogon 500 log-ins/s 500–500", "ntlm.apache_controller 2000 µs", "ntlm.netlogon_to_apache 2.50 x", "ntlm.netlogon_cpu_to_apache 0.25 x", "ntlm.relay_to_apache 0.75 x", "ntlm.relay_cpu_to_apache 0.75 x",
		"memory.half_open_negotiate 1100 B/handshake", "lookup.demo 1400 look-ups/s", "login.ntlm_relay_demo 220 log-ins/s 100–300", "memory.added_20000 801 B/connection 801–801",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got\n%s\nwant it to hold %q", b.String(), want)
		}
	}
	delete(rounds[0], "Request door-ns")
	if err := write(&b, rounds); err == nil {
		t.Error("got no error where a round lacks a figure")
	}
}
