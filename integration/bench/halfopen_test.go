package main

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/spnego"
)

// halfOpenSite asks no controller before a Type 3 has come: there is none.
const halfOpenSite = globalOptions + `	ldap EXAMPLE {
		server ldaps://127.0.0.1:1
		base_dn DC=example,DC=test
		verify netlogon WEB01$ Secr3t-WEB01
	}
}
http://%[1]s {
	bind 127.0.0.1
	windows_auth EXAMPLE {
		schemes negotiate ntlm
		max_pending %[2]d %[2]d
		handshake_timeout 5m
	}
	respond "hello"
}
`

// halfOpenHandshakes is the default of max_pending.
const halfOpenHandshakes = 512

// inUse is what the heap and the stacks take.
func inUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // the first one only shrinks stacks and marks what pools hold
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// halfOpen gives what a handshake takes, in bytes, beyond its idle connection, while
// its client has the challenge and does not answer.
func halfOpen(tb testing.TB, address, opening string) float64 {
	tb.Helper()
	clients := make([]*client, halfOpenHandshakes)
	for i := range clients {
		c, err := dial(address)
		if err != nil {
			tb.Fatal(err)
		}
		defer func() { _ = c.nc.Close() }()
		clients[i] = c
	}
	ask := func(header, want string) {
		for _, c := range clients {
			response, err := c.ask(header)
			if err != nil {
				tb.Fatal(err)
			}
			got := response.Header.Values("Www-Authenticate")
			if response.StatusCode != http.StatusUnauthorized || !slices.ContainsFunc(got, func(v string) bool { return strings.HasPrefix(v, want) }) {
				tb.Fatalf("got %s %q, want a challenge %s", response.Status, got, want)
			}
		}
	}
	ask("", "NTLM")
	before := inUse()
	scheme, _, _ := strings.Cut(opening, " ")
	ask("Authorization: "+opening+"\r\n", scheme+" ")
	held := inUse() - before
	runtime.KeepAlive(clients)
	return float64(held) / halfOpenHandshakes
}

// startHalfOpen serves the site in this process and gives its address.
func startHalfOpen(tb testing.TB) string {
	tb.Helper()
	address := freeAddresses(tb, 1)[0]
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt(fmt.Appendf(nil, halfOpenSite, address, halfOpenHandshakes), nil)
	if err == nil {
		err = caddy.Load(config, true)
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = caddy.Stop() })
	return address
}

// openings are what clients begin with, honest ones, and such as want as much kept as is
// allowed: a Type 1 of 1 KiB, and 16 mechanisms of 32 bytes.
func openings(tb testing.TB) map[string]string {
	tb.Helper()
	wrapped := func(token []byte, mechanisms ...spnego.OID) []byte {
		raw, err := (&spnego.NegTokenInit{MechTypes: spnego.NewMechTypeList(mechanisms...), MechToken: token}).Marshal()
		if err != nil {
			tb.Fatal(err)
		}
		return raw
	}
	first := new(ntlm.Client).Negotiate()
	long := slices.Concat(first, make([]byte, 1<<10-len(first)))
	many := []spnego.OID{spnego.NTLMSSP}
	for i := range byte(15) {
		many = append(many, spnego.OID(strings.Repeat("\x2b", 31)+string(i)))
	}
	made := make(map[string]string)
	for name, o := range map[string]struct {
		scheme string
		token  []byte
	}{
		"NTLM":                             {"NTLM", first},
		"Negotiate":                        {"Negotiate", wrapped(first, spnego.NTLMSSP)},
		"NTLM, long":                       {"NTLM", long},
		"Negotiate, long":                  {"Negotiate", wrapped(long, spnego.NTLMSSP)},
		"Negotiate, long, many mechanisms": {"Negotiate", wrapped(long, many...)},
	} {
		made[name] = o.scheme + " " + base64.StdEncoding.EncodeToString(o.token)
	}
	return made
}

// A half-open handshake costs memory alone, and 4 KiB at most.
func TestHalfOpenMemory(t *testing.T) {
	const most = 4096
	address := startHalfOpen(t)
	halfOpen(t, address, openings(t)["NTLM"]) // not counted: what the first ones leave behind
	for name, opening := range openings(t) {
		got := halfOpen(t, address, opening)
		t.Logf("%s: %.0f bytes", name, got)
		if got > most {
			t.Errorf("%s: got %.0f bytes, want %d at most", name, got, most)
		}
	}
}

// BenchmarkHalfOpen measures an honest one.
func BenchmarkHalfOpen(b *testing.B) {
	address, opening := startHalfOpen(b), openings(b)
	halfOpen(b, address, opening["Negotiate"])
	var ntlm, negotiate float64
	for b.Loop() {
		ntlm += halfOpen(b, address, opening["NTLM"])
		negotiate += halfOpen(b, address, opening["Negotiate"])
	}
	b.ReportMetric(ntlm/float64(b.N), "ntlm-B")
	b.ReportMetric(negotiate/float64(b.N), "negotiate-B")
}
