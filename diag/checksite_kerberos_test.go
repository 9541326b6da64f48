package diag

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/caddyntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/krb"
)

// TestTicketVerdict: what a refusal means, likeliest first.
func TestTicketVerdict(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		code  int
		ahead time.Duration
		etype int32
		kept  bool
		exit  int
		want  string
	}{
		"the key":         {401, 0, krb.AES256, false, exitNo, "setspn -Q HTTP/web.test"},
		"an old ticket":   {401, 0, krb.AES256, true, exitNo, "klist purge"},
		"RC4":             {401, 0, krb.RC4, false, exitNo, "which is of RC4"},
		"the clock":       {401, 6 * time.Minute, krb.AES256, false, exitNo, "clock is 6m0s ahead"},
		"a slow clock":    {401, -6 * time.Minute, krb.AES256, false, exitNo, "clock is -6m0s ahead"},
		"a little off":    {401, 5 * time.Minute, krb.AES256, false, exitNo, "setspn -Q"},
		"not allowed":     {403, 0, krb.AES256, false, exitNo, "no rule lets this user in"},
		"no key":          {503, 0, krb.AES256, false, exitUnknown, "lacks version 3"},
		"headers too big": {431, 0, krb.AES256, false, exitUnknown, "does not take this log-in"},
	} {
		a := &answer{code: c.code, status: statusText(c.code), header: http.Header{"Date": {now.Add(c.ahead).Format(http.TimeFormat)}}}
		err := ticketVerdict(a, &krb.Issued{Service: "HTTP/web.test@EXAMPLE.TEST", Etype: c.etype, Version: 3, Kept: c.kept}, now)
		var said strings.Builder
		_ = report(&said, err)
		if exitCode(err) != c.exit || !strings.Contains(said.String(), c.want) {
			t.Errorf("%s: got exit code %d, %q, want %d, %q", name, exitCode(err), said.String(), c.exit, c.want)
		}
	}
	if off := clockOff(http.Header{}, now); off != 0 {
		t.Errorf("no Date: got %v, want 0", off)
	}
}

// TestBindingVerdict: only a 401 shows that bindings are compared, and only a page that
// they are not.
func TestBindingVerdict(t *testing.T) {
	for code, want := range map[int]string{
		200: "does not compare", 204: "does not compare", 302: "does not compare", 401: "the site compares", 403: "not to be seen", 503: "not to be seen",
	} {
		if got := bindingVerdict(code); !strings.Contains(got, want) {
			t.Errorf("%d: got %q, want %q in it", code, got, want)
		}
	}
}

// TestNoTicket: each reason has its cure, and those that are an answer end as one.
func TestNoTicket(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		exit int
		want string
	}{
		"no service":  {krb.ErrNoService, exitNo, "setspn -S HTTP/web.test ACCOUNT"},
		"refused":     {krb.ErrRefused, exitNo, "wrong name or password"},
		"the clock":   {krb.ErrClock, exitUnknown, "NTP"},
		"no KDC":      {krb.ErrUnreachable, exitUnknown, "--kdc"},
		"no tickets":  {krb.ErrCredential, exitUnknown, "kinit alice@EXAMPLE.COM"},
		"an odd file": {krb.ErrMalformed, exitUnknown, "kinit alice@EXAMPLE.COM"},
	} {
		err := noTicket(fmt.Errorf("somewhere: %w", c.err), "HTTP/web.test")
		var said strings.Builder
		_ = report(&said, err)
		if exitCode(err) != c.exit || !strings.Contains(said.String(), c.want) || !errors.Is(err, c.err) {
			t.Errorf("%s: got exit code %d, %q, want %d, %q", name, exitCode(err), said.String(), c.exit, c.want)
		}
	}
}

// TestProven: only an AP-REP by the ticket's key is believed, and a site without one
// is told of.
func TestProven(t *testing.T) {
	for name, c := range map[string]struct {
		challenge string
		exit      int
		want      string
	}{
		"none":         {"", 0, "has not proven itself: there is no AP-REP"},
		"another word": {"NTLM", 0, "there is no AP-REP"},
		"no base64":    {"Negotiate ***", exitNo, "cannot be read"},
		"no token":     {"Negotiate AAAA", exitNo, "cannot be read"},
	} {
		var out strings.Builder
		client := &siteClient{out: &out}
		err := client.proven(&answer{challenges: []string{c.challenge}}, new(krb.Initiation))
		_ = report(&out, err)
		if err == nil && c.exit != 0 || err != nil && exitCode(err) != c.exit || !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: got %v, %q, want %d, %q", name, err, out.String(), c.exit, c.want)
		}
	}
}

// TestPrincipal: names with their realms, in capitals as domains have them.
func TestPrincipal(t *testing.T) {
	for name, c := range map[string]struct {
		user, domain string
		configured   bool
		want         string
	}{
		"with a realm":     {"alice@example.test", "", false, "alice@EXAMPLE.TEST EXAMPLE.TEST"},
		"by the domain":    {"alice", "example.test", false, "alice@EXAMPLE.TEST EXAMPLE.TEST"},
		"of krb5.conf":     {"alice", "", true, "alice "},
		"of no realm":      {"alice", "", false, "of which realm is alice?"},
		"a NetBIOS domain": {"alice", "EXAMPLE", true, "has no realm in it"},
		"and as one types": {`EXAMPLE\alice`, "", true, "has no realm in it"},
	} {
		principal, realm, err := principal(c.user, c.domain, c.configured)
		if got := principal + " " + realm; err == nil && got != c.want || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, c.want)
		}
	}
}

// TestReadCache: what KRB5CCNAME may name, and what to do about the rest.
func TestReadCache(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache")
	if err := os.WriteFile(path, []byte("tickets"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ value, want string }{
		"a file":   {"FILE:" + path, ""},
		"a path":   {path, ""},
		"in small": {"file:" + path, ""},
		"a ring":   {"KEYRING:persistent:0", "caches in files alone"},
		"a broker": {"KCM:", "caches in files alone"},
		"a folder": {"DIR:/tmp", "caches in files alone"},
		"no file":  {"FILE:" + path + "x", "no tickets: "},
	} {
		raw, err := readCache(c.value)
		if c.want == "" && (err != nil || string(raw) != "tickets") || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %q, %v, want %q", name, raw, err, c.want)
		}
	}
}

// TestService: which name a ticket is asked for.
func TestService(t *testing.T) {
	for host, want := range map[string]string{"localhost": "HTTP/localhost", "Nobody.invalid": "HTTP/nobody.invalid", "192.0.2.1": "", "::1": ""} {
		got, _, err := new(siteCheck).service(t.Context(), host)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: got %q, %v, want %q", host, got, err, want)
		}
	}
	for name, c := range map[string]struct {
		canonical string
		err       error
		want      string
	}{
		"an alias":       {"web.test.", nil, "web.test"},
		"its own name":   {"www.test.", nil, ""},
		"other capitals": {"WWW.test.", nil, ""},
		"not to be seen": {"", errors.New("no DNS"), ""},
	} {
		check := &siteCheck{lookup: func(context.Context, string) (string, error) { return c.canonical, c.err }}
		if spn, aliased, err := check.service(t.Context(), "www.test"); aliased != c.want || spn != "HTTP/www.test" || err != nil {
			t.Errorf("%s: got %q, %q, %v, want alias %q", name, spn, aliased, err, c.want)
		}
	}
	named := &siteCheck{tickets: tickets{spn: "HTTP/web.test"}}
	if got, _, err := named.service(t.Context(), "192.0.2.1"); got != "HTTP/web.test" || err != nil {
		t.Errorf("--spn: got %q, %v", got, err)
	}
}

// TestHostsOf: by which hosts people come to a directory.
func TestHostsOf(t *testing.T) {
	const document = `{"apps":{"http":{"servers":{
		"a":{"routes":[
			{"match":[{"host":["Web.test","www.test"]}],"handle":[{"handler":"subroute","routes":[{"handle":[{"handler":"windows_auth","directories":["EXAMPLE"]}]}]}]},
			{"match":[{"host":["*.test"]}],"handle":[{"handler":"subroute","routes":[
				{"match":[{"host":["inner.test"]}],"handle":[{"handler":"windows_auth","directories":["other","example"]}]},
				{"match":[{"path":["/x"]}],"handle":[{"handler":"windows_auth","directories":["EXAMPLE"]}]}]}]},
			{"match":[{"host":["other.test"]}],"handle":[{"handler":"windows_auth","directories":["OTHER"]}]},
			{"match":[{"host":["own.test"]}],"handle":[{"handler":"windows_auth","directory":{"server":[{"url":"dc1"}]}}]},
			{"match":[{"host":["open.test"]}],"handle":[{"handler":"static_response"}]}]},
		"b":{"routes":[{"match":[{"host":["web.test"]}],"handle":[{"handler":"windows_auth","directories":["EXAMPLE"]}]},{"handle":[{"handler":"windows_auth","directories":["EXAMPLE"]}]}]}}}}}`
	_, own, err := directoriesOf([]byte(document))
	if err != nil || len(own) != 1 {
		t.Fatalf("got %v, %v", own, err)
	}
	for name, c := range map[string]struct {
		asks func(*caddyntlm.Handler) bool
		want string
	}{
		"by name": {asksNamed("EXAMPLE"), "*.test inner.test web.test www.test"},
		"another": {asksNamed("OTHER"), "inner.test other.test"},
		"nobody":  {asksNamed("NONE"), ""},
		"its own": {asksOwn(own[0]), "own.test"},
	} {
		got, err := hostsOf([]byte(document), c.asks)
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%s: got %v, %v, want %s", name, got, err, c.want)
		}
	}
	if _, err := hostsOf([]byte(`{"apps":{"http":{"servers":{"a":{"routes":[{"match":[{"host":7}],"handle":[]}]}}}}}`), asksNamed("X")); err == nil {
		t.Error("a host that is no list: got no error")
	}
}
