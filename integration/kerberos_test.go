package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
)

// ticketsOf has MIT's kinit get somebody's tickets by their password, and gives
// the environment that has them. enctype is one alone, or "" for what the domain
// gives.
func ticketsOf(t *testing.T, sam, enctype string) []string {
	t.Helper()
	dir := t.TempDir()
	conf := domain.KRB5Config()
	if enctype != "" {
		text, err := os.ReadFile(conf)
		if err != nil {
			t.Fatal(err)
		}
		conf = filepath.Join(dir, "krb5.conf")
		narrow := strings.Replace(string(text), "[libdefaults]", "[libdefaults]\n\tdefault_tgs_enctypes = "+enctype+"\n\tdefault_tkt_enctypes = "+enctype+"\n\tpermitted_enctypes = "+enctype+"\n\tallow_weak_crypto = true", 1)
		if err := os.WriteFile(conf, []byte(narrow), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := append(os.Environ(), "KRB5_CONFIG="+conf, "KRB5CCNAME=FILE:"+filepath.Join(dir, "cache"))
	kinit := exec.Command("kinit", sam+"@"+domain.Realm)
	kinit.Env, kinit.Stdin = env, strings.NewReader(lab.Account(sam).Password+"\n")
	if out, err := kinit.CombinedOutput(); err != nil {
		t.Fatalf("kinit: %v\n%s", err, out)
	}
	return env
}

// curlWith is curl with tickets. It gives what curl says on the way, too.
func curlWith(t *testing.T, env []string, args ...string) (status int, body, trace string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "body")
	c := exec.Command("curl", append([]string{"-sv", "-k", "--max-time", "20", "--negotiate", "-u", ":", "-o", path, "-w", "%{http_code}"}, args...)...)
	c.Env = env
	var said strings.Builder
	c.Stderr = &said
	out, err := c.Output()
	if err != nil {
		t.Fatalf("curl %v: %v\n%s", args, err, said.String())
	}
	status, _ = strconv.Atoi(string(out))
	return status, read(t, path), said.String()
}

// kerberosWords are a directory's words for tickets and for looking people up.
func kerberosWords(more ...string) string {
	return strings.Join(append([]string{"verify keytab " + domain.HTTPKeytab(), "verify relay", "verify bind", `service_account EXAMPLE\svc-web ` + lab.Account("svc-web").Password}, more...), "\n")
}

// TestCurlGetsInByTicket: over HTTP and HTTPS, HTTP/1.1 and HTTP/2, with AES of
// both lengths: who it is says the domain, and the server proves itself.
func TestCurlGetsInByTicket(t *testing.T) {
	s := start(t, siteConfig{LDAP: kerberosWords(), Body: whoami})
	for _, enctype := range []string{"", "aes256-cts-hmac-sha1-96", "aes128-cts-hmac-sha1-96"} {
		env := ticketsOf(t, "alice", enctype)
		want := who(t, "alice", "negotiate", "keytab")
		for name, args := range map[string][]string{
			"HTTP": {strings.Replace(s.HTTP, "127.0.0.1", "localhost", 1) + "/"}, "HTTPS, HTTP/1.1": {"--http1.1", s.HTTPS + "/"}, "HTTPS, HTTP/2": {"--http2", s.HTTPS + "/"},
		} {
			t.Run(fmt.Sprint(enctype, " ", name), func(t *testing.T) {
				status, body, trace := curlWith(t, env, args...)
				if status != 200 || body != want {
					t.Errorf("got %d %s, reason %s, want %s", status, body, s.reason(t), want)
				}
				if !strings.Contains(strings.ToLower(trace), "< www-authenticate: negotiate oyg") { // a NegTokenResp
					t.Errorf("no answer that proves the server\n%s", trace)
				}
			})
		}
	}
}

// TestChromiumGetsInByTicket: the page is there without a prompt, over HTTP and over
// HTTPS with HTTP/2, and so is what the page fetches.
func TestChromiumGetsInByTicket(t *testing.T) {
	s := start(t, siteConfig{LDAP: kerberosWords(), Body: whoami})
	env := ticketsOf(t, "alice", "")
	for _, base := range []string{strings.Replace(s.HTTP, "127.0.0.1", "localhost", 1), s.HTTPS} {
		t.Run(base[:5], func(t *testing.T) {
			ctx := ticketBrowser(t, env)
			want := who(t, "alice", "negotiate", "keytab")
			for range 2 {
				if status, text := visit(t, ctx, base+"/"); status != 200 || text != want {
					t.Fatalf("got %d %s, want %s; reason %s", status, text, want, s.reason(t))
				}
			}
			got, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](`(async () => {
				const one = () => fetch("/x").then(r => r.text());
				return await Promise.all([one(), one(), one(), one(), one(), one(), one(), one()]);
			})()`, chromedp.EvalAwaitPromise))
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range got {
				if text != want {
					t.Errorf("a fetch: got %s, want %s", text, want)
				}
			}
		})
	}
}

// TestTicketsAndPasswordsAgree: for every account of the lab that can log in,
// nested, primary and domain-local groups, and 300 of them.
func TestTicketsAndPasswordsAgree(t *testing.T) {
	s := start(t, siteConfig{
		LDAP: kerberosWords(), Body: "\twindows_auth EXAMPLE {\n\t\tinsecure_basic\n\t}\n\trespond \"{http.auth.user.id}|{http.auth.user.sid}|{http.auth.user.dn}|{http.auth.user.upn}|{http.auth.user.groups}\"\n",
	})
	url := strings.Replace(s.HTTP, "127.0.0.1", "localhost", 1) + "/"
	for _, sam := range []string{"alice", "bob", "carol", "dave", "eve", "müller", "frank", "many", "upnsam"} {
		t.Run(sam, func(t *testing.T) {
			status, byTicket, _ := curlWith(t, ticketsOf(t, sam, ""), url)
			byPassword := curl(t, "--basic", "-u", sam+":"+lab.Account(sam).Password, url)
			if status != 200 || byPassword.Status != 200 || byTicket != byPassword.Body {
				t.Errorf("by ticket %d\n%s\nby password %d\n%s", status, byTicket, byPassword.Status, byPassword.Body)
			}
		})
	}
}

// TestPACAndLDAPAgree: what the certificate in a ticket says, with no service account
// and no question to any directory, and what the directory says, for every user and
// group of the lab.
func TestPACAndLDAPAgree(t *testing.T) {
	groups := []string{"Web Users", "Nest A", "Nest B", "Nest C", "Cycle X", "Local Team", "Primary Team", "Sales_ EMEA (West)", "Führung", "Mail List", "Domain Users", "HR", "bulk-001", "bulk-300"}
	byName, bySID := "\twindows_auth EXAMPLE\n", "\twindows_auth TICKETS\n"
	for i, g := range groups {
		sid, err := domain.SID(g)
		if err != nil {
			t.Fatal(err)
		}
		byName += fmt.Sprintf("\thandle /%d {\n\t\trequire group %q\n\t\trespond in\n\t}\n", i, g)
		bySID += fmt.Sprintf("\thandle /%d {\n\t\trequire sid %s\n\t\trespond in\n\t}\n", i, sid)
	}
	bySID += "\thandle /name {\n\t\trequire group \"Domain Users\"\n\t\trespond in\n\t}\n\thandle /none {\n\t\trequire all {\n\t\t\tvalid-user\n\t\t\tnone {\n\t\t\t\tgroup HR\n\t\t\t}\n\t\t}\n\t\trespond in\n\t}\n" +
		"\trespond \"{http.auth.user.id}|{http.auth.user.logon}|{http.auth.user.scheme}|{http.auth.user.verifier}|{http.auth.user.sid}|{http.auth.user.upn}\"\n"
	address := fmt.Sprintf("localhost:%d", freePort(t))
	s := start(t, siteConfig{
		LDAP: kerberosWords(), Body: byName,
		Global: fmt.Sprintf("\tldap TICKETS {\n\t\tserver ldaps://127.0.0.1:9\n\t\tdomain EXAMPLE\n\t\tdns_domain %s\n\t\tverify keytab %s\n\t}\n", domain.DNSDomain, domain.HTTPKeytab()),
		Extra:  fmt.Sprintf("http://%s {\n\tbind 127.0.0.1\n%s}\n", address, bySID),
	})
	ldap, pac := strings.Replace(s.HTTP, "127.0.0.1", "localhost", 1), "http://"+address
	for _, sam := range []string{"alice", "bob", "carol", "dave", "eve", "müller", "many"} {
		t.Run(sam, func(t *testing.T) {
			env := ticketsOf(t, sam, "")
			in := 0
			for i, g := range groups {
				path := fmt.Sprintf("/%d", i)
				want, _, _ := curlWith(t, env, ldap+path)
				got, _, _ := curlWith(t, env, pac+path)
				if got != want || got != 200 && got != 403 {
					t.Errorf("%s: by the ticket %d, by the directory %d; reason %s", g, got, want, s.reason(t))
				}
				if got == 200 {
					in++
				}
			}
			if in < 1 {
				t.Error("in no group at all")
			}
			sid, err := domain.SID(sam)
			if err != nil {
				t.Fatal(err)
			}
			upn := lab.Account(sam).UPN
			if upn == "" {
				upn = sam + "@" + domain.DNSDomain
			}
			want := strings.Join([]string{sam, `EXAMPLE\` + sam, "negotiate", "keytab", sid, upn}, "|")
			if status, body, _ := curlWith(t, env, pac+"/"); status != 200 || body != want {
				t.Errorf("got %d %s, want %s", status, body, want)
			}
			for _, path := range []string{"/name", "/none"} { // nobody knows what the SIDs are called
				if status, _, _ := curlWith(t, env, pac+path); status != 403 {
					t.Errorf("%s: got %d, want 403", path, status)
				}
			}
		})
	}
}
