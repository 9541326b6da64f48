package caddyfile

import (
	"encoding/json"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
)

const keytabUsage = "verify keytab <file>, or with a block: verify keytab <file> { … } with spn HTTP/<host>…, realms <REALM>…, allow_rc4 each on a line of its own"
const kerberosPasswordUsage = "verify kerberos_password <keytab>, or with a block: verify kerberos_password <keytab> { … } with spn HTTP/<host>, realm <REALM>, krb5_conf <file> each on a line of its own"

const netlogonUsage = "verify netlogon <account> <secret>, such as verify netlogon WEB01$ {file./run/secrets/web01}"

const smbUsage = "verify smb insecure_unverified_answer"

// verifierWords are the words after verify, each a module of ldap.verifiers.
func verifierWords() words[directory] {
	return words[directory]{
		"bind":              {usage: "verify bind", parse: verifyPlain},
		"relay":             {usage: "verify relay", parse: verifyPlain},
		"keytab":            {usage: keytabUsage, least: 1, most: 1, block: true, parse: verifyKeytab},
		"kerberos_password": {usage: kerberosPasswordUsage, least: 1, most: 1, block: true, parse: verifyKerberosPassword},
		"netlogon":          {usage: netlogonUsage, least: 2, most: 2, parse: verifyNetlogon},
		"smb":               {usage: smbUsage, most: 1, parse: verifySMB},
	}
}

// readVerify reads one way to decide; each may stand once.
func readVerify(d *directory, l line) error {
	way := l.shift()
	name := way.word.Text
	if _, known := verifierWords()[name]; !known {
		return unknown(way.word, "verifier", "verify", verifierWords().list())
	}
	if at, twice := d.verifiers[name]; twice {
		return errorAt(way.word, "verify %s stands twice, the first time at %s", name, place(at))
	}
	if d.verifiers == nil {
		d.verifiers = make(map[string]caddyfile.Token)
	}
	d.verifiers[name] = way.word
	if err := verifierWords().readOne(d, "verify", way); err != nil {
		return err
	}
	return checkAlone(way.word, &caddyldap.Directory{VerifyRaw: d.VerifyRaw})
}

// verifyPlain adds a verifier that needs nothing but its name.
func verifyPlain(d *directory, l line) error {
	raw, err := json.Marshal(map[string]string{"verifier": l.word.Text})
	if err != nil {
		return errorAt(l.word, "%w", err)
	}
	d.VerifyRaw = append(d.VerifyRaw, raw)
	return nil
}

func verifyKeytab(d *directory, l line) error {
	k := &caddyldap.Keytab{File: l.args[0].Text}
	if err := keytabWords().read(k, "verify keytab", l.block); err != nil {
		return err
	}
	if err := k.CheckStatic(); err != nil {
		return errorAt(l.word, "%w", err)
	}
	d.VerifyRaw = append(d.VerifyRaw, caddyconfig.JSONModuleObject(k, "verifier", "keytab", nil))
	return nil
}

func keytabWords() words[caddyldap.Keytab] {
	return words[caddyldap.Keytab]{
		"spn": {usage: "spn HTTP/<host>…", least: 1, most: -1, many: true, parse: func(k *caddyldap.Keytab, l line) error {
			k.SPN = append(k.SPN, l.texts()...)
			return nil
		}},
		"realms": {usage: "realms <REALM>…", least: 1, most: -1, many: true, parse: func(k *caddyldap.Keytab, l line) error {
			k.Realms = append(k.Realms, l.texts()...)
			return nil
		}},
		"allow_rc4": {usage: "allow_rc4", parse: func(k *caddyldap.Keytab, _ line) error {
			k.AllowRC4 = true
			return nil
		}},
	}
}

func verifyKerberosPassword(d *directory, l line) error {
	k := &caddyldap.KerberosPassword{File: l.args[0].Text}
	if err := kerberosPasswordWords().read(k, "verify kerberos_password", l.block); err != nil {
		return err
	}
	if err := k.CheckStatic(); err != nil {
		return errorAt(l.word, "%w", err)
	}
	d.VerifyRaw = append(d.VerifyRaw, caddyconfig.JSONModuleObject(k, "verifier", "kerberos_password", nil))
	return nil
}

func kerberosPasswordWords() words[caddyldap.KerberosPassword] {
	text := func(usage string, field func(*caddyldap.KerberosPassword) *string) word[caddyldap.KerberosPassword] {
		return word[caddyldap.KerberosPassword]{usage: usage, least: 1, most: 1, parse: func(k *caddyldap.KerberosPassword, l line) error {
			*field(k) = l.args[0].Text
			return nil
		}}
	}
	return words[caddyldap.KerberosPassword]{
		"spn":       text("spn HTTP/<host>", func(k *caddyldap.KerberosPassword) *string { return &k.SPN }),
		"realm":     text("realm <REALM>", func(k *caddyldap.KerberosPassword) *string { return &k.Realm }),
		"krb5_conf": text("krb5_conf <file>", func(k *caddyldap.KerberosPassword) *string { return &k.Krb5Conf }),
	}
}

func verifyNetlogon(d *directory, l line) error {
	n := &caddyldap.Netlogon{Account: l.args[0].Text, Secret: l.args[1].Text}
	if err := n.CheckStatic(); err != nil {
		return errorAt(l.word, "%w", err)
	}
	d.VerifyRaw = append(d.VerifyRaw, caddyconfig.JSONModuleObject(n, "verifier", "netlogon", nil))
	return nil
}

func verifySMB(d *directory, l line) error {
	const accepted = "insecure_unverified_answer"
	if len(l.args) == 1 && l.args[0].Text != accepted {
		return unknown(l.args[0], "word", "verify smb", []string{accepted})
	}
	s := &caddyldap.SMB{InsecureUnverifiedAnswer: len(l.args) == 1}
	if err := s.CheckStatic(); err != nil {
		return errorAt(l.word, "%w", err)
	}
	d.VerifyRaw = append(d.VerifyRaw, caddyconfig.JSONModuleObject(s, "verifier", "smb", nil))
	return nil
}
