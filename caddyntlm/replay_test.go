package caddyntlm

import (
	"bufio"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// reuse takes a local port on which connections to other servers are still
// waiting for their end.
func reuse(_, _ string, raw syscall.RawConn) error {
	var err error
	if control := raw.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	}); control != nil {
		return control
	}
	return err
}

// dialFrom connects from a local address, as soon as that is free.
func dialFrom(t *testing.T, local net.Addr, address string) net.Conn {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		nc, err := (&net.Dialer{LocalAddr: local, Control: reuse}).Dial("tcp", address)
		if err == nil {
			t.Cleanup(func() { _ = nc.Close() })
			_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
			return nc
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// ownAddress is a loopback address of this process's own: on 127.0.0.1 a busy
// machine keeps most ports from being taken twice within a minute.
func ownAddress() net.Addr {
	pid := os.Getpid()
	return &net.TCPAddr{IP: net.IPv4(127, 64+byte(pid>>16), byte(pid>>8), byte(pid))}
}

// a new socket from the address and port of one that is gone is nobody,
// and fit for a log-in of its own.
func TestAddressUsedAgain(t *testing.T) {
	d := newDoor(t, nil)
	address := d.server.Listener.Addr().String()
	connect := func(local net.Addr) *client {
		nc := dialFrom(t, local, address)
		return &client{t: t, nc: nc, read: bufio.NewReader(nc), host: "site.example.com"}
	}
	first := connect(ownAddress())
	first.login("alice", "secret-a").wantUser(t, "alice")
	_, before := d.last(t)
	if err := first.nc.(*net.TCPConn).SetLinger(0); err != nil { // a reset leaves no TIME_WAIT
		t.Fatal(err)
	}
	_ = first.nc.Close()
	second := connect(first.nc.LocalAddr())
	if got, want := second.nc.LocalAddr().String(), first.nc.LocalAddr().String(); got != want {
		t.Fatalf("got %s, want %s once more", got, want)
	}
	second.get().want(t, 401, both...)
	second.login("bob", "secret-b").wantUser(t, "bob")
	if _, after := d.last(t); after["conn"] == before["conn"] || after["conn"] == nil {
		t.Errorf("got conn %v for the second, want another than %v", after["conn"], before["conn"])
	}
}

// B-02: a challenge is good for one answer, also where that was wrong.
func TestChallengeUsedTwice(t *testing.T) {
	d := newDoor(t, nil)
	c := d.dial(t)
	first := c.get(type1()).challenge()
	c.get(type3(first, "alice", "wrong")).want(t, 401, both...)
	d.wantReason(t, identity.KindBadCredentials)
	c.get(type3(first, "alice", "secret-a")).want(t, 401, both...)
	d.wantReason(t, identity.KindState)
	if got := d.dir.asked.Load(); got != 1 {
		t.Errorf("got %d questions, want 1", got)
	}
	// Nor where another came after it.
	c.get(type1())
	c.get(type3(first, "alice", "secret-a")).want(t, 401, both...)
}

// Two sites share connections and listeners; who is known at one is nobody at
// the other, and a challenge of one is worth nothing there.
func TestTwoDirectoriesOnOneConnection(t *testing.T) {
	l := newListener(t)
	l.serve(t)
	c := wire{dialAddress(t, l.server.Listener.Addr().String())}
	first := c.ask(0, type1()).challenge()
	c.ask(1, type3(first, "alice", "other-a")).want(t, 401, "NTLM", `Basic realm="other.example.com", charset="UTF-8"`)
	c.ask(0, type3(first, "alice", "secret-a")).wantUser(t, "alice")
	c.ask(1).want(t, 401, "NTLM", `Basic realm="other.example.com", charset="UTF-8"`)
	second := c.ask(1, type1()).challenge()
	c.ask(0).wantUser(t, "alice")
	c.ask(1, type3(second, "bob", "other-b")).wantUser(t, "bob")
	c.ask(0).wantUser(t, "alice")
	c.ask(1).wantUser(t, "bob")
}

// B-09: whatever a records office says, guests and anonymous log-ins are
// nobody.
func TestNobodyIsLetIn(t *testing.T) {
	for _, text := range []string{"S-1-5-7", "S-1-5-21-1-2-3-501"} {
		sid, err := identity.ParseSID(text)
		if err != nil {
			t.Fatal(err)
		}
		d := newDoor(t, nil)
		d.dir.as = sid
		c := d.dial(t)
		c.login("alice", "secret-a").want(t, 401, both...)
		d.wantReason(t, identity.KindGuestMapped)
		if level, _ := d.last(t); level != zapcore.WarnLevel {
			t.Errorf("got a line at %v, want WARN", level)
		}
		c.get(basic("alice", "secret-a")).want(t, 401, both...)
		d.wantReason(t, identity.KindGuestMapped)
		c.get().want(t, 401, both...)
	}
}

// a configuration that goes takes its half-open handshakes along, also
// those of connections that are busy elsewhere.
func TestCleanupEndsHandshakes(t *testing.T) {
	d := newDoor(t, nil)
	waiting, known := d.dial(t), d.dial(t)
	waiting.get(type1())
	known.login("alice", "secret-a").wantUser(t, "alice")
	if err := d.Cleanup(); err != nil {
		t.Fatal(err)
	}
	d.dir.checkClosed(t)
	if got := d.pending.taken.Load(); got != 0 {
		t.Errorf("got %d handshakes still counted, want 0", got)
	}
	known.get().want(t, 401, both...)
}
