package caddyfile

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
)

// directory is a directory being read, and what of its block its errors need.
type directory struct {
	caddyldap.Directory
	// servers are the tokens of Server, one each.
	servers []caddyfile.Token
	// verifiers are the tokens after verify, by name.
	verifiers map[string]caddyfile.Token
	// plain is the line starttls or insecure_plaintext.
	plain *caddyfile.Token
	// bindAs is what follows bind_as.
	bindAs *caddyfile.Token
}

// directoryWords are the lines of an ldap block.
func directoryWords() words[directory] {
	return words[directory]{
		"server":             {usage: serverUsage, least: 1, most: -1, many: true, block: true, parse: readServer},
		"discover":           {usage: "discover <dns-domain> [<site>]", least: 1, most: 2, parse: readDiscover},
		"domain":             {usage: "domain <NETBIOS>", least: 1, most: 1, parse: readDomain},
		"dns_domain":         {usage: "dns_domain <name>", least: 1, most: 1, parse: readDNSDomain},
		"base_dn":            {usage: "base_dn <dn>…", least: 1, most: -1, many: true, parse: readBaseDN},
		"tls":                {usage: blockUsage("tls", "trust_pool <module> …", "server_name <name>", "insecure_skip_verify"), needsBlock: true, parse: readTLS},
		"starttls":           {usage: "starttls", parse: readStartTLS},
		"insecure_plaintext": {usage: "insecure_plaintext", parse: readInsecurePlaintext},
		"service_account":    {usage: accountUsage, least: 1, most: 3, block: true, parse: readServiceAccount},
		"attributes":         {usage: "attributes <ldap-attribute>…", least: 1, most: -1, many: true, parse: readAttributes},
		"map":                {usage: mapUsage, needsBlock: true, parse: readMap},
		"bind_as":            {usage: bindAsUsage, least: 1, most: 2, parse: readBindAs},
		"group":              {usage: blockUsage("group", "attribute <ldap-attribute>", "filter <ldap-filter>", "nested on|off"), needsBlock: true, parse: readGroup},
		"user":               {usage: blockUsage("user", "attribute <ldap-attribute>", "filter <ldap-filter>", "suffix <text>"), needsBlock: true, parse: readUser},
		"cache":              {usage: blockUsage("cache", "ttl <duration>", "stale <duration>", "size <number>"), needsBlock: true, parse: readCache},
		"pool":               {usage: blockUsage("pool", "size <number>", "idle <duration>"), needsBlock: true, parse: readPool},
		"timeout":            {usage: blockUsage("timeout", "dial <duration>", "request <duration>"), needsBlock: true, parse: readTimeout},
		"verify":             {usage: "verify <verifier>", least: 1, most: -1, many: true, block: true, parse: readVerify},
	}
}

// readDirectory reads an ldap block.
func readDirectory(block line) (*caddyldap.Directory, error) {
	d := new(directory)
	if err := directoryWords().read(d, "ldap", block.block); err != nil {
		return nil, err
	}
	return d.finish(block.word)
}

// finish checks what can be said only at the end of the block that the word
// opens.
func (d *directory) finish(word caddyfile.Token) (*caddyldap.Directory, error) {
	if !d.StartTLS && !d.InsecurePlaintext {
		for i, at := range d.servers {
			if err := checkAlone(at, &caddyldap.Directory{Server: d.Server[i : i+1]}); err != nil {
				return nil, err
			}
		}
	}
	if d.bindAs != nil {
		if err := d.CheckBindAs(); err != nil {
			return nil, errorAt(*d.bindAs, "%w", err)
		}
	}
	if d.plain != nil {
		word = *d.plain
	}
	if err := d.CheckStatic(); err != nil {
		return nil, errorAt(word, "%w", err)
	}
	return &d.Directory, nil
}

// checkAlone passes on what the ldap app finds wrong with what one line says,
// at that line: one is a directory with nothing else in it.
func checkAlone(at caddyfile.Token, one *caddyldap.Directory) error {
	if one.Server == nil {
		one.Server = []caddyldap.Server{{URL: "ldaps://dc1.example.com"}}
	}
	if err := one.CheckStatic(); err != nil {
		return errorAt(at, "%w", err)
	}
	return nil
}

func readDiscover(d *directory, l line) error {
	d.Discover = &caddyldap.Discover{DNSDomain: l.args[0].Text}
	if err := checkAlone(l.args[0], &caddyldap.Directory{Discover: d.Discover}); err != nil {
		return err
	}
	if len(l.args) == 1 {
		return nil
	}
	if d.Discover.Site = l.args[1].Text; d.Discover.Site == "" {
		return errorAt(l.args[1], "the name of the site is empty: leave it out, or write the one in Active Directory Sites and Services")
	}
	return checkAlone(l.args[1], &caddyldap.Directory{Discover: d.Discover})
}

func readDomain(d *directory, l line) error {
	d.Domain = l.args[0].Text
	return checkAlone(l.args[0], &caddyldap.Directory{Domain: d.Domain})
}

func readDNSDomain(d *directory, l line) error {
	d.DNSDomain = l.args[0].Text
	return checkAlone(l.args[0], &caddyldap.Directory{DNSDomain: d.DNSDomain})
}

func readBaseDN(d *directory, l line) error {
	names, err := readList(l)
	if err != nil {
		return missingQuotes(l, err)
	}
	d.BaseDN = append(d.BaseDN, names...)
	return checkAlone(l.word, &caddyldap.Directory{BaseDN: names})
}

func readStartTLS(d *directory, l line) error {
	d.StartTLS, d.plain = true, &l.word
	return nil
}

func readInsecurePlaintext(d *directory, l line) error {
	d.InsecurePlaintext, d.plain = true, &l.word
	return nil
}

// timeoutWords are the lines of a timeout block.
func timeoutWords() words[caddyldap.Timeout] {
	return words[caddyldap.Timeout]{
		"dial": {usage: "dial <duration>", least: 1, most: 1, parse: func(t *caddyldap.Timeout, l line) (err error) {
			t.Dial, err = readDuration(l, seconds)
			return err
		}},
		"request": {usage: "request <duration>", least: 1, most: 1, parse: func(t *caddyldap.Timeout, l line) (err error) {
			t.Request, err = readDuration(l, seconds)
			return err
		}},
	}
}

func readTimeout(d *directory, l line) error {
	d.Timeout = new(caddyldap.Timeout)
	return timeoutWords().read(d.Timeout, "timeout", l.block)
}
