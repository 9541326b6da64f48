package caddyldap

import (
	"bytes"
	"net"
	"sync"
	"testing"
	"time"
)

// breaking is a proxy before a server that treats the server's answers as it is
// told, those on open connections too.
type breaking struct {
	l  net.Listener
	to string

	mu      sync.Mutex
	how     fault
	changed chan struct{} // closed when how changes
	open    map[net.Conn]struct{}
	strands map[net.Conn]fault // connections that are treated otherwise than all
	ended   bool
	pumps   sync.WaitGroup
}

type fault string

const (
	none      fault = "none"
	hanging   fault = "hanging"   // takes connections and questions, answers nothing
	trickling fault = "trickling" // a byte a second
	garbling  fault = "garbling"  // as many other bytes
	truncated fault = "truncated" // half an answer, and the end
	cut       fault = "cut"       // the end instead of an answer
	dead      fault = "dead"      // nothing listens, in effect: hangs up at once
)

func newBreaking(t *testing.T, to string) *breaking {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &breaking{l: l, to: to, how: none, changed: make(chan struct{}), open: make(map[net.Conn]struct{}), strands: make(map[net.Conn]fault)}
	b.pumps.Go(b.accept)
	t.Cleanup(func() {
		_ = l.Close()
		b.mu.Lock()
		b.ended = true
		b.mu.Unlock()
		b.set(dead)
		b.pumps.Wait()
	})
	return b
}

// set changes how answers are treated.
func (b *breaking) set(how fault) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.how = how
	close(b.changed)
	b.changed = make(chan struct{})
	if how == dead {
		for nc := range b.open {
			_ = nc.Close()
		}
	}
}

// strand changes how answers are treated on the connections that are open now,
// and on no others.
func (b *breaking) strand(how fault) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for nc := range b.open {
		b.strands[nc] = how
	}
}

func (b *breaking) now(client net.Conn) (fault, chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if how, ok := b.strands[client]; ok {
		return how, b.changed
	}
	return b.how, b.changed
}

func (b *breaking) accept() {
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
func (b *breaking) admit(client, server net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.how == dead || b.ended {
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
func (b *breaking) answer(client net.Conn, piece []byte, gone chan struct{}) bool {
	for len(piece) > 0 {
		how, changed := b.now(client)
		send, wait := piece, time.Duration(0)
		switch how {
		case hanging:
			select {
			case <-changed:
				continue
			case <-gone:
				return false
			}
		case trickling:
			send, wait = piece[:1], time.Second
		case garbling:
			send = bytes.Repeat([]byte{0xA5}, len(piece))
		case truncated:
			_, _ = client.Write(piece[:len(piece)/2])
			return false
		case cut, dead:
			return false
		case none:
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
