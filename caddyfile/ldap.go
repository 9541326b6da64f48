package caddyfile

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
)

const ldapUsage = "ldap <NAME> { … }"

// parseLDAP reads the global option, once for each directory:
//
//	ldap <NAME> {
//		server <url|host>… [{ server_name <name> }]
//		discover <dns-domain> [<site>]
//		domain <NETBIOS>
//		dns_domain <name>
//		base_dn <dn>…
//		tls {
//			trust_pool <module> …
//			server_name <name>
//			insecure_skip_verify
//		}
//		starttls
//		insecure_plaintext
//		service_account [simple|ntlm|kerberos] <name> <secret>
//		service_account kerberos {
//			keytab <file>
//			principal <name>
//			ccache <file>
//			krb5_conf <file>
//		}
//		bind_as direct|search|absolute|relative
//		bind_as template <dn with {user}>
//		user {
//			attribute <ldap-attribute>
//			filter <ldap-filter>
//			suffix <text>
//		}
//		attributes <ldap-attribute>…
//		map {
//			fallback <role>…
//			<attribute> <expression> <role>…
//		}
//		cache {
//			ttl <duration>
//			stale <duration>
//			size <identities>
//		}
//		pool {
//			size <connections>
//			idle <duration>
//		}
//		timeout {
//			dial <duration>
//			request <duration>
//		}
//		verify bind|relay
//	}
func parseLDAP(d *caddyfile.Dispenser, existing any) (any, error) {
	d.Next()
	l, err := readLine(d.NextSegment())
	if err != nil {
		return nil, err
	}
	app, places, err := openApp(existing)
	if err != nil {
		return nil, errorAt(l.word, "reading the ldap blocks before this one: %w", err)
	}
	name, err := directoryName(l)
	if err != nil {
		return nil, err
	}
	if at, twice := places[strings.ToLower(name)]; twice {
		return nil, errorAt(l.args[0], "the directory %s stands twice, the first time at %s: give it another name, or join the two blocks", short(name), at)
	}
	app.Directories[name], err = readDirectory(l)
	if err != nil {
		return nil, err
	}
	places[strings.ToLower(name)] = place(l.args[0])
	return closeApp(app, places)
}

// directoryName is the NAME after ldap. A site must be able to write it: no
// URL and nothing that Caddy takes for a matcher.
func directoryName(l line) (string, error) {
	if len(l.args) != 1 {
		return "", errorAt(l.word, "ldap takes one NAME, found %d arguments: write %s", len(l.args), ldapUsage)
	}
	name := l.args[0].Text
	if strings.Contains(name, "://") {
		return "", errorAt(l.args[0], "ldap takes a NAME, and its servers go into the block: write %s", blockUsage("ldap <NAME>", "server <url>…"))
	}
	if name == "" || name == "*" || name[0] == '@' || name[0] == '/' {
		return "", errorAt(l.args[0], "%s cannot be the NAME of a directory: a site could not tell it from a matcher", short(name))
	}
	return name, nil
}

// readApp is the app that the global option has made so far.
func readApp(option any) (*caddyldap.App, error) {
	app := new(caddyldap.App)
	if made, ok := option.(httpcaddyfile.App); ok {
		if err := json.Unmarshal(made.Value, app); err != nil {
			return nil, err
		}
	}
	if app.Directories == nil {
		app.Directories = make(map[string]*caddyldap.Directory)
	}
	return app, nil
}

// places says where each NAME stands. Capitals make no difference.
type places map[string]string

// openApp takes back what closeApp made of the blocks before. Between two blocks
// Caddy keeps a name and a JSON document and no more, so where each NAME stands
// travels in the same array, behind the end of the document, where no one who
// reads the document sees it.
func openApp(option any) (*caddyldap.App, places, error) {
	app, err := readApp(option)
	if err != nil {
		return nil, nil, err
	}
	known := make(places)
	for name := range app.Directories {
		known[strings.ToLower(name)] = "an earlier block"
	}
	if made, ok := option.(httpcaddyfile.App); ok {
		hidden := made.Value[len(made.Value):cap(made.Value)]
		_ = json.Unmarshal(hidden, &known) // without it the NAMEs are still known
	}
	return app, known, nil
}

func closeApp(app *caddyldap.App, known places) (httpcaddyfile.App, error) {
	document, err := json.Marshal(app)
	if err != nil {
		return httpcaddyfile.App{}, err
	}
	hidden, err := json.Marshal(known)
	if err != nil {
		return httpcaddyfile.App{}, err
	}
	whole := slices.Clip(slices.Concat(document, hidden))
	return httpcaddyfile.App{Name: "ldap", Value: whole[:len(document)]}, nil
}
