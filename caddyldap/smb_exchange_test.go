package caddyldap

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// settledOpen waits until that many connections to a script are open.
func settledOpen(t *testing.T, s *smbScript, want int) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		_, got := s.count()
		if got == want {
			return
		}
		if time.Since(began) > 5*time.Second {
			t.Fatalf("got %d connections to the controller, want %d", got, want)
		}
	}
}

// TestSMBLogsIn: by both ways, as the account that the directory has, and nothing is
// left open.
func TestSMBLogsIn(t *testing.T) {
	script := new(smbScript)
	d := overSMB(t, script)
	for name, in := range map[string]func() (*identity.Identity, error){
		"NTLM": func() (*identity.Identity, error) { return logInNTLM(t, d, alice()) },
		"NTLM, no domain": func() (*identity.Identity, error) {
			return logInNTLM(t, d, &ntlm.Client{User: "ALICE", Password: "Secr3t-alice"})
		},
		"NTLM, DNS domain": func() (*identity.Identity, error) {
			return logInNTLM(t, d, &ntlm.Client{User: "alice", Domain: d.dns(), Password: "Secr3t-alice"})
		},
		"Basic":         func() (*identity.Identity, error) { return logIn(t, d, "alice", "Secr3t-alice") },
		"Basic, domain": func() (*identity.Identity, error) { return logIn(t, d, `example\alice`, "Secr3t-alice") },
	} {
		id, err := in()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if id.SAM != "alice" || id.SID.IsZero() || id.DN == "" || id.Verifier != "smb" {
			t.Errorf("%s: got %+v", name, id)
		}
	}
	settledOpen(t, script, 0)
}

// TestSMBMeant: what the client said of where it logs in is in the Principal, and is
// held against the channel before anybody is asked.
func TestSMBMeant(t *testing.T) {
	script := new(smbScript)
	d := overSMB(t, script)
	client := alice()
	client.TargetName = "HTTP/other.example.test"
	x, authenticate := answered(t, d, client)
	p, err := x.Finish(t.Context(), authenticate)
	if err != nil || p.Meant().Target != client.TargetName || p.Server() == "" || p.SID().IsZero() {
		t.Fatalf("got %+v, %v, want the target %s", p, err, client.TargetName)
	}
	_ = p.Close()
	before, _ := script.count()
	client = alice()
	client.TargetName = "HTTP/other.example.test"
	x, err = d.NTLMVerifier().StartNTLM(t.Context(), client.Negotiate(), &identity.Channel{Targets: []string{"web.example.test"}})
	if err != nil {
		t.Fatal(err)
	}
	if authenticate, err = client.Authenticate(x.Challenge()); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Finish(t.Context(), authenticate); identity.KindOf(err) != identity.KindProtection {
		t.Errorf("got %v, want %v", err, identity.KindProtection)
	}
	if legs, _ := script.count(); legs != before+1 {
		t.Errorf("got %d legs, want the first alone", legs-before)
	}
}

// TestSMBRefusesBeforeAsking: what no controller may be asked is not sent, and a
// second Finish is none.
func TestSMBRefusesBeforeAsking(t *testing.T) {
	script := new(smbScript)
	d := overSMB(t, script)
	named := func(domain string) func(challenge []byte) []byte {
		return func(challenge []byte) []byte {
			client := &ntlm.Client{User: "alice", Domain: domain, Password: "Secr3t-alice"}
			client.Negotiate()
			message, err := client.Authenticate(challenge)
			if err != nil {
				t.Fatal(err)
			}
			return message
		}
	}
	for name, c := range map[string]struct {
		message func(challenge []byte) []byte
		want    identity.Kind
	}{
		"anonymous": {func([]byte) []byte {
			return craft(t, func(m *ntlm.Authenticate) {
				m.User, m.Domain, m.NTResponse, m.LMResponse = "", "", nil, []byte{0}
				m.Flags |= ntlm.NegotiateAnonymous
			})
		}, identity.KindAnonymous},
		"NTLMv1":         {func([]byte) []byte { return craft(t, func(*ntlm.Authenticate) {}) }, identity.KindNTLMv1},
		"garbage":        {func([]byte) []byte { return []byte("NTLMSSP\x00\x03\x00\x00\x00") }, identity.KindBadToken},
		"another domain": {named("OTHER"), identity.KindMismatch},
		"this machine":   {named("."), identity.KindMismatch},
		"another character set": {func(challenge []byte) []byte {
			message := named("EXAMPLE")(challenge)
			flags := binary.LittleEndian.Uint32(message[60:])
			binary.LittleEndian.PutUint32(message[60:], flags&^uint32(ntlm.NegotiateUnicode)|uint32(ntlm.NegotiateOEM))
			return message
		}, identity.KindBadName}, // it holds NULs then
	} {
		t.Run(name, func(t *testing.T) {
			x, err := d.NTLMVerifier().StartNTLM(t.Context(), new(ntlm.Client).Negotiate(), nil)
			if err != nil {
				t.Fatal(err)
			}
			before, _ := script.count()
			if p, err := x.Finish(t.Context(), c.message(x.Challenge())); p != nil || identity.KindOf(err) != c.want {
				t.Errorf("got %v, %v, want %v", p, err, c.want)
			}
			if after, _ := script.count(); after != before {
				t.Error("the controller was asked")
			}
			if _, err := x.Finish(t.Context(), c.message(x.Challenge())); identity.KindOf(err) != identity.KindState {
				t.Errorf("a second time: got %v, want %v", err, identity.KindState)
			}
			settledOpen(t, script, 0)
		})
	}
	before, _ := script.count()
	for name, want := range map[string]identity.Kind{`OTHER\alice`: identity.KindMismatch, " ": identity.KindBadName} {
		if _, err := logIn(t, d, name, "Secr3t-alice"); identity.KindOf(err) != want {
			t.Errorf("%q: got %v, want %v", name, err, want)
		}
	}
	if _, err := logIn(t, d, "alice", " "); identity.KindOf(err) != identity.KindEmptyPassword {
		t.Errorf("a blank password: got %v, want %v", err, identity.KindEmptyPassword)
	}
	if after, _ := script.count(); after != before {
		t.Error("the controller was asked of a password")
	}
}

// TestSMBClose gives a half-open handshake up, and with it the connection.
func TestSMBClose(t *testing.T) {
	script := new(smbScript)
	d := overSMB(t, script)
	x, authenticate := answered(t, d, alice())
	settledOpen(t, script, 1)
	for range 2 {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	}
	settledOpen(t, script, 0)
	if _, err := x.Finish(t.Context(), authenticate); identity.KindOf(err) != identity.KindState {
		t.Errorf("got %v, want %v", err, identity.KindState)
	}
}

// TestSMBHostile: a yes that is none, also to who is right.
func TestSMBHostile(t *testing.T) {
	script := new(smbScript)
	d := overSMB(t, script)
	status := func(msg []byte, s uint32) { binary.LittleEndian.PutUint32(msg[8:], s) }
	for name, c := range map[string]struct {
		twist func(leg int, msg []byte)
		want  identity.Kind
	}{
		"guest":          {func(leg int, msg []byte) { msg[66] |= byte(leg - 1) }, identity.KindGuestMapped},
		"null":           {func(leg int, msg []byte) { msg[66] |= byte(leg-1) << 1 }, identity.KindGuestMapped},
		"unsigned":       {func(_ int, msg []byte) { msg[16] &^= 8 }, identity.KindProtocol},
		"a yes at once":  {func(leg int, msg []byte) { status(msg, 0) }, identity.KindProtocol},
		"a third leg":    {func(leg int, msg []byte) { status(msg, 0xC0000016) }, identity.KindProtocol},
		"locked":         {func(leg int, msg []byte) { status(msg, []uint32{0xC0000016, 0xC0000234}[leg-1]) }, identity.KindLocked},
		"not understood": {func(leg int, msg []byte) { status(msg, []uint32{0xC0000016, 0xC00000E5}[leg-1]) }, identity.KindProtocol},
	} {
		script.twist = c.twist
		if _, err := logInNTLM(t, d, alice()); identity.KindOf(err) != c.want {
			t.Errorf("%s, NTLM: got %v, want %v", name, err, c.want)
		}
		if _, err := logIn(t, d, "alice", "Secr3t-alice"); identity.KindOf(err) != c.want {
			t.Errorf("%s, Basic: got %v, want %v", name, err, c.want)
		}
		settledOpen(t, script, 0)
	}
}

// TestSMBFailover: a controller that refuses connections is put aside, and is not
// asked again until its time is up; a wrong password is asked of one alone.
func TestSMBFailover(t *testing.T) {
	script := &smbScript{dead: map[string]bool{"127.0.0.1:445": true}}
	d := overSMB(t, script, Server{URL: "ldaps://dc2.example.test"})
	took := func() string {
		script.mu.Lock()
		defer script.mu.Unlock()
		order := strings.Join(script.order, " ")
		script.order = nil
		return order
	}
	took()
	if _, err := logInNTLM(t, d, alice()); err != nil {
		t.Fatal(err)
	}
	if got, want := took(), "127.0.0.1:445 dc2.example.test:445"; got != want {
		t.Errorf("asked %s, want %s", got, want)
	}
	if _, err := logIn(t, d, "alice", "wrong"); identity.KindOf(err) != identity.KindBadCredentials {
		t.Errorf("got %v, want %v", err, identity.KindBadCredentials)
	}
	if got, want := took(), "dc2.example.test:445"; got != want {
		t.Errorf("asked %s, want %s", got, want)
	}
	script.mu.Lock()
	script.dead["dc2.example.test:445"] = true
	script.mu.Unlock()
	if _, err := logInNTLM(t, d, alice()); identity.KindOf(err) != identity.KindUnavailable {
		t.Errorf("all down: got %v, want %v", err, identity.KindUnavailable)
	}
}
