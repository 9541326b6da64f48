package diag

import (
	"bytes"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/caddyntlm"
)

// sitesSaid is what check-config says of the sites of servers, which are given as JSON.
func sitesSaid(t *testing.T, servers string) (said string, faults int) {
	t.Helper()
	document := fmt.Sprintf(`{"apps": {"ldap": {"directories": {"EXAMPLE": {"server": [{"url": "ldaps://dc1.example.com"}], "base_dn": ["DC=example,DC=com"],
		"service_account": {"mechanism": "simple", "name": "EXAMPLE\\svc-web", "secret": "Secr3t-svc-web"}}}}, "http": {"servers": {%s}}}}`, servers)
	var out bytes.Buffer
	c := &configCheck{out: &out}
	if err := c.doors(t.Context(), []byte(document)); err != nil {
		t.Fatal(err)
	}
	return out.String(), c.faults
}

// TestCheckDoors: sites where nobody can log in are faults, and are told with their hosts.
func TestCheckDoors(t *testing.T) {
	door := func(words string) string {
		return `{"handler": "windows_auth", "directories": ["EXAMPLE"]` + words + `}`
	}
	routes := func(listen, handler string) string {
		return `{"listen": ["` + listen + `"], "routes": [{"match": [{"host": ["intranet.example.com"]}], "handle": [` + handler + `]}]}`
	}
	below := func(path, match, handler string) string {
		return `{"handler": "subroute", "routes": [{"match": [{"path": ["` + path + `"]` + match + `}], "handle": [` + handler + `]}]}`
	}
	const (
		page  = `, "session": {}, "login": {}`
		codes = `, "session": {}, "totp": {"attribute": "unixUserPassword"}`
		ntlm  = `, "schemes": ["ntlm"]`
	)
	for name, c := range map[string]struct {
		servers string
		faults  int
		want    string
	}{
		"well":                  {`"a": ` + routes(":443", door(page)), 0, "ok       site     intranet.example.com: nothing in"},
		"no host":               {`"a": {"listen": [":443"], "routes": [{"handle": [` + door("") + `]}]}`, 0, "ok       site     :443: "},
		"a page without TLS":    {`"a": ` + routes(":80", door(page)), 1, "FAULT    session  intranet.example.com: session works over TLS alone|hint: Nobody gets a session"},
		"sessions without TLS":  {`"a": ` + routes(":80", door(`, "session": {}`)), 0, "note     session  intranet.example.com: session works"},
		"both":                  {`"a": ` + routes(":443", door(page)) + `, "b": ` + routes(":80", door(page)), 0, "ok       site|note     session|another site of the host takes"},
		"Basic alone":           {`"a": ` + routes(":80", door(`, "schemes": ["basic"]`)), 1, "FAULT    schemes  intranet.example.com: nobody can log in"},
		"a page elsewhere":      {`"a": ` + routes(":443", below("/app/*", "", door(page))), 1, "FAULT    login    intranet.example.com: nobody can log in on the page|/.auth/login"},
		"a page within":         {`"a": ` + routes(":443", below("/app/*", "", door(`, "session": {}, "login": {"path": "/app/auth"}`))), 0, "ok       site"},
		"a page somewhere":      {`"a": ` + routes(":443", `{"handler": "unheard_of"}, `+below("/app/*", "", door(page))), 0, "unclear  login"},
		"no code":               {`"a": ` + routes(":443", door(ntlm+codes)), 1, "FAULT    totp     intranet.example.com: totp asks everybody|hint: Add basic to schemes, or write login"},
		"codes at another site": {`"a": {"listen": [":443"], "routes": [{"handle": [` + below("/in/*", "", door(codes)) + `, ` + door(ntlm+codes) + `]}]}`, 0, "note     totp     :443: "},
		"another attribute":     {`"a": {"listen": [":443"], "routes": [{"handle": [` + below("/in/*", "", door(`, "session": {}, "totp": {"attribute": "info"}`)) + `, ` + door(ntlm+codes) + `]}]}`, 1, "FAULT    totp"},
		"no code for some":      {`"a": ` + routes(":443", door(ntlm+`, "totp": {"attribute": "unixUserPassword", "require": {"group": ["HR"]}}`)), 1, "whoever owes a code cannot log in"},
		"will not start":        {`"a": ` + routes(":443", door(`, "session": {"ttl": 1}`)), 1, "FAULT    config   intranet.example.com: session: ttl"},
	} {
		said, faults := sitesSaid(t, c.servers)
		for want := range strings.SplitSeq(c.want, "|") {
			if faults != c.faults || !strings.Contains(said, want) {
				t.Errorf("%s: got %d faults and\n%s\nwant %d and %q", name, faults, said, c.faults, want)
			}
		}
	}
	if said, _ := sitesSaid(t, ""); said != "" {
		t.Errorf("without a site: got %q, want nothing", said)
	}
}

// TestExplainPlainSession: whoever asks a site over plain HTTP is told that it has no session.
func TestExplainPlainSession(t *testing.T) {
	for name, c := range map[string]struct {
		overTLS bool
		scheme  string
		words   caddyntlm.Handler
		want    bool
	}{
		"a plain server":        {false, "", caddyntlm.Handler{Session: new(caddyntlm.Session)}, true},
		"asked plainly":         {true, "http", caddyntlm.Handler{Session: new(caddyntlm.Session)}, true},
		"over TLS":              {true, "", caddyntlm.Handler{Session: new(caddyntlm.Session)}, false},
		"plain without session": {false, "", caddyntlm.Handler{}, false},
	} {
		var out strings.Builder
		g := &judgement{out: &out, journey: &journey{server: server{overTLS: c.overTLS}}, target: &url.URL{Scheme: c.scheme}}
		g.session(&c.words)
		if got := strings.Contains(out.String(), "session works over TLS alone"); got != c.want {
			t.Errorf("%s: got %q, want the note %v", name, out.String(), c.want)
		}
	}
}
