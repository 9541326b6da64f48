package caddyldap

import (
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// TestJudged: what Active Directory cannot judge is told by its schema, because
// Samba does not say so itself.
func TestJudged(t *testing.T) {
	const text = "2.5.5.12"
	for filter, c := range map[string]struct {
		syntax string
		want   bool
	}{
		"(a=x)": {text, true}, "(a=x*)": {text, true}, "(a>=x)": {text, true}, "(a=*)": {syntaxDN, true},
		"(a=1)": {"", false}, "(a=*)(": {"", false},
		"(a=CN=x,DC=y)": {syntaxDN, true}, "(a=x)(": {syntaxDN, false}, "(a=CN=x*)": {syntaxDN, false}, "(a=<SID=S-1-5-32-544>)": {syntaxDN, true},
		"(objectCategory=person)": {syntaxDN, true},
		"(a=TRUE)":                {syntaxBoolean, true}, "(a=yes)": {syntaxBoolean, false}, "(a=T*)": {syntaxBoolean, false},
		"(a=-2)": {syntaxInteger, true}, "(a=2)": {syntaxLarge, true}, "(a=0x2)": {syntaxInteger, false}, "(a=2*)": {syntaxLarge, false},
		"(a:" + bitAnd + ":=2)": {syntaxInteger, true}, "(a:" + bitOr + ":=2)": {syntaxLarge, true}, "(a:" + bitOr + ":=x)": {syntaxLarge, false},
		"(a:" + bitOr + ":=x)(":  {text, false},
		"(a:" + inChain + ":=2)": {syntaxInteger, false}, "(a:" + inChain + ":=CN=x)": {syntaxDN, true}, "(a:" + inChain + ":=x)": {syntaxDN, false},
		"(a:2.5.13.5:=x)": {text, false}, "(a:caseExactMatch:=x)": {text, false}, "(a:=x)": {text, true},
	} {
		if filter[len(filter)-1] == '(' {
			filter = filter[:len(filter)-1] // the same filter with another syntax
		}
		terms, err := policy.ParseFilter(filter)
		if err != nil {
			t.Fatal(err)
		}
		if got := judged(terms[0], c.syntax); (got == nil) != c.want {
			t.Errorf("%s of %q: got %v, want sense %v", filter, c.syntax, got, c.want)
		}
	}
}
