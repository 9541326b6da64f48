package integration

import (
	"context"
	"errors"
	"net"
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
