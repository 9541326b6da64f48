package caddyfile

import (
	"slices"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
)

const accountUsage = "service_account [simple|ntlm|kerberos] <name> <secret>"

var filesUsage = blockUsage("service_account kerberos", "keytab <file>", "principal <name>", "ccache <file>", "krb5_conf <file>")

// mechanisms are the ways in which a service account binds.
var mechanisms = []string{"simple", "ntlm", "kerberos"}

// accountWords are the lines of a service_account block.
func accountWords() words[caddyldap.ServiceAccount] {
	return words[caddyldap.ServiceAccount]{
		"keytab":    fileWord("keytab <file>", func(a *caddyldap.ServiceAccount) *string { return &a.Keytab }),
		"principal": fileWord("principal <name>", func(a *caddyldap.ServiceAccount) *string { return &a.Principal }),
		"ccache":    fileWord("ccache <file>", func(a *caddyldap.ServiceAccount) *string { return &a.CCache }),
		"krb5_conf": fileWord("krb5_conf <file>", func(a *caddyldap.ServiceAccount) *string { return &a.Krb5Conf }),
	}
}

func fileWord(usage string, field func(*caddyldap.ServiceAccount) *string) word[caddyldap.ServiceAccount] {
	return word[caddyldap.ServiceAccount]{usage: usage, least: 1, most: 1, parse: func(a *caddyldap.ServiceAccount, l line) error {
		*field(a) = l.args[0].Text
		return nil
	}}
}

// readServiceAccount shows none of its arguments in an error: where one is
// missing or too many, any of them may be the secret.
func readServiceAccount(d *directory, l line) error {
	args := l.texts()
	a := &caddyldap.ServiceAccount{Mechanism: "simple"}
	named := slices.Contains(mechanisms, args[0])
	switch {
	case len(args) == 3 && !named:
		return errorAt(l.word, "three arguments after service_account, and the first is none of simple, ntlm and kerberos: write %s, and quote an argument that has spaces", accountUsage)
	case len(args) == 1 && (!named || l.block == nil):
		return errorAt(l.word, "too few arguments after service_account, found 1: write %s, or %s", accountUsage, filesUsage)
	case len(args) == 2 && named:
		return errorAt(l.word, "no secret after the name: write %s", accountUsage)
	}
	if named && len(args) != 2 {
		a.Mechanism, args = args[0], args[1:]
	}
	if len(args) == 2 {
		a.Name, a.Secret = args[0], args[1]
	}
	if err := accountWords().read(a, "service_account", l.block); err != nil {
		return err
	}
	d.ServiceAccount = a
	return checkAlone(l.word, &caddyldap.Directory{ServiceAccount: a})
}
