package caddyldap

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// zone is a DNS without a network. What it does not hold does not exist.
type zone struct {
	mu    sync.Mutex
	names map[string][]*net.SRV
	fails map[string]error
	asked []string
	hold  chan struct{} // answers wait until it is closed
}

const (
	siteName  = "_ldap._tcp.Berlin._sites.dc._msdcs.example.com."
	dcName    = "_ldap._tcp.dc._msdcs.example.com."
	plainName = "_ldap._tcp.example.com."
)

func (z *zone) LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error) {
	z.mu.Lock()
	hold := z.hold
	z.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return "", nil, ctx.Err()
		}
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	if service != "" || proto != "" {
		return "", nil, fmt.Errorf("asked for %s and %s beside the name", service, proto)
	}
	z.asked = append(z.asked, name)
	if err := z.fails[name]; err != nil {
		return "", z.names[name], err
	}
	if records, ok := z.names[name]; ok {
		return name, records, nil
	}
	return "", nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

// set replaces the records of a name; host:port are separated by spaces, and the
// priority is 0, or what stands before a slash.
func (z *zone) set(name string, records ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.names == nil {
		z.names, z.fails = make(map[string][]*net.SRV), make(map[string]error)
	}
	delete(z.fails, name)
	z.names[name] = nil
	for _, text := range records {
		r := &net.SRV{Weight: 100}
		if before, after, ok := strings.Cut(text, "/"); ok {
			_, _ = fmt.Sscan(before, &r.Priority)
			text = after
		}
		host, port, _ := strings.Cut(text, ":")
		_, _ = fmt.Sscan(port, &r.Port)
		r.Target = host + "."
		z.names[name] = append(z.names[name], r)
	}
}

func (z *zone) fail(name string, err error) {
	z.set(name)
	z.mu.Lock()
	defer z.mu.Unlock()
	z.fails[name] = err
}

func (z *zone) remove(name string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	delete(z.names, name)
	delete(z.fails, name)
}

// queries are the names asked for since the last call.
func (z *zone) queries() []string {
	z.mu.Lock()
	defer z.mu.Unlock()
	defer func() { z.asked = nil }()
	return z.asked
}

// discovery is a directory that finds its servers in a zone. Which of them can
// be reached is decided here, and the clock is moved by hand.
type discovery struct {
	*Directory
	zone *zone
	logs *observer.ObservedLogs

	clock atomic.Int64 // seconds
	mu    sync.Mutex
	down  map[string]bool
	dials []string
}

func discoverIn(t *testing.T, z *zone, config *Directory) *discovery {
	t.Helper()
	config.resolver = z
	x := &discovery{zone: z, down: make(map[string]bool)}
	x.Directory, x.logs = open(t, config, "EXAMPLE")
	x.clock.Store(1e9)
	x.now = func() time.Time { return time.Unix(x.clock.Load(), 0) }
	x.servers.now = x.now
	x.servers.dial = func(_ context.Context, sv *server) (*conn, error) {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.dials = append(x.dials, sv.url.Addr())
		if x.down[sv.url.Addr()] {
			return nil, identity.Fail(identity.KindUnavailable, nil)
		}
		return &conn{server: sv}, nil
	}
	x.servers.probe = func(ctx context.Context, sv *server) error { _, err := x.servers.dial(ctx, sv); return err }
	return x
}

func (x *discovery) wait(seconds int) { x.clock.Add(int64(seconds)) }

func (x *discovery) setDown(down bool, addrs ...string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, addr := range addrs {
		x.down[addr] = down
	}
}

// ask returns who answers, and whom it dialled.
func (x *discovery) ask(t *testing.T) (who string, dials []string, err error) {
	t.Helper()
	x.mu.Lock()
	x.dials = nil
	x.mu.Unlock()
	err = x.servers.try(t.Context(), func(_ context.Context, c *conn) error { who = c.server.url.Addr(); return nil })
	x.mu.Lock()
	defer x.mu.Unlock()
	return who, x.dials, err
}

// refresh asks DNS now.
func (x *discovery) refresh() error {
	x.wait(60)
	<-x.servers.finder.look()
	return x.servers.finder.failure()
}

func (x *discovery) list() (addrs []string) {
	for _, sv := range x.servers.all() {
		addrs = append(addrs, sv.url.Addr())
	}
	return addrs
}

func (x *discovery) want(t *testing.T, what string, addrs ...string) {
	t.Helper()
	if got := x.list(); !slices.Equal(got, addrs) {
		t.Errorf("%s: got %v, want %v", what, got, addrs)
	}
}

func example(site string) *Directory {
	return &Directory{Discover: &Discover{DNSDomain: "Example.com.", Site: site}}
}

// TestDiscoverAsksNothingWhileLoading: the first use does, or the self-test.
func TestDiscoverAsksNothingWhileLoading(t *testing.T) {
	z := new(zone)
	z.set(dcName, "DC1.example.COM:389")
	x := discoverIn(t, z, example(""))
	if asked := z.queries(); len(asked) > 0 {
		t.Errorf("asked for %v", asked)
	}
	if who, _, err := x.ask(t); who != "dc1.example.com:636" || err != nil {
		t.Errorf("got %s, %v", who, err)
	}
	if x.BaseDN != nil || x.bases != nil || x.dnsDomain != "" {
		t.Errorf("got base DNs %v and the domain %s, which are the controller's to say", x.bases, x.dnsDomain)
	}
}

func TestDiscoverNames(t *testing.T) {
	refused := &net.DNSError{Err: "server misbehaving", IsTemporary: true}
	for _, c := range []struct {
		name  string
		fill  func(*zone)
		asked []string
		want  []string
		warn  string
	}{
		{"the site first", func(z *zone) {
			z.set(siteName, "b.example.com:389")
			z.set(dcName, "a.example.com:389", "b.example.com:389")
		},
			[]string{siteName, dcName}, []string{"b.example.com:636", "a.example.com:636"}, ""},
		{"no such site", func(z *zone) { z.set(dcName, "a.example.com:389") },
			[]string{siteName, dcName}, []string{"a.example.com:636"}, "no controller of the site"},
		{"an empty site", func(z *zone) { z.set(siteName); z.set(dcName, "a.example.com:389") },
			[]string{siteName, dcName}, []string{"a.example.com:636"}, "no controller of the site"},
		{"no Active Directory", func(z *zone) { z.set(plainName, "a.example.com:389") },
			[]string{siteName, dcName, plainName}, []string{"a.example.com:636"}, ""},
		{"no answer for the site", func(z *zone) { z.fail(siteName, refused); z.set(dcName, "a.example.com:389") },
			[]string{siteName}, nil, "names no controllers"},
		{"no answer for the domain", func(z *zone) { z.set(siteName, "a.example.com:389"); z.fail(dcName, refused) },
			[]string{siteName, dcName}, nil, "names no controllers"},
		{"nothing", func(*zone) {}, []string{siteName, dcName, plainName}, nil, "names no controllers"},
		{"no such service", func(z *zone) { z.set(dcName, ":0") }, []string{siteName, dcName, plainName}, nil, "names no controllers"},
		{"some names that are none", func(z *zone) {
			z.set(siteName, "a.example.com:389")
			z.fails[siteName] = &net.DNSError{Err: "malformed"}
			z.set(dcName, "a.example.com:389")
		}, []string{siteName, dcName}, []string{"a.example.com:636"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			z := new(zone)
			c.fill(z)
			x := discoverIn(t, z, example("Berlin"))
			_, _, err := x.ask(t)
			if asked := z.queries(); !slices.Equal(asked, c.asked) {
				t.Errorf("asked for %v, want %v", asked, c.asked)
			}
			x.want(t, "servers", c.want...)
			if (err == nil) != (c.want != nil) || err != nil && (identity.KindOf(err) != identity.KindUnavailable || hintIn(err) == "") {
				t.Errorf("got %v (hint %q)", err, hintIn(err))
			}
			if c.warn != "" && x.logs.FilterMessageSnippet(c.warn).Len() == 0 {
				t.Errorf("no line with %q: %v", c.warn, x.logs.All())
			}
		})
	}
}

func hintIn(err error) string {
	for _, f := range faultFields(nil, err) {
		if f.Key == "hint" {
			return f.String
		}
	}
	return ""
}

// TestDiscoverReach: RFC 2782's port is the one to ask, but 389 may stand for LDAPS.
func TestDiscoverReach(t *testing.T) {
	for _, c := range []struct {
		port     uint16
		starttls bool
		want     URL
	}{
		{389, false, URL{TLS: true, Host: "h", Port: "636"}},
		{636, false, URL{TLS: true, Host: "h", Port: "636"}},
		{1636, false, URL{TLS: true, Host: "h", Port: "1636"}},
		{389, true, URL{Host: "h", Port: "389"}},
		{636, true, URL{TLS: true, Host: "h", Port: "636"}},
		{1389, true, URL{Host: "h", Port: "1389"}},
	} {
		d := &Directory{StartTLS: c.starttls}
		if got := d.reach(record{host: "h", port: c.port}); got != c.want {
			t.Errorf("port %d, starttls %v: got %+v, want %+v", c.port, c.starttls, got, c.want)
		}
	}
}

// TestDiscoverBelievesNoStranger: a TLS name is never one outside the domain.
func TestDiscoverBelievesNoStranger(t *testing.T) {
	strangers := []string{
		"dc1.example.org:389", "dc1.evilexample.com:389", "example.com:389", "example.com.evil.org:389", "com:389", "192.0.2.1:389",
		"..example.com:389", "a b.example.com:389", "gc.example.com:3268", "gc.example.com:3269", "none.example.com:0",
	}
	z := new(zone)
	z.set(dcName, append(slices.Clone(strangers), "dc1.sub.example.com:389")...)
	x := discoverIn(t, z, example(""))
	if err := x.refresh(); err != nil {
		t.Fatal(err)
	}
	x.want(t, "servers", "dc1.sub.example.com:636")
	if sv := x.servers.all()[0]; sv.tls == nil || sv.tls.ServerName != "dc1.sub.example.com" {
		t.Errorf("got the TLS name of %+v", sv.tls)
	}
	warned := x.logs.FilterMessageSnippet("not to be believed").All()
	if len(warned) != 1 || warned[0].ContextMap()["count"] != int64(len(strangers)) {
		t.Errorf("got %v", warned)
	}
	z.set(dcName, strangers...)
	if err := x.refresh(); err == nil || !strings.Contains(err.Error(), "to be believed") {
		t.Errorf("strangers alone: got %v", err)
	}
	x.want(t, "the former list", "dc1.sub.example.com:636")
	if asked := z.queries(); slices.Contains(asked, plainName) {
		t.Errorf("asked for %v: strangers are not the lack of a record", asked)
	}
}

// TestDiscoverIsBounded: an answer does not say how many servers we hold.
func TestDiscoverIsBounded(t *testing.T) {
	z := new(zone)
	var records []string
	for i := range 3 * maxDiscovered {
		records = append(records, fmt.Sprintf("%d/dc%d.example.com:389", i, i))
	}
	z.set(dcName, records...)
	x := discoverIn(t, z, example(""))
	if err := x.refresh(); err != nil {
		t.Fatal(err)
	}
	if got := x.list(); len(got) != maxDiscovered || got[0] != "dc0.example.com:636" || got[63] != "dc63.example.com:636" {
		t.Errorf("got %d: %v", len(got), got)
	}
}
