package caddyldap

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
	"github.com/caddy-ntlm/caddy-ntlm/internal/faultproxy"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/metrictest"
)

// passwords is a directory without a service account, so that every connection is
// a password's. made counts those that were made.
func passwords(t *testing.T, url string, change func(*Directory)) (d *Directory, made func() int) {
	t.Helper()
	config := &Directory{Server: []Server{{URL: url}}, Timeout: &Timeout{Dial: caddy.Duration(overall)}}
	if change != nil {
		change(config)
	}
	ctx := configuration(t)
	d = config
	if d.TLS == nil && !d.InsecurePlaintext {
		d.TLS = &TLS{InsecureSkipVerify: true}
	}
	if err := d.provision(ctx, zap.NewNop(), "EXAMPLE"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.stop)
	return d, func() int {
		n, _ := metrictest.Sum(t, ctx.GetMetricsRegistry(), connections, "outcome=ok")
		return int(n)
	}
}

// spares is how many connections wait for the next password.
func spares(d *Directory) int {
	d.spare.mu.Lock()
	defer d.spare.mu.Unlock()
	return len(d.spare.conns)
}

// TestPasswordsShareAConnection: where a password was right the next one needs no
// new connection, and whoever it is of is nobody else.
func TestPasswordsShareAConnection(t *testing.T) {
	d, made := passwords(t, startDemo(t, nil).LDAPS(), nil)
	first := made()
	for range 3 {
		for _, user := range []string{"alice", "bob", "zoë", "frank"} {
			if id := mustLogIn(t, d, user); id.SAM != user {
				t.Errorf("%s: got %s", user, id.SAM)
			}
		}
	}
	if got := made() - first; got > 2 { // the first one may learn the domain's names
		t.Errorf("got %d connections made, want 2 at most", got)
	}
}

// TestWrongPasswordEndsItsConnection: a controller leaves the former identity on a
// connection on which a bind fails.
func TestWrongPasswordEndsItsConnection(t *testing.T) {
	d, made := passwords(t, startDemo(t, nil).LDAPS(), nil)
	for _, name := range []string{"alice", "bob", "nobody"} {
		mustLogIn(t, d, "alice")
		if id, err := logIn(t, d, name, "wrong"); identity.KindOf(err) != identity.KindBadCredentials {
			t.Errorf("%s after alice: got %v, %v", name, id, err)
		}
	}
	before := made()
	if n := spares(d); n != 0 {
		t.Errorf("got %d connections kept after wrong passwords, want 0", n)
	}
	if id := mustLogIn(t, d, "bob"); id.SAM != "bob" {
		t.Errorf("got %s", id.SAM)
	}
	if got := made() - before; got != 1 {
		t.Errorf("got %d connections made for the next one, want 1", got)
	}
}

// TestConnectionsMixedUp: a server that leaves the first identity on a connection,
// though it says yes to the next, makes nobody somebody else.
func TestConnectionsMixedUp(t *testing.T) {
	healthy, _ := passwords(t, startDemo(t, nil).LDAPS(), nil)
	for name, quirks := range map[string]demodir.Quirks{
		"tokenGroups": {FirstStays: true},
		"who am I":    {FirstStays: true, NoTokenGroups: true},
		"DNs":         {FirstStays: true, NoTokenGroups: true, NotActive: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := startDemo(t, func(c *demodir.Config) { c.Quirks = quirks })
			d, _ := passwords(t, s.LDAPS(), func(d *Directory) {
				if quirks.NotActive {
					d.BindAs = &BindAs{Form: bindAbsolute}
				}
			})
			for range 2 {
				for _, user := range []string{"alice", "bob", "zoë"} {
					typed := user
					if quirks.NotActive {
						typed = mustLogIn(t, healthy, user).DN
					}
					id, err := logIn(t, d, typed, "Secr3t-"+user)
					if err != nil || id.SAM != user {
						t.Errorf("%s: got %v, %v", user, id, err)
					}
				}
			}
		})
	}
}

// TestSpareWhateverTheName: an account's names are known again, so that none of
// them costs a second bind.
func TestSpareWhateverTheName(t *testing.T) {
	d, made := passwords(t, startDemo(t, nil).LDAPS(), nil)
	mustLogIn(t, d, "alice")
	before := made()
	for _, typed := range []string{"bob", `EXAMPLE\BOB`, "bob@example.test", "bob.baker@example.test", `example.test\bob`} {
		mustLogIn(t, d, "alice")
		id, err := logIn(t, d, typed, "Secr3t-bob")
		if err != nil || id.SAM != "bob" {
			t.Errorf("%s: got %v, %v", typed, id, err)
		}
	}
	if got := made() - before; got != 0 {
		t.Errorf("got %d connections made, want none", got)
	}
}

// TestSpareConnectionThatIsGone: what a server does with a connection that nobody
// uses is nobody's trouble, and puts no server aside.
func TestSpareConnectionThatIsGone(t *testing.T) {
	s := startDemo(t, func(cfg *demodir.Config) { cfg.AllowPlain = true })
	for name, happens := range map[string]func(*Directory, *faultproxy.Proxy){
		"ended, and it shows": func(_ *Directory, b *faultproxy.Proxy) {
			b.Set(faultproxy.Dead)
			time.Sleep(50 * time.Millisecond)
			b.Set(faultproxy.None)
		},
		"ended at the next question": func(_ *Directory, b *faultproxy.Proxy) { b.Strand(faultproxy.Cut) },
		"nobody answers on it": func(d *Directory, b *faultproxy.Proxy) {
			b.Strand(faultproxy.Hanging)
			for _, c := range d.spare.conns {
				c.rested = c.rested.Add(-time.Minute)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			proxy := faultproxy.New(t, strings.TrimPrefix(s.LDAP(), "ldap://"))
			d, made := passwords(t, "ldap://"+proxy.Addr(), func(d *Directory) {
				d.InsecurePlaintext = true
				d.Timeout = &Timeout{Dial: caddy.Duration(500 * time.Millisecond)}
			})
			mustLogIn(t, d, "alice")
			before, began := made(), time.Now()
			happens(d, proxy)
			if id := mustLogIn(t, d, "bob"); id.SAM != "bob" {
				t.Errorf("got %s", id.SAM)
			}
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("took %v", took)
			}
			if got := made() - before; got != 1 {
				t.Errorf("got %d connections made, want 1", got)
			}
			if aside := d.servers.aside(); aside[d.servers.all()[0].url.Addr()] {
				t.Error("the server is put aside")
			}
		})
	}
}

// TestAnswerOnASpareConnection: what a server answers there is its answer. Only where
// the connection was lost is the password sent again.
func TestAnswerOnASpareConnection(t *testing.T) {
	refused := &answer{at: binding, code: 49, text: "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data 6fb, v1db1"}
	for name, c := range map[string]struct {
		err  error
		want int
	}{
		"an answer": {identity.Fail(identity.KindUnavailable, refused), 1},
		"none":      {identity.Fail(identity.KindUnavailable, io.EOF), 2},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(1)
			f.up[0] = true
			asked := 0
			spare := way{answered: f.answered, dial: func(context.Context, *server) (*conn, error) { return &conn{reused: true}, nil }}
			err := f.tryBy(t.Context(), spare, func(context.Context, *conn) error { asked++; return c.err })
			if asked != c.want || !errors.Is(err, c.err) {
				t.Errorf("got %d binds and %v, want %d and %v", asked, err, c.want, c.err)
			}
		})
	}
}

// TestSpareIsBounded: no more of them than the pool may have, nor for longer.
func TestSpareIsBounded(t *testing.T) {
	s := startDemo(t, nil)
	d, _ := passwords(t, s.LDAPS(), func(d *Directory) { d.Pool = &Pool{Size: 2, Idle: caddy.Duration(300 * time.Millisecond)} })
	var all sync.WaitGroup
	for i := range 12 {
		user := []string{"alice", "bob", "zoë", "frank"}[i%4]
		all.Go(func() {
			if id, err := logIn(t, d, user, "Secr3t-"+user); err != nil || id.SAM != user {
				t.Errorf("%s: got %v, %v", user, id, err)
			}
		})
	}
	all.Wait()
	if n := spares(d); n < 1 || n > 2 {
		t.Errorf("got %d connections kept, want 1 or 2", n)
	}
	settled(t, s, 0)
	mustLogIn(t, d, "alice")
	d.stop()
	settled(t, s, 0)
}
