package caddyfile

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-ntlm/caddy-ntlm/caddyntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

var totpUsage = blockUsage("totp", "attribute <ldap-attribute>", "require …", "exempt kerberos|ntlm…")

// secondFactor is a block totp being read.
type secondFactor struct {
	caddyntlm.TOTP
	rules []policy.Rule
	// rulesAt are the words of rules, one each.
	rulesAt []caddyfile.Token
	// named is what follows attribute.
	named caddyfile.Token
}

// totpWords are the lines of a block totp.
func totpWords() words[secondFactor] {
	return words[secondFactor]{
		"attribute": {usage: "attribute <ldap-attribute>", least: 1, most: 1, parse: readTOTPAttribute},
		"require":   {usage: requireUsage, least: 1, most: -1, many: true, block: true, parse: addTOTPRequire},
		"exempt":    {usage: "exempt kerberos|ntlm…", least: 1, most: -1, parse: readExempt},
	}
}

// readTOTP reads the block:
//
//	totp {
//		attribute <ldap-attribute>
//		require …              # any of several owe it; without a line everybody
//		exempt kerberos|ntlm…
//	}
func readTOTP(a *handler, l line) error {
	var f secondFactor
	if err := totpWords().read(&f, "totp", l.block); err != nil {
		return err
	}
	if f.Attribute == "" {
		return errorAt(l.word, "totp without attribute: which one holds the otpauth:// URIs? Write %s", totpUsage)
	}
	for i, rule := range f.rules {
		if err := namesSecret(rule.Attributes(), f.Attribute, f.rulesAt[i], "a rule asks about it"); err != nil {
			return err
		}
	}
	f.Require = anyOf(f.rules)
	a.TOTP, a.factor, a.secretAt = &f.TOTP, &l.word, f.named
	return nil
}

func readTOTPAttribute(f *secondFactor, l line) error {
	f.named = l.args[0]
	if f.Attribute = l.args[0].Text; !identity.CheckAttribute(f.Attribute) {
		// What stands there may be a URI, which is a secret.
		return errorAt(l.args[0], "not the name of an LDAP attribute such as unixUserPassword: the otpauth:// URIs themselves stand in the directory")
	}
	return nil
}

func addTOTPRequire(f *secondFactor, l line) error {
	rule, err := readRequire(l)
	f.rules, f.rulesAt = append(f.rules, rule), append(f.rulesAt, l.word)
	return err
}

func readExempt(f *secondFactor, l line) error {
	for i, arg := range l.args {
		if err := caddyntlm.CheckExempt(arg.Text); err != nil {
			return errorAt(arg, "%w", err)
		}
		if isTwice(l.args[:i], arg) {
			return errorAt(arg, "exempt %s stands twice", arg.Text)
		}
		f.Exempt = append(f.Exempt, arg.Text)
	}
	return nil
}

func isTwice(before []caddyfile.Token, arg caddyfile.Token) bool {
	for _, other := range before {
		if other.Text == arg.Text {
			return true
		}
	}
	return false
}
