package integration

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
	"github.com/caddy-ntlm/caddy-ntlm/internal/smb2"
)

// meddler changes the client's first message on its way.
type meddler struct {
	net.Conn
	old, changed []byte
	done         bool
}

func (m *meddler) Write(b []byte) (int, error) {
	if m.done {
		return m.Conn.Write(b)
	}
	m.done = true
	_, err := m.Conn.Write(bytes.Replace(b, m.old, m.changed, 1))
	return len(b), err
}

// TestSMBDowngrade: somebody on the way puts another dialect into the offer. The
// controller is told by FSCTL_VALIDATE_NEGOTIATE_INFO, under signature, and hangs
// up, [MS-SMB2] 3.3.5.15.12.
func TestSMBDowngrade(t *testing.T) {
	account := smb2.Account{User: "alice", Domain: domain.Domain, Password: lab.Account("alice").Password}
	for _, c := range []struct {
		name         string
		offer        []smb2.Dialect
		old, changed string
		want         error
	}{
		{"untouched", []smb2.Dialect{smb2.SMB202, smb2.SMB302}, "none", "none", nil},
		{"3.0.2 to 3.0", []smb2.Dialect{smb2.SMB210, smb2.SMB302}, "\x10\x02\x02\x03", "\x10\x02\x00\x03", smb2.ErrDialect},
		{"3.0.2 to 2.1", []smb2.Dialect{smb2.SMB210, smb2.SMB302}, "\x10\x02\x02\x03", "\x10\x02\x10\x02", smb2.ErrDowngrade},
		{"2.1 to 2.0.2", []smb2.Dialect{smb2.SMB202, smb2.SMB210}, "\x02\x02\x10\x02", "\x02\x02\x02\x02", smb2.ErrDowngrade},
		{"3.1.1 to 3.0.2", smbDialects, "\x02\x03\x11\x03", "\x02\x03\x02\x03", smb2.ErrDowngrade},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := &meddler{Conn: dialSMB(t, 1), old: []byte(c.old), changed: []byte(c.changed)}
			p, err := smb2.OpenPipe(smbContext(t), conn, smb2.PipeOptions{Server: domain.Addr(1), Name: "netlogon", Account: account, Dialects: c.offer})
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if err == nil {
				p.Close()
			}
		})
	}
}

// TestSMBEncryption: a controller that demands encryption gets it in 3.1.1, and
// an error that says what is missing in the dialects before. A log-on is relayed
// all the same, where the dialect knows of encryption.
func TestSMBEncryption(t *testing.T) {
	demandEncryption(t, 2)
	account := smb2.Account{User: "alice", Domain: domain.Domain, Password: lab.Account("alice").Password}
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
				bind(t, p)
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
