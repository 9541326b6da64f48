package main

import (
	"bytes"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
	"github.com/caddy-ntlm/caddy-ntlm/integration/servers"
)

// ntlmSite asks a controller of the lab.
const ntlmSite = globalOptions + `	ldap EXAMPLE {
		server %[1]s
		tls {
			trust_pool file %[2]s
		}
		verify %[3]s
	}
}
http://%[4]s {
	bind 127.0.0.1
	windows_auth EXAMPLE {
		schemes ntlm
		throttle {
			attempts 8
		}
	}
	respond "hello"
}
`

// plainSite is what a connection with two requests costs without the plugin.
const plainSite = globalOptions + `}
http://%[1]s {
	bind 127.0.0.1
	respond "hello"
}
`

const (
	ntlmWorkers = 8   // clients at a time, all of one user: as many attempts as the sites' throttle lets go at once
	ntlmBatch   = 200 // log-ins at each site by turns
)

// judged is a site whose log-ins a controller decides, and what is measured of it.
type judged struct {
	name    string
	address string
	pids    []int               // of its servers
	asks    func(*client) error // instead of a log-in

	spent, used, controller time.Duration
	done                    int
}

// logIn is one on a connection of its own.
func (s *judged) logIn() error {
	c, err := dial(s.address)
	if err != nil {
		return err
	}
	defer func() { _ = c.nc.Close() }()
	if s.asks != nil {
		return s.asks(c)
	}
	c.request = bytes.Replace(c.request, []byte("GET / "), []byte("GET /index.html "), 1)
	return c.logIn()
}

// turn has clients log in, several at a time.
func (s *judged) turn(b *testing.B, n int, controller []int) {
	b.Helper()
	began, before, beforeController := time.Now(), cpuOf(b, s.pids...), cpuOf(b, controller...)
	var all sync.WaitGroup
	for i := range ntlmWorkers {
		all.Go(func() {
			for j := i; j < n; j += ntlmWorkers {
				if err := s.logIn(); err != nil {
					b.Errorf("%s: %v", s.name, err)
					return
				}
			}
		})
	}
	all.Wait()
	s.spent += time.Since(began)
	s.used += cpuOf(b, s.pids...) - before
	s.controller += cpuOf(b, controller...) - beforeController
	s.done += n
}

// BenchmarkNTLM has alice log in by NTLM, each time on a new connection, by turns at
// Caddy, which asks by the machine account's channel or by relay, and at Apache, whose
// gss-ntlmssp has winbind ask: one controller of the lab, the same client, and each
// server in processes of its own, of which alone the processor time is counted.
func BenchmarkNTLM(b *testing.B) {
	dir := os.Getenv("LAB_DIR")
	if dir == "" {
		b.Skip("no lab")
	}
	l, err := lab.Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	controller, err := l.Processes(1)
	if err != nil {
		b.Fatal(err)
	}
	var sites []*judged
	for _, v := range [][2]string{{"netlogon", "netlogon WEB01$ " + lab.Account("WEB01$").Password}, {"relay", "relay"}} {
		address := freeAddresses(b, 1)[0]
		pid := startCaddy(b, fmt.Sprintf(ntlmSite, l.LDAPS(1), l.CA(), v[1], address), address)
		sites = append(sites, &judged{name: v[0], address: address, pids: []int{pid}})
	}
	if _, err := os.Stat(gssapiModule); err == nil {
		address := freeAddresses(b, 1)[0]
		winbind := servers.RunWinbind(b, l, "APACHE01")
		sites = append(sites, &judged{name: "apache", address: address, pids: []int{servers.ApacheNTLM(b, address, winbind), winbind.PID}})
	}
	address := freeAddresses(b, 1)[0]
	sites = append(sites, &judged{name: "plain", address: address, pids: []int{startCaddy(b, fmt.Sprintf(plainSite, address), address)}, asks: (*client).twice}, startFloor(b))
	for _, s := range sites {
		warm := *s
		warm.turn(b, 4*ntlmWorkers, controller)
	}
	for b.Loop() {
		for _, s := range sites {
			s.turn(b, ntlmBatch, controller)
		}
	}
	for _, s := range sites {
		b.ReportMetric(float64(s.done)/s.spent.Seconds(), s.name+"-logins/s")
		b.ReportMetric(float64(s.used)/float64(s.done), s.name+"-cpu-ns")
		b.ReportMetric(float64(s.controller)/float64(s.done), s.name+"-controller-ns")
	}
}
