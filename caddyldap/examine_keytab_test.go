package caddyldap

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/krb"
	"github.com/caddy-ntlm/caddy-ntlm/internal/krbforge"
)

// aKey is a key of a table that nothing is opened with.
func aKey(name string, version uint32, etype int32) *krb.Key {
	return &krb.Key{Realm: "EXAMPLE.TEST", Name: strings.Split(name, "/"), Version: version, Etype: etype}
}

// TestCompareKeytab: what an account and a keytab must have in common, and the
// level of each difference.
func TestCompareKeytab(t *testing.T) {
	const spn = "HTTP/web.example.test"
	account := func(change func(*holder)) holder {
		h := holder{dn: "CN=svc-web", sam: "svc-web", names: []string{spn, "HTTP/other.example.test", "svc-web", "HTTP/upn"}, version: 3, etypes: 24}
		if change != nil {
			change(&h)
		}
		return h
	}
	aes := []*krb.Key{aKey(spn, 3, krb.AES256), aKey(spn, 3, krb.AES128)}
	for name, c := range map[string]struct {
		holder holder
		keys   []*krb.Key
		rc4    bool
		want   Level
		text   string
	}{
		"well":                    {account(nil), aes, false, Well, "version 3, tickets of aes256-cts-hmac-sha1-96"},
		"older keys too":          {account(nil), append([]*krb.Key{aKey(spn, 2, krb.AES256)}, aes...), false, Well, "version 3"},
		"under its log-in name":   {account(nil), []*krb.Key{aKey("SVC-WEB", 3, krb.AES256)}, false, Well, ""},
		"under its UPN":           {account(nil), []*krb.Key{aKey("HTTP/upn", 3, krb.AES256)}, false, Well, ""},
		"under another SPN of it": {account(nil), []*krb.Key{aKey("http/OTHER.example.test", 3, krb.AES256)}, false, Well, ""},
		"of eight bits":           {account(func(h *holder) { h.version = 259 }), aes, false, Well, ""},
		"older":                   {account(func(h *holder) { h.version = 4 }), aes, false, Faulty, "whose newest key has version 3 and the account's 4"},
		"newer":                   {account(func(h *holder) { h.version = 2 }), aes, false, Notable, "newest key has version 3, and the account's has 2"},
		"version unseen":          {account(func(h *holder) { h.version = 0 }), aes, false, Unclear, "is not to be seen"},
		"another's":               {account(nil), []*krb.Key{aKey("HTTP/elsewhere", 3, krb.AES256)}, false, Faulty, "no key under a name of this account"},
		"disabled":                {account(func(h *holder) { h.disabled = true }), aes, false, Faulty, "the account is disabled"},
		"no AES":                  {account(func(h *holder) { h.etypes = 4 }), aes, false, Faulty, "no AES"},
		"no AES, allowed":         {account(func(h *holder) { h.etypes = 4 }), []*krb.Key{aKey(spn, 3, krb.RC4)}, true, Notable, "tickets are of RC4"},
		"no AES, and no RC4":      {account(func(h *holder) { h.etypes = 4 }), aes, true, Faulty, "tickets will be of rc4-hmac"},
		"no AES256 in the file":   {account(nil), []*krb.Key{aKey(spn, 3, krb.AES128)}, false, Faulty, "tickets will be of aes256-cts-hmac-sha1-96"},
		"an old AES256":           {account(nil), []*krb.Key{aKey(spn, 2, krb.AES256), aKey(spn, 3, krb.AES128)}, false, Faulty, "no key of that with version 3"},
		"AES128 alone":            {account(func(h *holder) { h.etypes = 8 }), []*krb.Key{aKey(spn, 3, krb.AES128)}, false, Well, "tickets of aes128"},
		"no enctypes said":        {account(func(h *holder) { h.etypes = 0 }), aes, false, Notable, "does not say which enctypes"},
		"none said, RC4 alone":    {account(func(h *holder) { h.etypes = 0 }), []*krb.Key{aKey(spn, 3, krb.RC4)}, false, Faulty, "no AES key"},
	} {
		k := &Keytab{File: "/etc/caddy/http.keytab", AllowRC4: c.rc4}
		got := k.compare(&c.holder, &krb.Keytab{Keys: c.keys}, spn)
		if len(got) != 1 || got[0].Level != c.want || !strings.Contains(got[0].Text, c.text) || (got[0].Hint == "") != (c.want == Well) {
			t.Errorf("%s: got %+v, want level %d, %q", name, got, c.want, c.text)
		}
	}
}

// TestAskedNames: which names are looked for, and which a site can do without.
func TestAskedNames(t *testing.T) {
	table := &krb.Keytab{Keys: []*krb.Key{aKey("svc-web", 1, krb.AES256), aKey("HTTP/web.test", 1, krb.AES256), aKey("http/WEB.test", 1, krb.AES128), aKey("host/web.test", 1, krb.AES256)}}
	bare := &krb.Keytab{Keys: table.Keys[:1]}
	for name, c := range map[string]struct {
		spn            []string
		table          *krb.Keytab
		hosts          []string
		names, lenient string
	}{
		"of the file":          {nil, table, nil, "HTTP/web.test", ""},
		"and the site":         {nil, table, []string{"web.test", "www.test"}, "HTTP/web.test HTTP/www.test", "HTTP/www.test"},
		"another site":         {nil, table, []string{"www.test"}, "HTTP/web.test HTTP/www.test", ""},
		"of the site alone":    {nil, bare, []string{"www.test"}, "HTTP/www.test", ""},
		"as written down":      {[]string{"HTTP/a.test"}, table, []string{"www.test"}, "HTTP/a.test", ""},
		"addresses, patterns":  {nil, bare, []string{"127.0.0.1", "[::1]", "*.test", "{env.HOST}"}, "", ""},
		"nothing says a name":  {nil, bare, nil, "", ""},
		"as the site is named": {nil, table, []string{"WEB.test"}, "HTTP/web.test", ""},
	} {
		names, spare := (&Keytab{SPN: c.spn}).asked(c.table, c.hosts)
		if strings.Join(names, " ") != c.names || strings.Join(spare, " ") != c.lenient {
			t.Errorf("%s: got %v, lenient %v, want %s, lenient %s", name, names, spare, c.names, c.lenient)
		}
	}
}

// TestAlias: a host of a site is looked up, and where it leads to is the name that
// browsers ask for.
func TestAlias(t *testing.T) {
	for name, c := range map[string]struct {
		host, canonical string
		err             error
		want            Level
		text            string
	}{
		"its own name": {"web.test", "web.test.", nil, Well, "no alias"},
		"capitals":     {"Web.test", "web.test.", nil, Well, "no alias"},
		"an alias":     {"www.test", "web.test.", nil, Notable, "ask for a ticket for HTTP/web.test"},
		"not there":    {"web.test", "", &net.DNSError{IsNotFound: true}, Unclear, "has no address"},
		"no DNS":       {"web.test", "", errors.New("server misbehaving"), Unclear, "server misbehaving"},
		"an address":   {"192.0.2.1", "", errors.New("must not be asked"), Notable, "has no ticket"},
	} {
		var got []Observation
		x := &examination{
			directory: new(Directory), tell: func(o Observation) { got = append(got, o) },
			canonical: func(context.Context, string) (string, error) { return c.canonical, c.err },
		}
		x.alias(t.Context(), c.host)
		if len(got) != 1 || got[0].Level != c.want || !strings.Contains(got[0].Text, c.text) {
			t.Errorf("%s: got %+v, want level %d, %q", name, got, c.want, c.text)
		}
	}
}

// writtenKeytab writes a keytab of one name with a key of AES256, and a mode.
func writtenKeytab(t *testing.T, name string, mode os.FileMode) string {
	t.Helper()
	raw := krbforge.Keytab("EXAMPLE.TEST", name, 1, krbforge.Key(krb.AES256, 0x11))
	path := filepath.Join(t.TempDir(), "http.keytab")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestExamineKeytab: the file and the clock are judged by what tickets need; the
// demo's directory has no service's name.
func TestExamineKeytab(t *testing.T) {
	for name, c := range map[string]struct {
		mode  os.FileMode
		words string
		later time.Duration
		want  []string
	}{
		"nobody has the name": {0o600, "", 0, []string{"fault spn: no account of example.test has HTTP/web.example.test", "setspn -S HTTP/web.example.test ACCOUNT", "fault kerberos: verify keytab, will not work", "well keytab: ", "HTTP/web.example.test@EXAMPLE.TEST (version 1 aes256-cts-hmac-sha1-96)"}},
		"everybody's file":    {0o604, "", 0, []string{"note keytab: ", "mode 0604"}},
		"its group's file":    {0o640, "", 0, []string{"well keytab: "}},
		"the clock":           {0o600, "", 6 * time.Minute, []string{"fault clock: the server's clock is -6m"}},
		"RC4":                 {0o600, `,"allow_rc4":true`, 0, []string{"note keytab: allow_rc4"}},
	} {
		t.Run(name, func(t *testing.T) {
			configured := demoDirectory(startDemo(t, nil))
			file, _ := json.Marshal(writtenKeytab(t, "HTTP/web.example.test", c.mode))
			configured.VerifyRaw = []json.RawMessage{json.RawMessage(`{"verifier":"keytab","file":` + string(file) + c.words + `}`)}
			d, _ := open(t, configured, "EXAMPLE")
			d.now = func() time.Time { return time.Now().Add(c.later) }
			got := examined(t, d)
			for _, want := range c.want {
				if !strings.Contains(got, want) {
					t.Errorf("got\n%s\nwant %q in it", got, want)
				}
			}
			if strings.Contains(got, "mode ") != (c.mode == 0o604) {
				t.Errorf("got\n%s\nwant a word about mode %04o only where everybody may read", got, c.mode)
			}
		})
	}
}

// TestTicketRealms: those of the words, else of the file, else none.
func TestTicketRealms(t *testing.T) {
	k := &Keytab{File: writtenKeytab(t, "HTTP/web.example.test", 0o600)}
	d := &Directory{verifiers: []Verifier{k}, now: time.Now}
	k.directory = d
	if got := d.TicketRealms(); len(got) != 1 || got[0] != "EXAMPLE.TEST" {
		t.Errorf("got %v, want the keytab's", got)
	}
	k.Realms = []string{"A.TEST", "B.TEST"}
	if got := d.TicketRealms(); len(got) != 2 {
		t.Errorf("got %v, want the configured ones", got)
	}
	if got := new(Directory).TicketRealms(); got != nil {
		t.Errorf("without a keytab: got %v, want none", got)
	}
}
