package caddyldap

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
	"github.com/caddy-ntlm/caddy-ntlm/internal/faultproxy"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// sick is a directory behind a proxy that breaks answers.
type sick struct {
	*Directory
	proxy *faultproxy.Proxy
	logs  *observer.ObservedLogs
	id    *identity.Identity // of alice, from better times
}

func newSick(t *testing.T, plain bool, healthy ...*demodir.Server) *sick {
	t.Helper()
	s := startDemo(t, func(cfg *demodir.Config) { cfg.AllowPlain = true })
	config := demoDirectory(s)
	config.Timeout = nil // what the figures are for
	var proxy *faultproxy.Proxy
	if plain {
		proxy = faultproxy.New(t, strings.TrimPrefix(s.LDAP(), "ldap://"))
		config.Server[0].URL, config.InsecurePlaintext = "ldap://"+proxy.Addr(), true
	} else {
		proxy = faultproxy.New(t, strings.TrimPrefix(s.LDAPS(), "ldaps://"))
		config.Server[0].URL = "ldaps://" + proxy.Addr()
	}
	for _, other := range healthy {
		config.Server = append(config.Server, Server{URL: other.LDAPS()})
	}
	d, logs := open(t, config, "EXAMPLE")
	return &sick{Directory: d, proxy: proxy, logs: logs, id: mustLogIn(t, d, "alice")}
}

// acts are what a visitor may have asked of the controller.
func (s *sick) acts() map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"bind": func(ctx context.Context) error {
			p, err := s.PasswordVerifier().VerifyPassword(ctx, identity.ParseName("alice"), identity.NewSecret("Secr3t-alice"))
			if err != nil {
				return err
			}
			_, err = s.Resolve(ctx, p)
			return err
		},
		"relay": func(ctx context.Context) error {
			client := &ntlm.Client{User: "alice", Password: "Secr3t-alice"}
			x, err := s.NTLMVerifier().StartNTLM(ctx, client.Negotiate(), nil)
			if err != nil {
				return err
			}
			defer func() { _ = x.Close() }()
			answer, err := client.Authenticate(x.Challenge())
			if err != nil {
				return err
			}
			p, err := x.Finish(ctx, answer)
			if err != nil {
				return err
			}
			_, err = s.Resolve(ctx, p)
			return err
		},
		"search": func(ctx context.Context) error {
			id, err := s.Refresh(ctx, s.id)
			if err == nil {
				s.id = id // so that the next one has to be newer
			}
			return err
		},
	}
}

// timed runs an act as the door does, with ten seconds, and holds it to them.
func timed(t *testing.T, act func(context.Context) error) error {
	t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), overall)
	defer cancel()
	err := act(ctx)
	if took := time.Since(began); took > overall+time.Second {
		t.Errorf("an answer after %v, want 10 s at most", took)
	}
	return err
}

// eachFault runs a test for each fault and act, many at a time: most of it is
// waiting.
func eachFault(t *testing.T, run func(t *testing.T, how faultproxy.Fault, what string)) {
	t.Helper()
	var all sync.WaitGroup
	places := make(chan struct{}, 9)
	for _, how := range faultproxy.Faults() {
		for _, what := range []string{"bind", "relay", "search"} {
			all.Go(func() {
				places <- struct{}{}
				defer func() { <-places }()
				t.Run(string(how)+" "+what, func(t *testing.T) { run(t, how, what) })
			})
		}
	}
	all.Wait()
}

// TestFaults: threats D-12, E-01, E-03. Whatever a controller does, the answer is
// technical and comes within ten seconds, the log names the controller, and five
// seconds after its return it serves again; nothing is left behind.
func TestFaults(t *testing.T) {
	before := descriptors(t)
	for name, plain := range map[string]bool{"plain": true, "TLS": false} {
		t.Run(name, func(t *testing.T) {
			eachFault(t, func(t *testing.T, how faultproxy.Fault, what string) { breakAndMend(t, newSick(t, plain), how, what) })
		})
	}
	await(t, "no descriptor more than before", func() bool { return descriptors(t) <= before })
}

func breakAndMend(t *testing.T, s *sick, how faultproxy.Fault, what string) {
	act := s.acts()[what]
	if err := timed(t, act); err != nil {
		t.Fatalf("while all is well: %v", err)
	}
	s.proxy.Set(how)
	if err := timed(t, act); !unanswered(err) {
		t.Errorf("got %v, want a technical failure", err)
	}
	await(t, "a line about the server", func() bool { return s.logs.FilterMessage("server put aside").Len() > 0 })
	aside := s.logs.FilterMessage("server put aside").All()[0].ContextMap()
	if aside["server"] != s.servers.list[0].url.Addr() || aside["reason"] == "internal" || aside["hint"] == "" || aside["hint"] == nil {
		t.Errorf("the log says %v, want the server, the reason and a hint", aside)
	}
	s.proxy.Set(faultproxy.None)
	mended := time.Now()
	for timed(t, act) != nil {
		if time.Since(mended) > 5*time.Second {
			t.Fatalf("not served 5 s after the server's return: %v", act(t.Context()))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// TestFaultsWithAnotherController: threats E-04. The same with a second
// controller: everybody is served by it, in time.
func TestFaultsWithAnotherController(t *testing.T) {
	eachFault(t, func(t *testing.T, how faultproxy.Fault, what string) {
		s := newSick(t, false, startDemo(t, nil))
		act := s.acts()[what]
		if err := timed(t, act); err != nil {
			t.Fatalf("while all is well: %v", err)
		}
		s.proxy.Set(how)
		for range 3 {
			if err := timed(t, act); err != nil {
				t.Errorf("got %v, want the second controller's answer", err)
			}
		}
	})
}

// TestPlacesOfThoseWhoLeft: a question whose asker has left takes a place of the
// pool until it ends, and then somebody who waits gets it.
func TestPlacesOfThoseWhoLeft(t *testing.T) {
	s := newSick(t, true)
	p := s.service.pool
	p.size = 1
	if err := timed(t, s.acts()["search"]); err != nil {
		t.Fatal(err)
	}
	s.proxy.Set(faultproxy.Hanging)
	ctx, leave := context.WithCancel(t.Context())
	var left sync.WaitGroup
	for range p.share {
		left.Go(func() {
			_ = s.service.do(ctx, func(c *conn, root rootDSE) error {
				_, err := c.entry(ctx, root.base, "objectClass")
				return err
			})
		})
	}
	p.mu.Lock()
	c := p.members[0].conn
	p.mu.Unlock()
	await(t, "all ask", func() bool { return int(c.asking.Load()) == p.share })
	leave()
	left.Wait()
	served := make(chan error, 1)
	go func() { served <- s.service.do(t.Context(), func(*conn, rootDSE) error { return nil }) }()
	await(t, "one waits", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.waiting) == 1
	})
	s.proxy.Set(faultproxy.None)
	select {
	case err := <-served:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(overall):
		t.Fatal("nobody woke the one who waits")
	}
}

// TestBackThoughNobodyAsks: a controller that returns is in service again on a site
// that nobody visits.
func TestBackThoughNobodyAsks(t *testing.T) {
	s := startDemo(t, nil)
	proxy := faultproxy.New(t, strings.TrimPrefix(s.LDAPS(), "ldaps://"))
	config := demoDirectory(s)
	config.Server[0].URL = "ldaps://" + proxy.Addr()
	config.ServiceAccount = nil
	d, logs := open(t, config, "EXAMPLE")
	mustLogIn(t, d, "alice")
	proxy.Set(faultproxy.Dead)
	if _, err := logIn(t, d, "alice", "Secr3t-alice"); !unanswered(err) {
		t.Fatalf("got %v", err)
	}
	proxy.Set(faultproxy.None)
	await(t, "back in service", func() bool { return logs.FilterMessage("server is back in service").Len() == 1 })
	if aside := d.servers.aside(); aside[proxy.Addr()] {
		t.Error("the figures say that it is down")
	}
}
