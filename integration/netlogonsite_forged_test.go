package integration

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// dialTLS is dial by HTTPS.
func dialTLS(t *testing.T, base string) *rawClient {
	t.Helper()
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	conn, err := tls.DialWithDialer(dialer, "tcp", strings.TrimPrefix(base, "https://"), &tls.Config{InsecureSkipVerify: true, ServerName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &rawClient{conn: conn, reader: newResponseReader(conn), host: "localhost"}
}

// written is an AUTHENTICATE_MESSAGE of alice, by her password, with what no client
// writes.
type written struct {
	pairs     []ntlm.AVPair                 // of the response, besides the server's; one may come twice
	unkept    bool                          // promises no message integrity code, and has none
	responses func(m *ntlm.Authenticate)    // puts others in
	after     func(message []byte) []byte   // on the way to the server
	answer    func(challenge []byte) []byte // instead of all of it
}

// authenticate answers the challenge, [MS-NLMP] 3.1.5.1.2.
func (f *written) authenticate(t *testing.T, negotiate, challenge []byte) []byte {
	t.Helper()
	if f.answer != nil {
		return f.answer(challenge)
	}
	asked, err := ntlm.ParseNegotiate(negotiate)
	if err != nil {
		t.Fatal(err)
	}
	c, err := ntlm.ParseChallenge(challenge)
	if err != nil {
		t.Fatal(err)
	}
	stamp, _ := c.TargetInfo.Timestamp()
	blob := append([]byte{1, 1}, make([]byte, 6)...)
	blob = binary.LittleEndian.AppendUint64(blob, uint64(stamp))
	blob = append(blob, "nonce 08\x00\x00\x00\x00"...)
	pairs := slices.Clone(c.TargetInfo)
	if !f.unkept {
		pairs = append(pairs, ntlm.AVPair{ID: ntlm.AVFlags, Value: []byte{byte(ntlm.AVFlagMIC), 0, 0, 0}})
	}
	for _, pair := range append(pairs, f.pairs...) {
		blob = binary.LittleEndian.AppendUint16(blob, uint16(pair.ID))
		blob = binary.LittleEndian.AppendUint16(blob, uint16(len(pair.Value)))
		blob = append(blob, pair.Value...)
	}
	blob = append(blob, make([]byte, 8)...) // MsvAvEOL and padding
	hash := ntlm.NTOWFv2("alice", "EXAMPLE", ntlm.NTOWFv1(lab.Account("alice").Password))
	proof := ntlm.NTProofStr(hash, c.ServerChallenge, blob)
	m := &ntlm.Authenticate{
		Domain: "EXAMPLE", User: "alice", Workstation: "DESK", Flags: asked.Flags & c.Flags &^ ntlm.NegotiateOEM,
		LMResponse: make([]byte, 24), NTResponse: append(proof[:], blob...),
	}
	if !f.unkept {
		m.MIC = new([16]byte)
	}
	if f.responses != nil {
		f.responses(m)
	}
	message, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if !f.unkept {
		mic := ntlm.MIC(ntlm.SessionBaseKey(hash, proof), negotiate, challenge, message)
		copy(message[micField:], mic[:])
	}
	if f.after != nil {
		message = f.after(message)
	}
	return message
}

// micField is where the message integrity code stands, [MS-NLMP] 2.2.1.3.
const micField = 72

// withoutMIC takes the field for the message integrity code out of the header, as
// for CVE-2019-1040, and moves what follows.
func withoutMIC(message []byte) []byte {
	const version, payload = 64, micField + 16
	moved := append(bytes.Clone(message[:version]), message[payload:]...)
	for _, at := range []int{12, 20, 28, 36, 44, 52} {
		offset := binary.LittleEndian.Uint32(moved[at+4:])
		binary.LittleEndian.PutUint32(moved[at+4:], offset-(payload-version))
	}
	return moved
}

// TestForgedNTLM: threats B-06, B-07, B-13, B-16. Where a site requires that log-ins
// are held to its connection, a log-in that is in all else as it should be, by the
// right password, opens nothing where it names another channel, none, zeros or two;
// where its message integrity code is changed, of zeros or taken out; or where it is
// of an older kind.
func TestForgedNTLM(t *testing.T) {
	words := map[string]string{"netlogon": netlogonWords(), "relay": "verify relay"}
	for verifier, ldap := range words {
		s := start(t, siteConfig{LDAP: ldap, Body: strings.Replace(whoami, "insecure_basic", "schemes ntlm\n\t\textended_protection require", 1)})
		sum := ntlm.EndPointBinding(showed(t, s.HTTPS, nil))
		foreign := ntlm.EndPointBinding(&x509.Certificate{Raw: []byte("of a server in between")})
		own, other := ntlm.AVPair{ID: ntlm.AVChannelBindings, Value: sum[:]}, ntlm.AVPair{ID: ntlm.AVChannelBindings, Value: foreign[:]}
		target := ntlm.AVPair{ID: ntlm.AVTargetName, Value: utf16LE("HTTP/localhost")}
		bound := []ntlm.AVPair{own, target}
		change := func(at int) func([]byte) []byte { return func(m []byte) []byte { m[at] ^= 1; return m } }
		for name, c := range map[string]struct {
			written
			reason string // "" where it gets in
		}{
			"as it should be":            {written{pairs: bound}, ""},
			"no code, and none promised": {written{pairs: bound, unkept: true}, ""},
			"another channel":            {written{pairs: []ntlm.AVPair{other, target}}, "epa"},
			"no channel":                 {written{pairs: []ntlm.AVPair{target}}, "epa"},
			"a channel of zeros":         {written{pairs: []ntlm.AVPair{{ID: ntlm.AVChannelBindings, Value: make([]byte, 16)}, target}}, "epa"},
			"a channel cut short":        {written{pairs: []ntlm.AVPair{{ID: ntlm.AVChannelBindings, Value: sum[:15]}}}, "bad_token"},
			"two channels, ours first":   {written{pairs: []ntlm.AVPair{own, other}}, "bad_token"},
			"two channels, ours last":    {written{pairs: []ntlm.AVPair{other, own}}, "bad_token"},
			"two services":               {written{pairs: []ntlm.AVPair{own, target, target}}, "bad_token"},
			"two flags":                  {written{pairs: []ntlm.AVPair{own, {ID: ntlm.AVFlags, Value: make([]byte, 4)}}}, "bad_token"},
			"ours behind the end":        {written{pairs: []ntlm.AVPair{{ID: ntlm.AVEOL}, own}}, "epa"},
			"a wrong code":               {written{pairs: bound, after: change(micField)}, "bad_token"},
			"a code of zeros":            {written{pairs: bound, after: func(m []byte) []byte { clear(m[micField : micField+16]); return m }}, "bad_token"},
			"the code taken out":         {written{pairs: bound, after: withoutMIC}, "bad_token"},
			"another flag":               {written{pairs: bound, after: change(62)}, "bad_token"},
			"LMv2 alone":                 {written{responses: func(m *ntlm.Authenticate) { m.NTResponse, m.LMResponse = nil, bytes.Repeat([]byte{0x5A}, 24) }}, "ntlmv1_refused"},
			"NTLMv1":                     {written{answer: func(challenge []byte) []byte { return v1Type3(challenge, "alice", "EXAMPLE") }}, "ntlmv1_refused"},
			"NTLM2 session security": {written{responses: func(m *ntlm.Authenticate) {
				m.NTResponse, m.LMResponse = bytes.Repeat([]byte{0x5A}, 24), append([]byte("nonce 08"), make([]byte, 16)...)
			}}, "ntlmv1_refused"},
		} {
			t.Run(verifier+", "+name, func(t *testing.T) {
				connection := dialTLS(t, s.HTTPS)
				negotiate := new(ntlm.Client).Negotiate()
				_, challenge := connection.ntlm(t, negotiate)
				if challenge == nil {
					t.Fatalf("no Type 2; reason %s", s.reason(t))
				}
				status, _ := connection.ntlm(t, c.authenticate(t, negotiate, challenge))
				if c.reason == "" && status != 200 || c.reason != "" && (status != 401 || s.reason(t) != c.reason) {
					t.Errorf("got %d, reason %s: %s, want %q", status, s.reason(t), s.refusal(t).text("error"), c.reason)
				}
				if got := connection.get(t, "/"); got != status {
					t.Errorf("the connection afterwards: got %d, want %d", got, status)
				}
			})
		}
	}
}
