package caddyldap

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// tap stands before a server without TLS and keeps what is sent to it.
type tap struct {
	net.Listener
	mu    sync.Mutex
	sent  bytes.Buffer
	conns []net.Conn
}

func tapOf(t *testing.T, server string) *tap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tap{Listener: l}
	var done sync.WaitGroup
	done.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			done.Go(func() { p.serve(client, strings.TrimPrefix(server, "ldap://")) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.cut()
		done.Wait()
	})
	return p
}

func (p *tap) serve(client net.Conn, address string) {
	defer client.Close()
	upstream, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	p.mu.Lock()
	p.conns = append(p.conns, client, upstream)
	p.mu.Unlock()
	go func() { _, _ = io.Copy(client, upstream); _ = client.Close() }()
	// The tap hears first: an answer must not overtake what was asked.
	_, _ = io.Copy(io.MultiWriter(p, upstream), client)
	_ = upstream.Close()
}

// Write implements io.Writer.
func (p *tap) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent.Write(b)
}

// take gives what was sent since the last take.
func (p *tap) take() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := p.sent.String()
	p.sent.Reset()
	return text
}

func (p *tap) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
}

// tapped is a directory that searches, all of whose words a tap hears.
func tapped(t *testing.T, s *demodir.Server) (*Directory, *tap) {
	t.Helper()
	p := tapOf(t, s.LDAP())
	config := unixDirectory(s, "OU=Staff,"+s.BaseDN())
	config.Server, config.InsecurePlaintext = []Server{{URL: "ldap://" + p.Addr().String()}}, true
	d, _ := open(t, config, "EXAMPLE")
	if err := d.service.do(t.Context(), func(*conn, rootDSE) error { return nil }); err != nil {
		t.Fatal(err)
	}
	p.take()
	return d, p
}

func quietPeople(t *testing.T, change func(*demodir.Config)) *demodir.Server {
	t.Helper()
	return startDemo(t, func(c *demodir.Config) {
		c.NotActive, c.NoTokenGroups, c.NoInChain, c.AllowPlain, c.LockoutThreshold = true, true, true, true, 3
		for _, name := range []string{"plain", "twin one", "twin two"} {
			uid := strings.Fields(name)[0]
			c.Users = append(c.Users, demodir.User{Name: name, Password: "Secr3t-" + name, Attributes: map[string][]string{"uid": {uid}}})
		}
		if change != nil {
			change(c)
		}
	})
}

// boundIn are the names of the bind requests in what was sent, RFC 4511 4.2, but for
// the service account's: its pool may open a connection at any time.
func boundIn(sent string) (names []string) {
	for {
		_, after, found := strings.Cut(sent, "\x02\x01\x03\x04") // version 3, and a name
		if !found || len(after) == 0 {
			return names
		}
		name := after[1:min(1+int(after[0]), len(after))]
		if !strings.Contains(strings.ToLower(name), "svc-web") {
			names = append(names, name)
		}
		sent = after
	}
}

// TestDecoy: whoever has no account is not refused sooner than others: the
// servers are asked too, about nobody and without a word of what was typed
// (threats F-09).
func TestDecoy(t *testing.T) {
	s := quietPeople(t, nil)
	d, p := tapped(t, s)
	for typed, c := range map[string]struct {
		want identity.Kind
		real bool
	}{
		"plain":          {identity.KindBadCredentials, true},
		"nobody":         {identity.KindBadCredentials, false},
		"twin":           {identity.KindAmbiguous, false},
		`OTHER\plain`:    {identity.KindMismatch, false},
		"Secr3t-nobody*": {identity.KindBadCredentials, false},
	} {
		_, err := logIn(t, d, typed, "Secr3t-never-sent")
		if identity.KindOf(err) != c.want {
			t.Errorf("%s: got %v, want %v", typed, err, c.want)
		}
		sent := p.take()
		if names := boundIn(sent); len(names) != 1 {
			t.Errorf("%s: got binds as %q, want one", typed, names)
		}
		if strings.Contains(sent, "Secr3t-never-sent") != c.real {
			t.Errorf("%s: the password is sent: %v, want %v\n%q", typed, !c.real, c.real, sent)
		}
	}
	for name, want := range map[string]int{"plain": 1, "twin one": 0, "twin two": 0, "svc-web": 0} {
		if got := s.BadPasswords(name); got != want {
			t.Errorf("%s: got %d wrong passwords counted, want %d", name, got, want)
		}
	}
}

// TestDecoyLetsNobodyIn: not even where the server says yes to it.
func TestDecoyLetsNobodyIn(t *testing.T) {
	s := quietPeople(t, func(c *demodir.Config) { c.GuestMap = true })
	d, logs := open(t, unixDirectory(s), "EXAMPLE")
	for typed, want := range map[string]identity.Kind{"nobody": identity.KindBadCredentials, "twin": identity.KindAmbiguous} {
		id, err := logIn(t, d, typed, "Secr3t-plain")
		if id != nil || identity.KindOf(err) != want {
			t.Errorf("%s: got %v, %v, want %v", typed, id, err, want)
		}
	}
	if got := logs.FilterMessageSnippet("does not exist").Len(); got != 2 {
		t.Errorf("got %d lines about it, want two", got)
	}
}

// TestDecoyAndDeadServers: while nobody could be let in, who has no account is
// told so like everybody else.
func TestDecoyAndDeadServers(t *testing.T) {
	d, p := tapped(t, quietPeople(t, nil))
	_ = p.Close() // who searches stays connected
	for _, typed := range []string{"plain", "nobody", "twin"} {
		if _, err := logIn(t, d, typed, "x"); identity.KindOf(err) != identity.KindUnavailable {
			t.Errorf("%s: got %v, want %v", typed, err, identity.KindUnavailable)
		}
	}
}

// TestPace: refusals count once there is one, and the latest of them alone.
func TestPace(t *testing.T) {
	var p pace
	if got := p.draw(); got != 0 {
		t.Errorf("at first: got %v", got)
	}
	p.note(time.Second, false)
	if got := p.draw(); got != time.Second {
		t.Errorf("after a success: got %v, want 1s", got)
	}
	for range paceKept {
		p.note(time.Minute, true)
	}
	p.note(time.Second, false)
	for i := range paceKept {
		if got := p.draw(); got != time.Minute {
			t.Errorf("draw %d: got %v, want 1m", i, got)
		}
	}
	for range paceKept {
		p.note(time.Hour, true)
	}
	if got := p.draw(); got != time.Hour || len(p.took) != paceKept {
		t.Errorf("after as many others: got %v of %d, want 1h", got, len(p.took))
	}
}

// TestDecoyWaits as long as passwords of accounts take, and no longer than its
// caller has patience.
func TestDecoyWaits(t *testing.T) {
	d, _ := open(t, unixDirectory(quietPeople(t, nil)), "EXAMPLE")
	d.pace.note(300*time.Millisecond, true)
	began := time.Now()
	if _, err := logIn(t, d, "nobody", "x"); identity.KindOf(err) != identity.KindBadCredentials {
		t.Error(err)
	}
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("got %v, want 300ms", took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	began = time.Now()
	pause(ctx, time.Hour)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("cut short: got %v", took)
	}
}
