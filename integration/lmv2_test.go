package integration

import (
	"slices"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// TestLMv2OpensNothing: threats B-07, B-13, B-16. What a client has said of where it logs
// in stands in its NTLMv2 response, and a controller takes an LMv2 response, which says
// nothing, where that one is wrong, [MS-NLMP] 3.3.2. Who stands between has both from a
// client that it challenges without a time, and may write what it likes into the first.
func TestLMv2OpensNothing(t *testing.T) {
	for verifier, words := range map[string]string{"netlogon": netlogonWords(), "relay": "verify relay"} {
		s := start(t, siteConfig{LDAP: words, Body: unthrottled})
		for name, forge := range map[string]func(*ntlm.Authenticate){
			"both, as curl sends them":        nil,
			"LMv2 beside a forged one":        func(m *ntlm.Authenticate) { m.NTResponse[20] ^= 1 },
			"beside one that promises a code": promiseMIC,
		} {
			t.Run(verifier+", "+name, func(t *testing.T) { bothResponses(t, s, forge) })
		}
	}
}

// promiseMIC puts a message integrity code there, and says so in the NTLMv2 response.
func promiseMIC(m *ntlm.Authenticate) {
	const pairs = 44 // where they begin
	flags := []byte{byte(ntlm.AVFlags), 0, 4, 0, byte(ntlm.AVFlagMIC), 0, 0, 0}
	m.NTResponse = slices.Concat(m.NTResponse[:pairs], flags, m.NTResponse[pairs:])
	m.MIC, m.Version = new([16]byte), nil
}

// bothResponses logs in by an NTLMv2 and an LMv2 response of the right password, the
// former forged unless forge is nil.
func bothResponses(t *testing.T, s *site, forge func(*ntlm.Authenticate)) {
	t.Helper()
	negotiate, _ := messages(t)
	conn := dial(t, s.HTTP)
	_, challenge := conn.ntlm(t, negotiate)
	if challenge == nil {
		t.Fatalf("no Type 2; reason %s", s.reason(t))
	}
	victim := &ntlm.Client{User: "alice", Domain: "EXAMPLE", Workstation: "DESK", Password: "Secr3t-alice"}
	victim.Negotiate()
	third, err := victim.Authenticate(timeless(t, challenge))
	if err != nil {
		t.Fatal(err)
	}
	m, err := ntlm.ParseAuthenticate(third)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.LMResponse) != 24 || m.MIC != nil {
		t.Fatal("the client sent no LMv2 response: this test shows nothing")
	}
	want := 200
	if forge != nil { // anything at all: another channel binding, another target
		want = 401
		forge(m)
	}
	forged, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := conn.ntlm(t, forged); status != want {
		t.Errorf("got %d, reason %s %s, want %d", status, s.reason(t), s.refusal(t).text("error"), want)
	}
}

// timeless is a challenge without its time.
func timeless(t *testing.T, challenge []byte) []byte {
	t.Helper()
	c, err := ntlm.ParseChallenge(challenge)
	if err != nil {
		t.Fatal(err)
	}
	c.TargetInfo = slices.DeleteFunc(c.TargetInfo, func(p ntlm.AVPair) bool { return p.ID == ntlm.AVTimestamp })
	raw, err := c.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
