package integration

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
	"github.com/caddy-ntlm/caddy-ntlm/internal/smb2"
)

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

// TestSMBPipe opens \PIPE\netlogon in each dialect, as a user and a computer, and
// binds. The controller demands signing, as all of them do.
func TestSMBPipe(t *testing.T) {
	for _, c := range []struct {
		name    string
		account smb2.Account
	}{
		{"user", smb2.Account{User: "alice", Domain: domain.Domain, Password: lab.Account("alice").Password}},
		{"computer", smb2.Account{User: "WEB01$", Domain: domain.Domain, Password: lab.Account("WEB01$").Password}},
	} {
		for _, d := range smbDialects {
			t.Run(c.name+" "+d.String(), func(t *testing.T) {
				p, err := smb2.OpenPipe(smbContext(t), dialSMB(t, 1), smb2.PipeOptions{
					Server: domain.Addr(1), Name: "netlogon", Account: c.account, Dialects: []smb2.Dialect{d},
				})
				if err != nil {
					t.Fatal(err)
				}
				if p.Dialect() != d {
					t.Errorf("got dialect %v, want %v", p.Dialect(), d)
				}
				bind(t, p)
				if err := p.Close(); err != nil {
					t.Error(err)
				}
				if _, err := p.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
					t.Errorf("reading a closed pipe: got %v, want %v", err, net.ErrClosed)
				}
			})
		}
	}
}

func bind(t *testing.T, p *smb2.Pipe) {
	t.Helper()
	if err := p.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Write(netlogonBind(t)); err != nil {
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
	if result := rest[len(rest)-24:]; result[0] != 0 || result[1] != 0 { // of the one context, before its transfer syntax
		t.Errorf("the controller does not offer Netlogon: %x", result)
	}
}

// TestSMBPipeRefusals: what the controller refuses, each with its status.
func TestSMBPipeRefusals(t *testing.T) {
	account := func(sam, password string) smb2.Account {
		return smb2.Account{User: sam, Domain: domain.Domain, Password: password}
	}
	for _, c := range []struct {
		name    string
		pipe    string
		account smb2.Account
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
	p, err := smb2.OpenPipe(smbContext(t), dialSMB(t, 1), smb2.PipeOptions{
		Server: domain.Addr(1), Name: "netlogon", Account: smb2.Account{User: "alice", Domain: domain.Domain, Password: lab.Account("alice").Password},
	})
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
