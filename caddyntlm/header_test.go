package caddyntlm

import (
	"encoding/base64"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

func TestParseAuthorization(t *testing.T) {
	tests := []struct {
		name    string
		headers []string
		scheme  scheme
		user    identity.Name
		word    string
	}{
		{"none", nil, schemeNone, identity.Name{}, ""},
		{"Basic", []string{"Basic YWxpY2U6cw=="}, schemeBasic, identity.Name{User: "alice"}, "s"},
		{"two spaces", []string{"Basic  YWxpY2U6cw=="}, schemeBasic, identity.Name{User: "alice"}, "s"},
		{"domain", []string{"basic RVhcYTpi"}, schemeBasic, identity.Name{Domain: "EX", User: "a"}, "b"},
		{"empty pair", []string{"Basic Og=="}, schemeBasic, identity.Name{}, ""},
		{"NTLM alone", []string{"NTLM"}, schemeNTLM, identity.Name{}, ""},
		{"Negotiate", []string{"Negotiate YII="}, schemeNegotiate, identity.Name{}, ""},
		{"Digest", []string{`Digest a="b", c=d`}, schemeForeign, identity.Name{}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseAuthorization(tt.headers)
			if err != nil || got.scheme != tt.scheme || got.name != tt.user || got.password.Reveal() != tt.word {
				t.Errorf("got %v %v %v, %v", got.scheme, got.name, got.password.Reveal(), err)
			}
		})
	}
}

// FuzzParseAuthorization checks that what is accepted is what was sent, and
// that every refusal has one of three kinds.
func FuzzParseAuthorization(f *testing.F) {
	for _, seed := range []string{"", "NTLM TlRMTVNTUAABAAAA", "Basic YWxpY2U6cw==", "basic  YQ==", "NTLM =", "Basic YTpi, NTLM x", "Negotiate YII=", "negotiate TlRMTVNTUAABAAAA", "Bearer \xff", "NTLM TlRM\r\nTVNT", "Basic 5GxpY2U6cw=="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		c, err := parseAuthorization([]string{header})
		if err != nil {
			switch kind := identity.KindOf(err); kind {
			case identity.KindMalformed, identity.KindOversize, identity.KindBadToken:
			default:
				t.Fatalf("got kind %v", kind)
			}
			if c.message != nil || c.name != (identity.Name{}) {
				t.Fatal("got a credential beside an error")
			}
			return
		}
		word, rest, _ := strings.Cut(header, " ")
		rest = strings.TrimLeft(rest, " ")
		switch c.scheme {
		case schemeNTLM:
			if !strings.EqualFold(word, "NTLM") || len(c.message) > maxAuthenticate {
				t.Fatalf("got %d bytes of NTLM from %q", len(c.message), header)
			}
			if got := base64.StdEncoding.EncodeToString(c.message); len(got) != len(rest) {
				t.Fatalf("got %q, want %q", got, rest)
			}
		case schemeNegotiate:
			if !strings.EqualFold(word, "Negotiate") || len(c.message) > maxSPNEGO || base64.StdEncoding.EncodeToString(c.message) != rest {
				t.Fatalf("got %d bytes of a token from %q", len(c.message), header)
			}
		case schemeBasic:
			pair := c.name.User + ":" + c.password.Reveal()
			if c.name.Domain != "" {
				pair = c.name.Domain + `\` + pair
			}
			raw, _ := base64.StdEncoding.DecodeString(rest)
			if utf8.Valid(raw) && !strings.HasPrefix(string(raw), `\`) && pair != string(raw) {
				t.Fatalf("got %q, want %q", pair, raw)
			}
			if !utf8.ValidString(pair) {
				t.Fatalf("got %q, no UTF-8", pair)
			}
		case schemeNone:
			t.Fatal("got no scheme and no error")
		}
	})
}
