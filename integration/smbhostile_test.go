package integration

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/faultproxy"
)

// spare is a loopback address beside the controllers', of which nothing listens but
// what a test starts.
func spare(t *testing.T) string {
	t.Helper()
	ip := net.ParseIP(domain.Addr(1)).To4()
	return net.IPv4(ip[0], ip[1], ip[2], 99).String()
}

// twistedSMB is the first controller behind another address: its LDAPS as it is, and
// its SMB with answers to SESSION_SETUP that a test changes. It gives what a site
// writes as its server, and how to set the change: leg counts from 1.
func twistedSMB(t *testing.T) (server string, set func(func(leg int, msg []byte))) {
	t.Helper()
	host := spare(t)
	faultproxy.At(t, net.JoinHostPort(host, "636"), domain.Addr(1)+":636")
	l, err := net.Listen("tcp", net.JoinHostPort(host, "445"))
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var change func(int, []byte)
	var open sync.WaitGroup
	open.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			twist := change
			mu.Unlock()
			open.Go(func() { passSMB(client, twist) })
		}
	})
	t.Cleanup(func() { l.Close(); open.Wait() })
	return "ldaps://" + host + " {\n\t\t\tserver_name dc1.example.test\n\t\t}", func(f func(int, []byte)) {
		mu.Lock()
		defer mu.Unlock()
		change = f
	}
}

// passSMB passes one connection on, frame by frame.
func passSMB(client net.Conn, twist func(leg int, msg []byte)) {
	defer client.Close()
	server, err := net.Dial("tcp", domain.Addr(1)+":445")
	if err != nil {
		return
	}
	defer server.Close()
	for legs := 0; ; {
		asked, err := frame(client)
		if err != nil {
			return
		}
		if _, err := server.Write(asked); err != nil {
			return
		}
		answer, err := frame(server)
		if err != nil {
			return
		}
		if msg := answer[4:]; msg[12] == 1 && twist != nil { // SESSION_SETUP
			legs++
			twist(legs, msg)
		}
		if _, err := client.Write(answer); err != nil {
			return
		}
	}
}

func frame(from net.Conn) ([]byte, error) {
	prefix := make([]byte, 4)
	if _, err := io.ReadFull(from, prefix); err != nil {
		return nil, err
	}
	msg := make([]byte, binary.BigEndian.Uint32(prefix))
	_, err := io.ReadFull(from, msg)
	return append(prefix, msg...), err
}

// Where things are in the answer to SESSION_SETUP, [MS-SMB2] 2.2.1.2 and 2.2.6.
const (
	smbStatus       = 8
	smbFlags        = 16
	smbSignature    = 48
	smbSessionFlags = 66
)

// TestSMBSiteHostile: a server that says yes in a way that is none lets nobody in,
// whatever the password, and costs nobody a password prompt but where it lets
// guests in.
func TestSMBSiteHostile(t *testing.T) {
	server, set := twistedSMB(t)
	s := start(t, siteConfig{Servers: server, LDAP: smbWords(), Body: unthrottled})
	s.awaitLine(t, "self-test")
	last := func(change func(msg []byte)) func(int, []byte) {
		return func(leg int, msg []byte) {
			if leg == 2 {
				change(msg)
			}
		}
	}
	yes := func(msg []byte) { // over a no
		binary.LittleEndian.PutUint32(msg[smbStatus:], 0)
		copy(msg[64:], []byte{9, 0, 0, 0, 72, 0, 0, 0})
	}
	for _, c := range []struct {
		name, password string
		twist          func(leg int, msg []byte)
		status         int
		ntlm, basic    string // reasons
	}{
		{"as it is", "Secr3t-alice", nil, 200, "", ""},
		{"guest", "Secr3t-alice", last(func(msg []byte) { msg[smbSessionFlags] |= 1 }), 401, "guest_mapped", "guest_mapped"},
		{"guest, wrong password", "wrong", last(func(msg []byte) { yes(msg); msg[smbSessionFlags] |= 1 }), 401, "guest_mapped", "guest_mapped"},
		{"null", "Secr3t-alice", last(func(msg []byte) { msg[smbSessionFlags] |= 2 }), 401, "guest_mapped", "guest_mapped"},
		{"unsigned", "Secr3t-alice", last(func(msg []byte) { msg[smbFlags] &^= 8 }), 503, "protocol", "protocol"},
		{"signed with zeros", "Secr3t-alice", last(func(msg []byte) { clear(msg[smbSignature:64]) }), 503, "protocol", "protocol"},
		{"unsigned, wrong password", "wrong", last(yes), 503, "protocol", "protocol"},
		{"a yes before the proof", "wrong", func(leg int, msg []byte) { binary.LittleEndian.PutUint32(msg[smbStatus:], 0) }, 503, "protocol", "protocol"},
		{"one more leg", "Secr3t-alice", last(func(msg []byte) { binary.LittleEndian.PutUint32(msg[smbStatus:], 0xC0000016) }), 503, "protocol", "protocol"},
		{"another domain's controller", "Secr3t-alice", func(_ int, msg []byte) { replaceUTF16(msg, "EXAMPLE", "EXAMPLX") }, 503, "protocol", "protocol"},
	} {
		t.Run(c.name, func(t *testing.T) {
			set(c.twist)
			for scheme, reason := range map[string]string{"--ntlm": c.ntlm, "--basic": c.basic} {
				got := curl(t, scheme, "-u", `EXAMPLE\alice:`+c.password, s.HTTP+"/")
				if got.Status != c.status || c.status != 200 && s.reason(t) != reason || c.status == 503 && len(got.Challenges) > 0 {
					t.Errorf("%s: got %d %s, challenges %q, reason %s %s, want %d %s", scheme, got.Status, got.Body, got.Challenges, s.reason(t), s.refusal(t).text("error"), c.status, reason)
				}
			}
		})
	}
}

// TestSMBSiteUnverified is what the word insecure_unverified_answer is about: who
// stands between this machine and the controller says yes to any NTLM log-in. To a
// password that is typed here he cannot without knowing it.
func TestSMBSiteUnverified(t *testing.T) {
	server, set := twistedSMB(t)
	s := start(t, siteConfig{Servers: server, LDAP: smbWords(), Body: whoami})
	s.awaitLine(t, "self-test")
	set(func(leg int, msg []byte) {
		if leg == 2 {
			binary.LittleEndian.PutUint32(msg[smbStatus:], 0)
			copy(msg[64:], []byte{9, 0, 0, 0, 72, 0, 0, 0})
			msg[smbFlags] |= 8
			msg[smbSignature] = 1
		}
	})
	if got := curl(t, "--ntlm", "-u", `EXAMPLE\alice:wrong`, s.HTTP+"/"); got.Status != 200 || !strings.HasPrefix(got.Body, "alice|") {
		t.Errorf("NTLM: got %d %s, reason %s: docs/ldap.md says otherwise", got.Status, got.Body, s.reason(t))
	}
	if got := curl(t, "--basic", "-u", `EXAMPLE\alice:wrong`, s.HTTP+"/"); got.Status != 503 || s.reason(t) != "protocol" {
		t.Errorf("Basic: got %d, reason %s, want 503 and protocol", got.Status, s.reason(t))
	}
}

// replaceUTF16 puts a text of the same length in the place of another.
func replaceUTF16(msg []byte, old, changed string) {
	from, to := string(utf16LE(old)), utf16LE(changed)
	for text := string(msg); strings.Contains(text, from); text = string(msg) {
		copy(msg[strings.Index(text, from):], to)
	}
}
