package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
)

// sessionBody is a site with sessions that says whom it sees, by what, over what, and which
// cookies it was given.
const sessionBody = `
	windows_auth EXAMPLE {
		schemes negotiate ntlm basic
		session
	}
	respond "{http.auth.user.logon} {http.auth.user.scheme} {http.request.proto} [{http.request.header.Cookie}]"
`

// sessionSite is such a site, with another listener for the same host, one for another host,
// and its admin endpoint.
type sessionSite struct {
	*site
	twin, other, admin string // base URLs
	caddyfile          []byte
}

func startSessions(t *testing.T, words ...string) *sessionSite {
	t.Helper()
	dir := t.TempDir()
	cert, key := certificate(t, dir)
	admin := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	s := &sessionSite{
		twin: fmt.Sprintf("https://localhost:%d", freePort(t)), other: fmt.Sprintf("https://127.0.0.1:%d", freePort(t)),
		admin: "http://" + admin + "/windows_auth/sessions",
	}
	extra := ""
	for _, base := range []string{s.twin, s.other} {
		extra += base + " {\n\tbind 127.0.0.1\n\ttls " + cert + " " + key + "\n" + sessionBody + "}\n"
	}
	s.site, s.caddyfile = write(t, siteConfig{LDAP: kerberosWords(words...), Body: sessionBody, Extra: extra, Admin: admin})
	load(t, s.caddyfile)
	return s
}

// jar is a file of cookies as curl keeps it.
func jar(t *testing.T) string { return filepath.Join(t.TempDir(), "jar") }

// logInSession gets a session into a jar.
func (s *sessionSite) logInSession(t *testing.T, jar string, args ...string) answer {
	t.Helper()
	got := curl(t, append([]string{"-c", jar, "-b", jar, "-H", "Accept: text/html", s.HTTPS + "/"}, args...)...)
	if got.Status != 200 || !strings.Contains(strings.ToLower(got.Header), "set-cookie: __host-windows_auth=") {
		t.Fatalf("%v: got %d %s\n%s, reason %s", args, got.Status, got.Body, got.Header, s.reason(t))
	}
	return got
}

// tokenIn is the token in a jar.
func tokenIn(t *testing.T, jar string) string {
	t.Helper()
	text, err := os.ReadFile(jar)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 7 && fields[5] == "__Host-windows_auth" {
			return fields[6]
		}
	}
	t.Fatalf("no cookie in %s", text)
	return ""
}

// TestSessions: threats F-02, F-03 and F-13, features E4. One log-in, by whatever, and then
// the cookie alone, over each version of HTTP and on new connections; nothing else opens.
func TestSessions(t *testing.T) {
	s := startSessions(t)
	tickets := ticketsOf(t, "alice", "")
	for name, logIn := range map[string]func(jar string){
		"basic": func(jar string) { s.logInSession(t, jar, "--basic", "-u", "alice:Secr3t-alice") },
		"ntlm": func(jar string) {
			s.logInSession(t, jar, "--http1.1", "--ntlm", "-u", "alice:Secr3t-alice")
		},
		"negotiate": func(jar string) {
			status, body, trace := curlWith(t, tickets, "-c", jar, "-b", jar, "-H", "Accept: text/html", "--http2", s.HTTPS+"/")
			if status != 200 {
				t.Fatalf("got %d %s\n%s", status, body, trace)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			j := jar(t)
			logIn(j)
			for _, version := range []string{"--http1.1", "--http2"} {
				for _, base := range []string{s.HTTPS, s.twin} {
					got := curl(t, version, "-b", j, "-H", "Via: 1.1 proxy", base+"/")
					want := fmt.Sprintf(`EXAMPLE\alice %s HTTP/%s`, name, map[string]string{"--http1.1": "1.1", "--http2": "2.0"}[version])
					if got.Status != 200 || !strings.HasPrefix(got.Body, want+" []") {
						t.Errorf("%s %s: got %d %s, want %s; reason %s", version, base, got.Status, got.Body, want, s.reason(t))
					}
				}
			}
			s.byHTTP3(t, tokenIn(t, j), name)
			token := tokenIn(t, j)
			for what, args := range map[string][]string{
				"another host": {"-H", "Cookie: __Host-windows_auth=" + token, s.other + "/"},
				"changed":      {"-H", "Cookie: __Host-windows_auth=" + token[:42] + "_", s.HTTPS + "/"},
				"as a key":     {"-H", "Authorization: Bearer " + token, s.HTTPS + "/"},
				"in the query": {s.HTTPS + "/?__Host-windows_auth=" + token},
				"two of them":  {"-H", "Cookie: __Host-windows_auth=" + token + "; __Host-windows_auth=x", s.HTTPS + "/"},
				"plain HTTP":   {"-H", "Cookie: __Host-windows_auth=" + token, strings.Replace(s.HTTP, "127.0.0.1", "localhost", 1) + "/"},
			} {
				if got := curl(t, args...); got.Status != 401 || len(got.Challenges) == 0 {
					t.Errorf("%s: got %d %s", what, got.Status, got.Body)
				}
			}
			if got := curl(t, "-H", "Cookie: theme=dark; __Host-windows_auth="+token+"; x=1", s.HTTPS+"/"); !strings.HasSuffix(got.Body, "[theme=dark; x=1]") {
				t.Errorf("got %d %s at the application", got.Status, got.Body)
			}
		})
	}
	for line := range strings.Lines(s.logText(t)) {
		if strings.Contains(line, "__Host-windows_auth=") && !strings.Contains(line, "/?__Host-windows_auth=") { // an address, which stands in every log
			t.Errorf("the log holds a cookie: %s", line)
		}
	}
}

// byHTTP3 shows a cookie over HTTP/3, where no connection remembers anybody.
func (s *sessionSite) byHTTP3(t *testing.T, token, scheme string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", s.HTTPS+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Cookie", "__Host-windows_auth="+token)
	response, err := speaks(t, 3).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body := make([]byte, 200)
	n, _ := response.Body.Read(body)
	if want := `EXAMPLE\alice ` + scheme + " HTTP/3.0 []"; string(body[:n]) != want {
		t.Errorf("got %d %s, want %s", response.StatusCode, body[:n], want)
	}
}

// TestSessionOfDisabled: whoever is disabled is out within the ttl of the cache, and the
// session is over though the account comes back.
func TestSessionOfDisabled(t *testing.T) {
	const ttl = 2 * time.Second
	s := startSessions(t, "cache {\nttl 2s\n}")
	newUser(t, "leaver", "Secr3t-leaver")
	do(t, "replicating", domain.Replicate)
	j := jar(t)
	s.logInSession(t, j, "--basic", "-u", "leaver:Secr3t-leaver")
	time.Sleep(ttl)
	if got := curl(t, "-b", j, s.HTTPS+"/"); got.Status != 200 {
		t.Fatalf("after the ttl: got %d, reason %s", got.Status, s.reason(t))
	}
	samba(t, "user", "disable", "leaver")
	do(t, "replicating", domain.Replicate)
	disabled := time.Now()
	got := curl(t, "-b", j, s.HTTPS+"/")
	for ; got.Status == 200; got = curl(t, "-b", j, s.HTTPS+"/") {
		if time.Since(disabled) > ttl+3*time.Second {
			t.Fatalf("still in %v after the account was disabled", time.Since(disabled))
		}
		time.Sleep(100 * time.Millisecond)
	}
	if reason := s.reason(t); got.Status != 401 || reason != "disabled" {
		t.Errorf("got %d, reason %s, want 401 and disabled", got.Status, reason)
	}
	samba(t, "user", "enable", "leaver")
	do(t, "replicating", domain.Replicate)
	if got := curl(t, "-b", j, s.HTTPS+"/"); got.Status != 401 {
		t.Errorf("the session of an account that came back: got %d, want 401", got.Status)
	}
}

// TestSessionsByAdmin: they are listed and ended on Caddy's admin endpoint, outlast a reload,
// and connections forget whose sessions were ended.
func TestSessionsByAdmin(t *testing.T) {
	s := startSessions(t)
	ofAlice, ofBob := jar(t), jar(t)
	s.logInSession(t, ofAlice, "--basic", "-u", "alice:Secr3t-alice")
	s.logInSession(t, ofBob, "--basic", "-u", "bob:Secr3t-bob")
	load(t, s.caddyfile)
	for _, j := range []string{ofAlice, ofBob} {
		if got := curl(t, "-b", j, s.HTTPS+"/"); got.Status != 200 {
			t.Errorf("after a reload: got %d, want 200", got.Status)
		}
	}
	list := func(query string) (shown []map[string]string) {
		t.Helper()
		got := curl(t, s.admin+query)
		if err := json.Unmarshal([]byte(got.Body), &shown); got.Status != 200 || err != nil {
			t.Fatalf("%s: got %d %s, %v", query, got.Status, got.Body, err)
		}
		if strings.Contains(got.Body, tokenIn(t, ofAlice)) || strings.Contains(got.Body, tokenIn(t, ofBob)) {
			t.Error("the list holds a token")
		}
		return shown
	}
	if got := list(""); len(got) < 2 {
		t.Errorf("got %v", got)
	}
	if got := list("?user=EXAMPLE%5CALICE"); len(got) != 1 || got[0]["user"] != `EXAMPLE\alice` || got[0]["directory"] != "EXAMPLE" || got[0]["scheme"] != "basic" || got[0]["host"] != "localhost" {
		t.Errorf("got %v", got)
	}
	live := dial(t, s.HTTP)
	if got := live.logIn(t, "alice"); got != 200 {
		t.Fatalf("got %d", got)
	}
	if got := curl(t, "-X", "DELETE", s.admin+"?user=alice"); got.Status != 200 || !strings.Contains(got.Body, `"ended":1`) {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
	if got := curl(t, "-b", ofAlice, s.HTTPS+"/"); got.Status != 401 {
		t.Errorf("ended: got %d, want 401", got.Status)
	}
	if got := live.get(t, "/"); got != 401 {
		t.Errorf("her connection: got %d, want 401", got)
	}
	if got := curl(t, "-b", ofBob, s.HTTPS+"/"); got.Status != 200 {
		t.Errorf("another's: got %d, want 200", got.Status)
	}
	handle := list("?user=bob")[0]["session"]
	if got := curl(t, "-b", "__Host-windows_auth="+handle, s.HTTPS+"/"); got.Status != 401 {
		t.Errorf("the handle as a cookie: got %d, want 401", got.Status)
	}
	if got := curl(t, "-X", "DELETE", s.admin+"?session="+handle); got.Status != 200 {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
	if got := curl(t, "-X", "DELETE", s.admin+"?session="+handle); got.Status != 404 {
		t.Errorf("once more: got %d, want 404", got.Status)
	}
	if got := curl(t, "-b", ofBob, s.HTTPS+"/"); got.Status != 401 {
		t.Errorf("ended: got %d, want 401", got.Status)
	}
}

// TestProgramsGetNoCookie: curl as it comes asks for no page.
func TestProgramsGetNoCookie(t *testing.T) {
	s := startSessions(t)
	for _, args := range [][]string{{"--basic"}, {"--http1.1", "--ntlm"}} {
		got := curl(t, append(args, "-u", "alice:"+lab.Account("alice").Password, s.HTTPS+"/")...)
		if got.Status != 200 || strings.Contains(strings.ToLower(got.Header), "set-cookie") {
			t.Errorf("%v: got %d\n%s", args, got.Status, got.Header)
		}
	}
}

// TestChromiumKeepsItsSession: a real browser logs in once by ticket; what its page fetches
// at once, and what it asks of the other listener, comes by the cookie.
func TestChromiumKeepsItsSession(t *testing.T) {
	s := startSessions(t)
	ctx := ticketBrowser(t, ticketsOf(t, "alice", ""))
	if status, text := visit(t, ctx, s.HTTPS+"/"); status != 200 || !isAliceByTicket(text) {
		t.Fatalf("got %d %s, reason %s", status, text, s.reason(t))
	}
	texts, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](`(async () => {
		const one = () => fetch("/x").then(r => r.text());
		return await Promise.all([one(), one(), one(), one(), one(), one()]);
	})()`, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range texts {
		if !isAliceByTicket(text) {
			t.Errorf("a fetch: got %s", text)
		}
	}
	if status, text := visit(t, ctx, s.twin+"/"); status != 200 || !isAliceByTicket(text) {
		t.Errorf("the other listener: got %d %s", status, text)
	}
	logIns := 0
	for _, e := range s.decisions(t) {
		if e.text("event") == "allow" && e.text("level") == "info" {
			logIns++
		}
	}
	if logIns != 1 {
		t.Errorf("got %d log-ins, want 1", logIns)
	}
	if seen, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.cookie`)); err != nil || seen != "" {
		t.Errorf("a script sees %q, %v", seen, err)
	}
}

// isAliceByTicket says of a page that it is hers, whatever version of HTTP brought it, and
// that its application was given no cookie.
func isAliceByTicket(text string) bool {
	return strings.HasPrefix(text, `EXAMPLE\alice negotiate HTTP/`) && strings.HasSuffix(text, " []")
}

// TestSessionBehindAJar: Go's own client keeps the cookie as it should.
func TestSessionBehindAJar(t *testing.T) {
	s := startSessions(t)
	cookies, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := speaks(t, 2)
	client.Jar = cookies
	at, err := url.Parse(s.HTTPS + "/")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		r, err := http.NewRequestWithContext(t.Context(), "GET", at.String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "text/html")
		if i == 0 {
			r.SetBasicAuth("bob", "Secr3t-bob")
		}
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != 200 || len(cookies.Cookies(at)) != 1 {
			t.Errorf("request %d: got %d, %v", i, response.StatusCode, cookies.Cookies(at))
		}
	}
}
