package caddyldap

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/spnego"
)

// smbScript is a controller that speaks as much of SMB 2.0.2 as a log-in takes, and
// knows passwords as the demo's people have them, whatever domain is written. Real
// controllers are asked in integration.
type smbScript struct {
	name  string                    // of the computer, DC1 where empty
	dead  map[string]bool           // addresses that refuse connections; under mu
	twist func(leg int, msg []byte) // changes an answer to SESSION_SETUP, may be nil

	mu    sync.Mutex
	legs  int // SESSION_SETUPs that came
	open  int // connections
	order []string
}

// dial is SMB.dial: to the script, whatever the address.
func (s *smbScript) dial(_ context.Context, address string) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.order = append(s.order, address)
	if s.dead[address] {
		return nil, &net.OpError{Op: "dial", Err: errors.New("refused")}
	}
	near, far := net.Pipe()
	s.open++
	go func() {
		defer func() { s.mu.Lock(); s.open--; s.mu.Unlock() }()
		defer func() { _ = far.Close() }()
		s.serve(far)
	}()
	return near, nil
}

func (s *smbScript) count() (legs, open int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.legs, s.open
}

func (s *smbScript) serve(nc net.Conn) {
	server := &ntlm.Server{NetBIOSDomain: "EXAMPLE", NetBIOSName: cmp.Or(s.name, "DC1"), DNSDomain: "example.test"}
	for leg := 0; ; {
		prefix := make([]byte, 4)
		if _, err := io.ReadFull(nc, prefix); err != nil {
			return
		}
		asked := make([]byte, binary.BigEndian.Uint32(prefix))
		if _, err := io.ReadFull(nc, asked); err != nil {
			return
		}
		var msg []byte
		if asked[12] == 0 {
			msg = smbAnswer(asked, 0, smbNegotiated())
		} else {
			leg++
			s.mu.Lock()
			s.legs++
			s.mu.Unlock()
			msg = smbSetup(server, asked, leg)
			if s.twist != nil {
				s.twist(leg, msg)
			}
		}
		if _, err := nc.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(msg))), msg...)); err != nil {
			return
		}
	}
}

// smbAnswer writes a header and a body, [MS-SMB2] 2.2.1.2.
func smbAnswer(asked []byte, status uint32, body []byte) []byte {
	msg := append([]byte(nil), asked[:64]...)
	binary.LittleEndian.PutUint32(msg[8:], status)
	msg[14], msg[16] = 1, 1 // a credit; it is an answer
	if asked[12] == 1 {
		msg[40] = 7 // the session
	}
	return append(msg, body...)
}

// smbNegotiated is [MS-SMB2] 2.2.4 for 2.0.2.
func smbNegotiated() []byte {
	b := make([]byte, 64)
	b[0], b[2] = 65, 3
	binary.LittleEndian.PutUint16(b[4:], 0x0202)
	for at := 28; at < 40; at += 4 {
		binary.LittleEndian.PutUint32(b[at:], 65536)
	}
	return b
}

// smbSetup answers a SESSION_SETUP, [MS-SMB2] 2.2.6, signed where it is a yes.
func smbSetup(server *ntlm.Server, asked []byte, leg int) []byte {
	token := asked[binary.LittleEndian.Uint16(asked[64+12:]):]
	raw := strings.HasPrefix(string(token), "NTLMSSP\x00")
	body := func(token []byte) []byte {
		return append([]byte{9, 0, 0, 0, 72, 0, byte(len(token)), byte(len(token) >> 8)}, token...)
	}
	if leg == 1 {
		if offer, err := spnego.ParseInit(token); err == nil {
			token = offer.MechToken
		}
		challenge, err := server.Challenge(token)
		if err == nil && !raw {
			challenge, err = (&spnego.NegTokenResp{NegState: spnego.AcceptIncomplete, SupportedMech: spnego.NTLMSSP, ResponseToken: challenge}).Marshal()
		}
		if err != nil {
			return smbAnswer(asked, 0xC000000D, body(nil))
		}
		return smbAnswer(asked, 0xC0000016, body(challenge))
	}
	if !raw {
		proof, err := spnego.ParseResp(token)
		if err != nil {
			return smbAnswer(asked, 0xC000000D, body(nil))
		}
		token = proof.ResponseToken
	}
	who, err := server.Check(token, func(user, _ string) ([16]byte, bool) { return ntlm.NTOWFv1("Secr3t-" + strings.ToLower(user)), true })
	if err != nil && !errors.Is(err, ntlm.ErrAnonymous) {
		return smbAnswer(asked, 0xC000006D, body(nil))
	}
	msg := smbAnswer(asked, 0, body(nil))
	msg[16] |= 8
	var key ntlm.Key
	if who != nil {
		key = who.SessionKey
	}
	sum := hmac.New(sha256.New, key[:])
	clear(msg[48:64])
	sum.Write(msg)
	copy(msg[48:64], sum.Sum(nil))
	return msg
}

// overSMB is the demo's directory with a script for its controllers' SMB.
func overSMB(t *testing.T, script *smbScript, servers ...Server) *Directory {
	t.Helper()
	config := demoDirectory(startDemo(t, func(c *demodir.Config) {
		for name, control := range map[string]int64{"DC1$": 0x82000, "RODC1$": 0x5001000, "FILES$": 0x1000} {
			c.Users = append(c.Users, demodir.User{Name: name, Password: "Secr3t-computer", Control: control})
		}
	}))
	config.VerifyRaw = []json.RawMessage{json.RawMessage(`{"verifier":"smb","insecure_unverified_answer":true}`)}
	config.Server = append(config.Server, servers...)
	d, _ := open(t, config, "EXAMPLE")
	d.verifiers[0].(*SMB).dial = script.dial
	return d
}
