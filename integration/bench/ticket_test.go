package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/integration/servers"
	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
	"github.com/caddy-ntlm/caddy-ntlm/internal/krbforge"
)

// The sites of tickets: to everybody; looked up in a directory; and by the PAC alone,
// whose groups are SIDs.
const ticketSites = globalOptions + `	ldap LOOKUP {
		server %[1]s
		tls {
			trust_pool file %[2]s
		}
		dns_domain example.test
		service_account EXAMPLE\svc-web Secr3t-svc-web
		verify keytab %[3]s
	}
	ldap PAC {
		server %[1]s
		tls {
			trust_pool file %[2]s
		}
		dns_domain example.test
		verify keytab %[3]s
	}
}
http://%[4]s {
	bind 127.0.0.1
	respond "hello"
}
http://%[5]s {
	bind 127.0.0.1
	windows_auth LOOKUP {
		schemes negotiate
		require group "Domain Users"
	}
	respond "hello"
}
http://%[6]s {
	bind 127.0.0.1
	windows_auth PAC {
		schemes negotiate
		require sid S-1-5-21-1111111111-2222222222-3333333333-513
	}
	respond "hello"
}
`

const (
	ticketRealm, ticketService = "EXAMPLE.TEST", "HTTP/localhost"

	aes256 = 18 // aes256-cts-hmac-sha1-96, RFC 3962 7

	ticketWorkers = 4    // connections that are kept
	ticketBatch   = 1000 // requests of each site by turns
)

// send asks once and wants the page.
func (c *client) send(request []byte) error {
	if _, err := c.nc.Write(request); err != nil {
		return err
	}
	response, err := http.ReadResponse(c.read, nil)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(response.Body)
	if err == nil && (response.StatusCode != http.StatusOK || !bytes.Equal(body, []byte("hello"))) {
		err = fmt.Errorf("got %s %q, %q", response.Status, body, response.Header)
	}
	return err
}

// ticketed is a site, what is measured of it, and by which client.
type ticketed struct {
	name    string
	address string
	pid     int
	holder  *holder // nil where no ticket is sent

	clients     []*client
	spent, used time.Duration
	waits       []time.Duration
	sent        int
}

// round sends requests on the kept connections, all at once.
func (s *ticketed) round(b *testing.B, n int, counts bool) {
	b.Helper()
	if s.clients == nil {
		for range ticketWorkers {
			c, err := dial(s.address)
			if err != nil {
				b.Fatal(err)
			}
			s.clients = append(s.clients, c)
		}
	}
	var requests [][]byte
	if s.holder != nil {
		requests = s.holder.requests(b, s.address, n)
	} else {
		requests = slices.Repeat([][]byte{s.clients[0].request}, n)
	}
	began, before := time.Now(), cpuOf(b, s.pid)
	var all sync.WaitGroup
	for i, c := range s.clients {
		all.Go(func() {
			for j := i; j < len(requests); j += ticketWorkers {
				if err := c.send(requests[j]); err != nil {
					b.Errorf("%s: %v", s.name, err)
					return
				}
			}
		})
	}
	all.Wait()
	if counts {
		s.spent += time.Since(began)
		s.used += cpuOf(b, s.pid) - before
		s.sent += n
	}
}

// first is somebody's first request, on a connection of its own, with a ticket that
// was never seen.
func (s *ticketed) first(b *testing.B, h *holder) {
	b.Helper()
	request := h.requests(b, s.address, 1)[0]
	began := time.Now()
	c, err := dial(s.address)
	if err == nil {
		err = c.send(request)
	}
	if err != nil {
		b.Fatalf("%s: %v", s.name, err)
	}
	s.waits = append(s.waits, time.Since(began))
	_ = c.nc.Close()
}

// BenchmarkTicket sends a ticket with each request on kept connections, by turns to
// Caddy and to Apache with the same keytab, each in processes of its own, and counts
// their processor time alone. The requests are made before.
func BenchmarkTicket(b *testing.B) {
	directory, err := demodir.Start(demodir.Demo())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = directory.Close() })
	long := krbforge.Key(aes256, 0x11)
	keytab := krbforge.Keytab(ticketRealm, ticketService, 3, long)
	dir := b.TempDir()
	for name, raw := range map[string][]byte{"ca.pem": directory.CAPEM(), "http.keytab": keytab} {
		if err := os.WriteFile(filepath.Join(dir, name), raw, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	sid := sidOf(b, directory, "alice")
	free := freeAddresses(b, 3)
	plain, lookup, certified := free[0], free[1], free[2]
	pid := startCaddy(b, fmt.Sprintf(ticketSites, directory.LDAPS(), filepath.Join(dir, "ca.pem"), filepath.Join(dir, "http.keytab"), plain, lookup, certified), plain)
	sites := []*ticketed{
		{name: "plain", address: plain, pid: pid},
		{name: "lookup", address: lookup, pid: pid, holder: holderOf(b, long, "alice", sid)},
		{name: "pac", address: certified, pid: pid, holder: holderOf(b, long, "alice", nil)},
		{name: "pac300", address: certified, pid: pid, holder: holderOf(b, long, "many", nil)},
	}
	if _, err := os.Stat(gssapiModule); err == nil {
		address := freeAddresses(b, 1)[0]
		parent := servers.Apache(b, address, ticketRealm, keytab, "")
		sites = append(sites,
			&ticketed{name: "apache", address: address, pid: parent, holder: holderOf(b, long, "alice", nil)},
			&ticketed{name: "apache300", address: address, pid: parent, holder: holderOf(b, long, "many", nil)})
	}
	for _, s := range sites {
		s.round(b, 200, false)
	}
	for b.Loop() {
		for _, s := range sites {
			s.round(b, ticketBatch, true)
			for range 20 {
				if s.holder != nil {
					s.first(b, holderOf(b, long, s.holder.name, s.holder.sid))
				}
			}
		}
	}
	for _, s := range sites {
		b.ReportMetric(float64(s.used)/float64(s.sent), s.name+"-cpu-ns")
		b.ReportMetric(float64(s.sent)/s.spent.Seconds(), s.name+"-requests/s")
		if len(s.waits) > 0 {
			slices.Sort(s.waits)
			b.ReportMetric(float64(s.waits[len(s.waits)/2]), s.name+"-first-ns")
		}
		for _, c := range s.clients {
			_ = c.nc.Close()
		}
	}
}
