package integration

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/go-ntlmssp"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
	"github.com/caddy-ntlm/caddy-ntlm/internal/smb2"
	"github.com/caddy-ntlm/caddy-ntlm/internal/spnego"
)

// The dialects, one at a time: Samba speaks them all.
var smbDialects = []smb2.Dialect{smb2.SMB202, smb2.SMB210, smb2.SMB300, smb2.SMB302, smb2.SMB311}

func dialSMB(t *testing.T, controller int) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", net.JoinHostPort(domain.Addr(controller), "445"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func smbContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// relaySMB logs on with raw NTLM tokens: answer makes the Type 3 of the Type 2.
func relaySMB(t *testing.T, negotiate []byte, answer func(challenge []byte) ([]byte, error), offer ...smb2.Dialect) (*smb2.Relay, error) {
	t.Helper()
	r, ctx := smb2.NewRelay(dialSMB(t, 1), offer...), smbContext(t)
	challenge, more, err := r.Start(ctx, negotiate)
	if err != nil || !more {
		t.Fatalf("first leg: got more %v, %v", more, err)
	}
	message, err := answer(challenge)
	if err != nil {
		t.Fatal(err)
	}
	_, more, err = r.Next(ctx, message)
	if more {
		t.Fatal("second leg: the controller wants more")
	}
	if _, _, again := r.Next(ctx, message); !errors.Is(again, smb2.ErrEnded) {
		t.Errorf("third leg: got %v, want %v", again, smb2.ErrEnded)
	}
	return r, err
}

// TestSMBRelay: the tokens of go-ntlmssp, which is not ours, and each status a
// controller knows.
func TestSMBRelay(t *testing.T) {
	negotiate, err := ntlmssp.NewNegotiateMessage("", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, user, password string
		want                 ntstatus.Status
	}{
		{"right", "alice", lab.Account("alice").Password, ntstatus.Success},
		{"computer", "WEB01$", lab.Account("WEB01$").Password, ntstatus.Success},
		{"wrong", "carol", "no", ntstatus.LogonFailure},
		{"unknown", "nosuchuser", "no", ntstatus.LogonFailure},
		{"disabled", "disabled", lab.Account("disabled").Password, ntstatus.AccountDisabled},
		{"locked", "locked", lab.Account("locked").Password, ntstatus.AccountLockedOut},
		{"expired", "expired", lab.Account("expired").Password, ntstatus.AccountExpired},
		{"password expired", "pwexpired", lab.Account("pwexpired").Password, ntstatus.PasswordExpired},
		{"must change", "mustchange", lab.Account("mustchange").Password, ntstatus.PasswordMustChange},
		{"elsewhere", "elsewhere", lab.Account("elsewhere").Password, ntstatus.InvalidWorkstation},
		{"hours", "hours", lab.Account("hours").Password, ntstatus.InvalidLogonHours},
		{"guest", "Guest", "", ntstatus.LogonFailure},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := relaySMB(t, negotiate, func(challenge []byte) ([]byte, error) {
				client := &ntlm.Client{User: c.user, Domain: domain.Domain, Password: c.password, Now: time.Now()}
				if c.password != "" { // go-ntlmssp refuses an empty one
					return ntlmssp.NewAuthenticateMessage(challenge, domain.Domain+`\`+c.user, c.password, nil)
				}
				client.Negotiate()
				return client.Authenticate(challenge)
			})
			if r.Dialect() != smb2.SMB311 {
				t.Errorf("got dialect %v, want %v", r.Dialect(), smb2.SMB311)
			}
			var status *smb2.StatusError
			got := ntstatus.Success
			if errors.As(err, &status) {
				got = status.Status
			}
			if got != c.want || err != nil && status == nil {
				t.Errorf("got %v, %v, want %v", got, err, c.want)
			}
		})
	}
}

// TestSMBRelayDialects: right, wrong and anonymous in each dialect. Samba says
// yes to an anonymous log-on, without IS_NULL, and does not sign it: that is what
// is left to see.
func TestSMBRelayDialects(t *testing.T) {
	for _, d := range smbDialects {
		for _, c := range []struct {
			name   string
			answer func(*ntlm.Client, []byte) ([]byte, error)
			secret string
			want   error
		}{
			{"right", (*ntlm.Client).Authenticate, lab.Account("alice").Password, nil},
			{"wrong", (*ntlm.Client).Authenticate, "no", ntstatus.LogonFailure},
			{"anonymous", func(_ *ntlm.Client, challenge []byte) ([]byte, error) { return anonymousType3(challenge), nil }, "", smb2.ErrUnsigned},
		} {
			t.Run(d.String()+" "+c.name, func(t *testing.T) {
				client := &ntlm.Client{User: "alice", Domain: domain.Domain, Password: c.secret}
				r, err := relaySMB(t, client.Negotiate(), func(challenge []byte) ([]byte, error) { return c.answer(client, challenge) }, d)
				if r.Dialect() != d || !errors.Is(err, c.want) {
					t.Errorf("got dialect %v, %v, want %v, %v", r.Dialect(), err, d, c.want)
				}
			})
		}
	}
}

// TestSMBRelaySPNEGO: the tokens go as they are, in SPNEGO too.
func TestSMBRelaySPNEGO(t *testing.T) {
	alice := &ntlm.Client{User: "alice", Domain: domain.Domain, Password: lab.Account("alice").Password}
	r, ctx := smb2.NewRelay(dialSMB(t, 1)), smbContext(t)
	first, err := (&spnego.NegTokenInit{MechTypes: spnego.NewMechTypeList(spnego.NTLMSSP), MechToken: alice.Negotiate()}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	reply, more, err := r.Start(ctx, first)
	if err != nil || !more {
		t.Fatalf("got more %v, %v", more, err)
	}
	challenge, err := spnego.ParseResp(reply)
	if err != nil {
		t.Fatal(err)
	}
	proof, err := alice.Authenticate(challenge.ResponseToken)
	if err != nil {
		t.Fatal(err)
	}
	last, err := (&spnego.NegTokenResp{ResponseToken: proof}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	reply, more, err = r.Next(ctx, last)
	if err != nil || more {
		t.Fatalf("got more %v, %v", more, err)
	}
	if end, err := spnego.ParseResp(reply); err != nil || end.NegState != spnego.AcceptCompleted {
		t.Errorf("got %+v, %v, want %v", end, err, spnego.AcceptCompleted)
	}
}

// netlogonBind is a bind to the Netlogon interface 1.0 with NDR, written by hand
// after C706 12.6.4.3.
func netlogonBind(t *testing.T) []byte {
	t.Helper()
	pdu, err := hex.DecodeString(strings.ReplaceAll(
		"05000b03 10000000 48000000 01000000"+ // version 5.0, bind, whole; 72 bytes, call 1
			"b810b810 00000000 01000000"+ // fragments of 4280 bytes, a new group, one context
			"00000100"+"78563412 3412cdab ef000123 4567cffb 01000000"+ // 12345678-1234-abcd-ef00-01234567cffb 1.0
			"045d888a eb1cc911 9fe80800 2b104860 02000000", " ", "")) // NDR 2.0
	if err != nil {
		t.Fatal(err)
	}
	return pdu
}

const bindAck = 12 // C706 12.6.4.4

// TestSMBPipe opens \PIPE\netlogon in each dialect, as nobody, a user and a
// computer, and binds twice: by WRITE and READ, and by FSCTL_PIPE_TRANSCEIVE.
// The controller demands signing, as all of them do.
func TestSMBPipe(t *testing.T) {
	for _, c := range []struct {
		name    string
		account *smb2.Account
	}{
		{"anonymous", nil},
		{"user", &smb2.Account{User: "alice", Domain: domain.Domain, Password: lab.Account("alice").Password}},
		{"computer", &smb2.Account{User: "WEB01$", Domain: domain.Domain, Password: lab.Account("WEB01$").Password}},
	} {
		for _, d := range smbDialects {
			t.Run(c.name+" "+d.String(), func(t *testing.T) {
				for _, transceive := range []bool{false, true} {
					p, err := smb2.OpenPipe(smbContext(t), dialSMB(t, 1), smb2.PipeOptions{
						Server: domain.Addr(1), Name: "netlogon", Account: c.account, Dialects: []smb2.Dialect{d},
					})
					if err != nil {
						t.Fatal(err)
					}
					if p.Dialect() != d {
						t.Errorf("got dialect %v, want %v", p.Dialect(), d)
					}
					bind(t, p, transceive)
					if err := p.Close(); err != nil {
						t.Error(err)
					}
					if _, err := p.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
						t.Errorf("reading a closed pipe: got %v, want %v", err, net.ErrClosed)
					}
				}
			})
		}
	}
}

func bind(t *testing.T, p *smb2.Pipe, transceive bool) {
	t.Helper()
	if err := p.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	var err error
	if pdu := netlogonBind(t); transceive {
		err = p.Transceive(pdu)
	} else {
		_, err = io.Copy(p, bytes.NewReader(pdu))
	}
	if err != nil {
		t.Fatal(err)
	}
	head := make([]byte, 16)
	if _, err := io.ReadFull(p, head); err != nil {
		t.Fatal(err)
	}
	if head[0] != 5 || head[2] != bindAck {
		t.Errorf("got version %d, PDU type %d, want 5, %d", head[0], head[2], bindAck)
	}
	rest := make([]byte, int(head[8])-len(head)) // frag_length is under 256 here
	if _, err := io.ReadFull(p, rest); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(rest, []byte(`\PIPE\`)) && !bytes.Contains(rest, []byte(`\pipe\`)) {
		t.Errorf("the bind_ack names no pipe: %q", rest)
	}
}

// TestSMBPipeRefusals: what the controller refuses, each with its status.
func TestSMBPipeRefusals(t *testing.T) {
	account := func(sam, password string) *smb2.Account {
		return &smb2.Account{User: sam, Domain: domain.Domain, Password: password}
	}
	for _, c := range []struct {
		name    string
		pipe    string
		account *smb2.Account
		command smb2.Command
		want    ntstatus.Status
	}{
		{"wrong password", "netlogon", account("carol", "no"), smb2.SessionSetup, ntstatus.LogonFailure},
		{"disabled", "netlogon", account("disabled", lab.Account("disabled").Password), smb2.SessionSetup, ntstatus.AccountDisabled},
		{"no such pipe", "nosuchpipe", account("alice", lab.Account("alice").Password), smb2.Create, ntstatus.ObjectNameNotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := smb2.OpenPipe(smbContext(t), dialSMB(t, 1), smb2.PipeOptions{Server: domain.Addr(1), Name: c.pipe, Account: c.account})
			var status *smb2.StatusError
			if !errors.As(err, &status) || status.Command != c.command || status.Status != c.want {
				t.Errorf("got %v, want %v: %v", err, c.command, c.want)
			}
		})
	}
}

// TestSMBPipeDeadline: a controller that has nothing to say answers with
// STATUS_PENDING, and then not at all.
func TestSMBPipeDeadline(t *testing.T) {
	p, err := smb2.OpenPipe(smbContext(t), dialSMB(t, 1), smb2.PipeOptions{Server: domain.Addr(1), Name: "netlogon"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.SetDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if _, err := p.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) > 5*time.Second {
		t.Errorf("got %v after %v, want %v", err, time.Since(start), os.ErrDeadlineExceeded)
	}
}

// TestSMBEncryption: a controller that demands encryption gets it in 3.1.1, and
// an error that says what is missing in the dialects before. A log-on is relayed
// all the same, where the dialect knows of encryption.
func TestSMBEncryption(t *testing.T) {
	demandEncryption(t, 2)
	account := &smb2.Account{User: "alice", Domain: domain.Domain, Password: lab.Account("alice").Password}
	for _, c := range []struct {
		dialect smb2.Dialect
		want    error
	}{
		{smb2.SMB202, ntstatus.AccessDenied},
		{smb2.SMB210, ntstatus.AccessDenied},
		{smb2.SMB300, smb2.ErrEncryption},
		{smb2.SMB302, smb2.ErrEncryption},
		{smb2.SMB311, nil},
	} {
		t.Run("pipe "+c.dialect.String(), func(t *testing.T) {
			p, err := smb2.OpenPipe(smbContext(t), dialSMB(t, 2), smb2.PipeOptions{
				Server: domain.Addr(2), Name: "netlogon", Account: account, Dialects: []smb2.Dialect{c.dialect},
			})
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if err == nil {
				defer p.Close()
				if !p.Encrypted() {
					t.Error("the pipe is not encrypted")
				}
				bind(t, p, true)
			}
		})
	}
	t.Run("relay", func(t *testing.T) {
		alice := &ntlm.Client{User: "alice", Domain: domain.Domain, Password: account.Password}
		r, ctx := smb2.NewRelay(dialSMB(t, 2)), smbContext(t)
		challenge, more, err := r.Start(ctx, alice.Negotiate())
		if err != nil || !more {
			t.Fatalf("got more %v, %v", more, err)
		}
		proof, err := alice.Authenticate(challenge)
		if err != nil {
			t.Fatal(err)
		}
		if _, more, err := r.Next(ctx, proof); err != nil || more {
			t.Errorf("got more %v, %v", more, err)
		}
	})
}

// demandEncryption makes controller n demand encryption of every session until
// the test ends.
func demandEncryption(t *testing.T, n int) {
	t.Helper()
	path := filepath.Join(domain.Dir, fmt.Sprintf("dc%d", n), "strong-auth.conf") // what its smb.conf includes
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	restart := func(settings []byte) {
		if err := errors.Join(os.WriteFile(path, settings, 0o644), domain.Stop(n), domain.Start(n)); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { restart(before) })
	restart(append(bytes.Clone(before), "\nserver smb encrypt = required\n"...))
}
