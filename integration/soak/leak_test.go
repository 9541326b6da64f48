package soak

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
)

// users are the accounts of people.
func users(config demodir.Config) []user {
	var all []user
	for _, u := range config.Users {
		if u.Name != "svc-web" {
			all = append(all, user{u.Name, u.Password})
		}
	}
	return all
}

// beginners bounds how many handshakes begin at once: a crowd of TLS handshakes
// on a small machine would prove its slowness alone.
var beginners = make(chan struct{}, 8)

// abandon begins a handshake and goes away, at once or when done closes.
func abandon(t *testing.T, s *site, done <-chan struct{}) {
	w, err := dial(s.http)
	if err != nil {
		t.Error(err)
		return
	}
	defer w.close()
	beginners <- struct{}{}
	a, err := w.negotiate("x")
	<-beginners
	if err != nil || a.challenge == nil {
		t.Errorf("got %d, %v, want a Type 2", a.status, err)
		return
	}
	if done != nil {
		<-done
	}
}

// TestAbandonedHandshakes: threats, B-03, B-04. Of 2,000 clients
// that begin a handshake and never end it, half hang up and half stay, silent,
// until their deadline. Nothing is left at the controller while they still sit
// there, and nothing here when they are gone.
func TestAbandonedHandshakes(t *testing.T) {
	const rounds, each = 4, 250 // of each sort a round; there is room for 512 at once
	directory := startDirectory(t, people(1))
	defer directory.Close()
	s := startSite(t, directory)
	abandon(t, s, nil) // whatever is made on first use
	before := settle(t, directory)
	for range rounds {
		done := make(chan struct{})
		var begun, sitting sync.WaitGroup
		for range each {
			begun.Go(func() { abandon(t, s, nil) })
			sitting.Go(func() { abandon(t, s, done) })
		}
		begun.Wait()
		if held := directory.Connections() - before.controllers; held < each/4 {
			t.Errorf("got %d connections to the controller held, too few to prove anything", held)
		}
		await(t, "the controller's connections outlive the deadline", func() bool {
			return directory.Connections() <= before.controllers
		})
		close(done)
		sitting.Wait()
	}
	returnsTo(t, before, directory)
	t.Logf("%d handshakes abandoned", rounds*each*2)
}

// await waits for something that takes no longer than a handshake may.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(25 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Error(what)
			return
		}
	}
}

// TestReloadsUnderLoad: threats A-23. Twenty reloads, while clients log in, ask
// and begin what they never end, leave nothing of the configurations that went.
func TestReloadsUnderLoad(t *testing.T) {
	const reloads, clients = 20, 12
	config := people(clients)
	directory := startDirectory(t, config)
	defer directory.Close()
	s := startSite(t, directory)
	abandon(t, s, nil)
	before := settle(t, directory)
	var asked, wrong atomic.Int64
	done := make(chan struct{})
	var load sync.WaitGroup
	for _, u := range users(config) {
		load.Go(func() {
			for !closed(done) {
				visit(s, u, &asked, &wrong)
			}
		})
	}
	for range reloads {
		enough := asked.Load() + clients
		await(t, "hardly anybody gets in between two reloads", func() bool { return asked.Load() >= enough })
		s.load(t)
	}
	close(done)
	load.Wait()
	if wrong.Load() > 0 {
		t.Errorf("got %d answers for somebody else", wrong.Load())
	}
	returnsTo(t, before, directory)
	t.Logf("%d reloads, %d requests let in", reloads, asked.Load())
}

func closed(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// visit logs in, asks a few times, begins another handshake and hangs up. A
// reload may end the connection at any time.
func visit(s *site, u user, asked, wrong *atomic.Int64) {
	w, err := dial(s.http)
	if err != nil {
		return
	}
	defer w.close()
	time.Sleep(20 * time.Millisecond)
	a, err := w.logIn(u, "x")
	for range 5 {
		if err != nil || a.status != 200 {
			return
		}
		asked.Add(1)
		if a.text != u.name+"|x" {
			wrong.Add(1)
		}
		time.Sleep(10 * time.Millisecond)
		a, err = w.get("x", "")
	}
	_, _ = w.negotiate("x")
}
