package caddyfile

import (
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
)

// poolNamespace is where Caddy's CA pools are.
const poolNamespace = "tls.ca_pool.source"

// tlsWords are the lines of a tls block.
func tlsWords() words[caddyldap.TLS] {
	return words[caddyldap.TLS]{
		"trust_pool":           {usage: "trust_pool <module> …", least: 1, most: -1, block: true, parse: readTrustPool},
		"server_name":          {usage: "server_name <name>", least: 1, most: 1, parse: readServerName},
		"insecure_skip_verify": {usage: "insecure_skip_verify", parse: readSkipVerify},
	}
}

func readTLS(d *directory, l line) error {
	d.TLS = new(caddyldap.TLS)
	return tlsWords().read(d.TLS, "tls", l.block)
}

// readTrustPool hands the rest of the line to the CA pool it names.
func readTrustPool(t *caddyldap.TLS, l line) error {
	pool := l.shift()
	name := pool.word.Text
	if strings.ContainsAny(name, `/\.`) {
		return errorAt(pool.word, "unknown module %s in trust_pool: write trust_pool file %s", short(name), l.written())
	}
	if _, err := caddy.GetModule(poolNamespace + "." + name); err != nil {
		return unknown(pool.word, "module", "trust_pool", pools())
	}
	d := caddyfile.NewDispenser(pool.tokens)
	d.Next()
	module, err := caddyfile.UnmarshalModule(d, poolNamespace+"."+name)
	if err != nil {
		return err
	}
	var warnings []caddyconfig.Warning
	t.TrustPoolRaw = caddyconfig.JSONModuleObject(module, "provider", name, &warnings)
	return nil
}

// pools are the names of the CA pools of this Caddy.
func pools() []string {
	var known []string
	for _, module := range caddy.GetModules(poolNamespace) {
		known = append(known, module.ID.Name())
	}
	return known
}

func readServerName(t *caddyldap.TLS, l line) error {
	t.ServerName = l.args[0].Text
	return nil
}

func readSkipVerify(t *caddyldap.TLS, _ line) error {
	t.InsecureSkipVerify = true
	return nil
}
