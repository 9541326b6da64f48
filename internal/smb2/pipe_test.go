package smb2

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

var alice = &Account{User: "alice", Domain: "EXAMPLE", Password: "secret"}

// openPipe opens a pipe as an account, or in a null session where that is nil.
func openPipe(t *testing.T, s *server, account *Account) (*Pipe, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if account == nil {
		return openUnsigned(ctx, s.start(t))
	}
	return OpenPipe(ctx, s.start(t), PipeOptions{Server: "dc1", Name: "netlogon", Account: *account})
}

// TestPipe: a message goes and comes in each dialect, whole though it comes in
// pieces.
func TestPipe(t *testing.T) {
	for _, c := range []struct {
		name    string
		s       server
		account *Account
	}{
		{"2.0.2", server{dialect: SMB202, signing: signHMACSHA256}, alice},
		{"2.1", server{dialect: SMB210, signing: signHMACSHA256}, alice},
		{"3.0", server{dialect: SMB300, signing: signAESCMAC}, alice},
		{"3.0.2", server{dialect: SMB302, signing: signAESCMAC}, alice},
		{"3.1.1 CMAC", server{dialect: SMB311, signing: signAESCMAC}, alice},
		{"3.1.1 GMAC", server{dialect: SMB311, signing: signAESGMAC}, alice},
		{"3.1.1 encrypted", server{dialect: SMB311, signing: signAESGMAC, cipher: cipherAESGCM, sessionFlags: sessionEncrypt}, alice},
		{"3.1.1 encrypted share", server{dialect: SMB311, signing: signAESCMAC, cipher: cipherAESGCM, shareFlags: shareEncrypt}, alice},
		{"anonymous", server{dialect: SMB311, signing: signAESCMAC}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := openPipe(t, &c.s, c.account)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			if want := strings.Contains(c.name, "encrypted"); p.Encrypted() != want {
				t.Errorf("got encrypted %v, want %v", p.Encrypted(), want)
			}
			message := "a message longer than eight bytes"
			if n, err := p.Write([]byte(message)); n != len(message) || err != nil {
				t.Fatalf("got %d, %v", n, err)
			}
			got := make([]byte, len(message))
			if _, err := io.ReadFull(p, got); err != nil || string(got) != message {
				t.Errorf("got %q, %v, want %q", got, err, message)
			}
		})
	}
}

// TestPipeLarge: what does not fit one request goes in several.
func TestPipeLarge(t *testing.T) {
	s := &server{dialect: SMB311, signing: signAESGMAC}
	var parts []int
	s.twist = func(asked *header, msg []byte) [][]byte {
		if asked.command == Write {
			parts = append(parts, len(s.echo))
		}
		return [][]byte{msg}
	}
	p, err := openPipe(t, s, alice)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := p.Write(make([]byte, maxChunk+10)); n != maxChunk+10 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	p.Close()
	if got, want := fmt.Sprint(parts), "[65536 10]"; got != want {
		t.Errorf("got parts of %s, want %s", got, want)
	}
}

// TestPipeClose: Close takes leave, ends a Read that waits, and is done once.
func TestPipeClose(t *testing.T) {
	var commands []Command
	s := &server{dialect: SMB311, signing: signAESGMAC, twist: func(asked *header, msg []byte) [][]byte {
		commands = append(commands, asked.command)
		return [][]byte{msg}
	}}
	p, err := openPipe(t, s, alice)
	if err != nil {
		t.Fatal(err)
	}
	commands = nil
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if got, want := fmt.Sprint(commands), "[CLOSE TREE_DISCONNECT LOGOFF]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if err := p.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closing twice: got %v, want %v", err, net.ErrClosed)
	}
	if _, err := p.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("writing to a closed pipe: got %v, want %v", err, net.ErrClosed)
	}
}

func TestPipeCloseDuringRead(t *testing.T) {
	waiting := make(chan struct{})
	s := &server{dialect: SMB311, signing: signAESGMAC, twist: func(asked *header, msg []byte) [][]byte {
		if asked.command == Read {
			close(waiting)
			return nil
		}
		return [][]byte{msg}
	}}
	p, err := openPipe(t, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error)
	go func() {
		_, err := p.Read(make([]byte, 1))
		failed <- err
	}()
	<-waiting
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if err := <-failed; !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v, want %v", err, net.ErrClosed)
	}
}

// TestSecrets: nothing prints a password.
func TestSecrets(t *testing.T) {
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(format, *alice); strings.Contains(got, alice.Password) {
			t.Errorf("%s: got %s", format, got)
		}
		if got := fmt.Sprintf(format, PipeOptions{Account: *alice}); strings.Contains(got, alice.Password) {
			t.Errorf("%s: got %s", format, got)
		}
	}
}
