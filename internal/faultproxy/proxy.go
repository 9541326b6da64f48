// Package faultproxy stands before a server in a test and breaks its answers, as
// a controller that is ill or a network would.
package faultproxy

import (
	"bytes"
	"net"
	"sync"
	"testing"
	"time"
)

// Proxy is before a server and treats the server's answers as it is
// told, those on open connections too.
type Proxy struct {
	l  net.Listener
	to string

	mu      sync.Mutex
	how     Fault
	changed chan struct{} // closed when how changes
	open    map[net.Conn]struct{}
	strands map[net.Conn]Fault // connections that are treated otherwise than all
	ended   bool
	pumps   sync.WaitGroup
}

// Fault is how answers are treated.
type Fault string

const (
	None      Fault = "none"
	Hanging   Fault = "hanging"   // takes connections and questions, answers nothing
	Trickling Fault = "trickling" // a byte a second
	Garbling  Fault = "garbling"  // as many other bytes
	Truncated Fault = "truncated" // half an answer, and the end
	Cut       Fault = "cut"       // the end instead of an answer
	Dead      Fault = "dead"      // nothing listens, in effect: hangs up at once
)

// Faults are all of them, None aside.
func Faults() []Fault { return []Fault{Hanging, Trickling, Garbling, Truncated, Cut, Dead} }

// New listens on a free port of loopback, before the server at an address, until
// the test ends.
func New(t testing.TB, to string) *Proxy {
	t.Helper()
	return At(t, "127.0.0.1:0", to)
}

// At is New at an address of the test's choice.
func At(t testing.TB, address, to string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	b := &Proxy{l: l, to: to, how: None, changed: make(chan struct{}), open: make(map[net.Conn]struct{}), strands: make(map[net.Conn]Fault)}
	b.pumps.Go(b.accept)
	t.Cleanup(func() {
		_ = l.Close()
		b.mu.Lock()
		b.ended = true
		b.mu.Unlock()
		b.Set(Dead)
		b.pumps.Wait()
	})
	return b
}

// Addr is where it listens.
func (b *Proxy) Addr() string { return b.l.Addr().String() }

// Set changes how answers are treated.
func (b *Proxy) Set(how Fault) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.how = how
	close(b.changed)
	b.changed = make(chan struct{})
	if how == Dead {
		for nc := range b.open {
			_ = nc.Close()
		}
	}
}

// Strand changes how answers are treated on the connections that are open now,
// and on no others.
func (b *Proxy) Strand(how Fault) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for nc := range b.open {
		b.strands[nc] = how
	}
}

func (b *Proxy) now(client net.Conn) (Fault, chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if how, ok := b.strands[client]; ok {
		return how, b.changed
	}
	return b.how, b.changed
}

func (b *Proxy) accept() {
	for {
		client, err := b.l.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", b.to)
		if err != nil || !b.admit(client, server) {
			_ = client.Close()
			continue
		}
		gone := make(chan struct{})
		b.pumps.Go(func() { // questions
			defer close(gone)
			pump(client, server, func(p []byte) bool { _, err := server.Write(p); return err == nil })
		})
		b.pumps.Go(func() { // answers
			pump(server, client, func(p []byte) bool { return b.answer(client, p, gone) })
			b.mu.Lock()
			delete(b.open, client)
			delete(b.open, server)
			b.mu.Unlock()
		})
	}
}

// admit reports whether a connection is taken; it is not while the server is
// dead, where both ends are closed.
func (b *Proxy) admit(client, server net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.how == Dead || b.ended {
		_ = server.Close()
		return false
	}
	b.open[client], b.open[server] = struct{}{}, struct{}{}
	return true
}

func pump(from, to net.Conn, write func([]byte) bool) {
	defer func() { _, _ = from.Close(), to.Close() }()
	for buffer := make([]byte, 16<<10); ; {
		n, err := from.Read(buffer)
		if err != nil || !write(buffer[:n]) {
			return
		}
	}
}

// answer treats a piece of an answer, and reports whether the connection lives.
func (b *Proxy) answer(client net.Conn, piece []byte, gone chan struct{}) bool {
	for len(piece) > 0 {
		how, changed := b.now(client)
		send, wait := piece, time.Duration(0)
		switch how {
		case Hanging:
			select {
			case <-changed:
				continue
			case <-gone:
				return false
			}
		case Trickling:
			send, wait = piece[:1], time.Second
		case Garbling:
			send = bytes.Repeat([]byte{0xA5}, len(piece))
		case Truncated:
			_, _ = client.Write(piece[:len(piece)/2])
			return false
		case Cut, Dead:
			return false
		case None:
		}
		if _, err := client.Write(send); err != nil {
			return false
		}
		piece = piece[len(send):]
		select {
		case <-time.After(wait):
		case <-changed:
		case <-gone:
			return false
		}
	}
	return true
}
