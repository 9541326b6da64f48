package smb2

import (
	"context"
	"errors"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
)

// TestSecurityMode: signatures are required, in NEGOTIATE and SESSION_SETUP.
func TestSecurityMode(t *testing.T) {
	s := &server{dialect: SMB311, signing: signAESCMAC}
	p, err := openPipe(t, s, alice)
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
	if want := byte(signingEnabled | signingRequired); s.asked[headerLen+4] != want || s.setupMode != want {
		t.Errorf("got %d and %d, want %d", s.asked[headerLen+4], s.setupMode, want)
	}
}

// TestPipeOutlivesOpening: the context that bounds the opening does not bound
// what comes after.
func TestPipeOutlivesOpening(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	p, err := OpenPipe(ctx, (&server{dialect: SMB311, signing: signAESCMAC}).start(t), PipeOptions{Server: "dc1", Name: "netlogon", Account: *alice})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	<-ctx.Done()
	if _, err := p.Write([]byte("hello")); err != nil {
		t.Error(err)
	}
}

// lastLeg gives a twist that changes the server's yes alone.
func lastLeg(with func([]byte) []byte) func(*header, []byte) [][]byte {
	return func(asked *header, msg []byte) [][]byte {
		if asked.command == SessionSetup && asked.sessionID != 0 {
			msg = with(msg)
		}
		return [][]byte{msg}
	}
}

func TestOpenPipeRefusals(t *testing.T) {
	for _, c := range []struct {
		name    string
		s       server
		account *Account
		want    error
	}{
		{"wrong password", server{dialect: SMB311, signing: signAESCMAC}, &Account{User: "alice", Password: "no"}, ntstatus.LogonFailure},
		{"an account without a name", server{dialect: SMB311, signing: signAESCMAC}, &Account{}, errNoName},
		{"guest", server{dialect: SMB311, signing: signAESCMAC, sessionFlags: sessionGuest}, alice, ErrGuest},
		{"null", server{dialect: SMB210, sessionFlags: sessionNull}, alice, ErrNull},
		{"unsigned", server{dialect: SMB210, unsigned: true}, alice, ErrUnsigned},
		{"encryption in 3.0", server{dialect: SMB300, signing: signAESCMAC, sessionFlags: sessionEncrypt}, alice, ErrEncryption},
		{"encryption of the share in 3.0", server{dialect: SMB300, signing: signAESCMAC, shareFlags: shareEncrypt}, alice, ErrEncryption},
		{"encryption without a cipher", server{dialect: SMB311, signing: signAESCMAC, sessionFlags: sessionEncrypt}, alice, ErrEncryption},
		{"a wrong key", server{dialect: SMB311, signing: signAESGMAC, twist: func(asked *header, msg []byte) [][]byte {
			msg[signatureAt] ^= 1
			return [][]byte{msg}
		}}, alice, ErrSignature},
		{"a log-on signed by another key", server{dialect: SMB311, signing: signAESGMAC, twist: lastLeg(patch(signatureAt, 1, 2, 3))}, alice, ErrSignature},
		{"a log-on that is not signed", server{dialect: SMB311, signing: signAESGMAC, twist: lastLeg(patch(flagsAt, byte(flagResponse)))}, alice, ErrUnsigned},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := openPipe(t, &c.s, c.account)
			if p != nil || err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("got %v, %v, want %v", p, err, c.want)
			}
		})
	}
}

// TestDowngrade: whoever is on the way takes the better dialects out of the
// client's offer, which nobody signed yet. The server's signed answer shows it.
func TestDowngrade(t *testing.T) {
	for _, d := range []Dialect{SMB202, SMB210, SMB300, SMB302} {
		s := &server{dialect: d, signing: signAESCMAC}
		if d < SMB300 {
			s.signing = signHMACSHA256
		}
		s.twist = func(asked *header, msg []byte) [][]byte {
			if asked.command == IOCtl {
				out := buildIOCtl(fsctlValidateNegotiate, append(s.validation()[:22], 0x11, 0x03)) // it would have chosen 3.1.1
				msg = append(msg[:headerLen:headerLen], out...)
				s.signer.sign(msg)
			}
			return [][]byte{msg}
		}
		if _, err := openPipe(t, s, alice); !errors.Is(err, ErrDowngrade) {
			t.Errorf("%v: got %v, want %v", d, err, ErrDowngrade)
		}
	}
}

// TestValidate: each field of the server's answer counts, and its length.
func TestValidate(t *testing.T) {
	s := &server{dialect: SMB302}
	for at := range validateLen + 1 {
		output := s.validation()
		if at < validateLen {
			output[at] ^= 1
		} else {
			output = append(output, 0)
		}
		if err := s.negotiated().validate(output); err != ErrDowngrade {
			t.Errorf("byte %d: got %v, want %v", at, err, ErrDowngrade)
		}
		if err := s.negotiated().validate(s.validation()[:at]); (err == nil) != (at == validateLen) {
			t.Errorf("%d bytes: got %v", at, err)
		}
	}
}

// TestValidateUnknown: an old server that does not know the question is no
// attacker: its no is signed.
func TestValidateUnknown(t *testing.T) {
	s := &server{dialect: SMB210}
	s.twist = func(asked *header, msg []byte) [][]byte {
		if asked.command == IOCtl {
			msg = patch(8, 0xBB, 0, 0, 0xC0)(msg[:headerLen+9])
			s.signer.sign(msg)
		}
		return [][]byte{msg}
	}
	p, err := openPipe(t, s, alice)
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
}
