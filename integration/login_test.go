package integration

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/chromedp"
)

// loginSite has a page that browsers may keep and one that they may not.
const loginSite = `
	windows_auth EXAMPLE {
		session
		login%s
		require user alice anna bob
	}
	header Content-Type text/html
	header /kept Cache-Control "private, max-age=600"
	header /private Cache-Control no-store
	respond "<p>{http.auth.user.id}|{http.auth.user.scheme} {http.request.orig_uri}</p>"
`

// loginBrowser is a headless Chromium that counts the prompts which its user would see,
// and cancels them.
func loginBrowser(t *testing.T, env []string) (context.Context, *atomic.Int32) {
	t.Helper()
	ctx := ticketBrowser(t, env)
	asked, err := watchPrompts(ctx, func(int32) *fetch.AuthChallengeResponse { return nil })
	if err != nil {
		t.Fatalf("starting Chromium: %v", err)
	}
	return ctx, asked
}

// page is what a browser shows.
type page struct{ Heading, Reason, Text, Path, Focus string }

const readPage = `({
	Heading: document.querySelector("h1")?.innerText ?? "",
	Reason: document.querySelector("[role=alert]")?.innerText ?? "",
	Text: document.body ? document.body.innerText.trim() : "",
	Path: location.pathname + location.search,
	Focus: document.activeElement?.id ?? "",
})`

// shownPage is what is shown now; a form is, once one of its fields has the focus.
func shownPage(t *testing.T, ctx context.Context) page {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		p, err := chromedp.Run(ctx, chromedp.Evaluate[page](readPage))
		if err != nil {
			t.Fatal(err)
		}
		if p.Heading != "Sign in" || p.Focus != "" || time.Now().After(deadline) {
			return p
		}
	}
}

// fillIn types a name and a password as a user does, by keyboard alone, and sends them.
func fillIn(t *testing.T, ctx context.Context, name, password string) int64 {
	t.Helper()
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.getElementById("name").value = ""`)); err != nil {
		t.Fatal(err)
	}
	response, err := chromedp.RunResponse(ctx,
		chromedp.SendKeys(chromedp.ID("name"), name),
		chromedp.SendKeys(chromedp.ID("password"), password+"\r"),
	)
	if err != nil {
		t.Fatalf("sending the form: %v", err)
	}
	return int64(response.Status)
}

func press(t *testing.T, ctx context.Context) int64 {
	t.Helper()
	response, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS("button")))
	if err != nil {
		t.Fatalf("pressing the button: %v", err)
	}
	return int64(response.Status)
}

// TestChromiumWithATicketSeesNoPage: silent Kerberos comes first.
func TestChromiumWithATicketSeesNoPage(t *testing.T) {
	s := start(t, siteConfig{LDAP: kerberosWords(), Body: fmt.Sprintf(loginSite, "")})
	ctx, asked := loginBrowser(t, ticketsOf(t, "alice", ""))
	status, text := visit(t, ctx, s.HTTPS+"/start")
	if status != 200 || text != "alice|negotiate /start" || asked.Load() != 0 {
		t.Errorf("got %d %q and %d prompts, want alice by ticket and none; reason %s", status, text, asked.Load(), s.reason(t))
	}
}

// TestChromiumLogsInByThePage: without a ticket the page comes and no prompt, and what
// its user may know of what is wrong.
func TestChromiumLogsInByThePage(t *testing.T) {
	s := start(t, siteConfig{LDAP: kerberosWords(), Body: fmt.Sprintf(loginSite, "")})
	ctx, asked := loginBrowser(t, []string{"KRB5CCNAME=/nonexistent", "KRB5_CONFIG=" + domain.KRB5Config()})
	status, _ := visit(t, ctx, s.HTTPS+"/start?x=1")
	if got := shownPage(t, ctx); status != 401 || got.Heading != "Sign in" || got.Reason != "" || got.Path != "/start?x=1" || got.Focus != "name" {
		t.Fatalf("got %d %+v, want 401 and the page at its address", status, got)
	}
	for _, c := range []struct {
		name, password string
		status         int64
		reason, log    string
	}{
		{"bob", "wrong", 401, "Check the user name and the password.", "bad_credentials"},
		{"nobody-here", "wrong", 401, "Check the user name and the password.", "bad_credentials"},
		{"pwexpired", "Secr3t-pwexpired", 401, "Your password has expired.", "password_expired"},
		{"pwexpired", "wrong", 401, "Check the user name and the password.", "bad_credentials"},
		{"mustchange", "Secr3t-mustchange", 401, "Your password must be changed first.", "must_change"},
		{"disabled", "Secr3t-disabled", 401, "Your account is disabled.", "disabled"},
		{"disabled", "wrong", 401, "Check the user name and the password.", "bad_credentials"},
	} {
		status := fillIn(t, ctx, c.name, c.password)
		got := shownPage(t, ctx)
		if status != c.status || got.Heading != "Sign in" || !strings.HasPrefix(got.Reason, c.reason) || s.reason(t) != c.log || got.Focus != "password" {
			t.Errorf("%s: got %d %+v, reason %s, want %d %s, reason %s", c.name, status, got, s.reason(t), c.status, c.reason, c.log)
		}
	}
	if status := fillIn(t, ctx, `EXAMPLE\alice`, "Secr3t-alice"); status != 200 {
		t.Errorf("got %d, want 200", status)
	}
	if got := shownPage(t, ctx); got.Text != "alice|form /start?x=1" || got.Path != "/start?x=1" {
		t.Errorf("got %+v, want the page that was asked for", got)
	}
	if asked.Load() != 0 {
		t.Errorf("got %d prompts, want none", asked.Load())
	}
	for _, name := range []string{"bob", "pwexpired", "disabled"} {
		if err := domain.Unlock(name); err != nil {
			t.Error(err)
		}
	}
}

// TestChromiumLogsOut: two tabs, the log-out, and what the back button shows then.
func TestChromiumLogsOut(t *testing.T) {
	s := start(t, siteConfig{Body: fmt.Sprintf(loginSite, "")})
	first, asked := loginBrowser(t, nil)
	if status, _ := visit(t, first, s.HTTPS+"/private"); status != 401 {
		t.Fatalf("got %d, want 401", status)
	}
	second, stop := chromedp.NewContext(first)
	t.Cleanup(stop)
	if status, _ := visit(t, second, s.HTTPS+"/kept"); status != 401 {
		t.Fatalf("got %d in the second tab, want 401", status)
	}
	// Both pages are open; each form works.
	if status := fillIn(t, second, "alice", "Secr3t-alice"); status != 200 {
		t.Errorf("got %d, want 200", status)
	}
	if status := fillIn(t, first, "alice", "Secr3t-alice"); status != 200 {
		t.Errorf("got %d for the form that was open before, want 200", status)
	}
	if got := shownPage(t, second); got.Text != "alice|form /kept" {
		t.Errorf("got %+v in the second tab", got)
	}
	if status, text := visit(t, second, s.HTTPS+"/private?again"); status != 200 || text != "alice|form /private?again" {
		t.Errorf("got %d %s in the second tab", status, text)
	}
	if status, _ := visit(t, first, s.HTTPS+"/kept"); status != 200 {
		t.Errorf("got %d, want 200", status)
	}
	if status, _ := visit(t, first, s.HTTPS+"/.auth/logout"); status != 200 || shownPage(t, first).Heading != "Sign out" {
		t.Errorf("got %d %+v, want the button", status, shownPage(t, first))
	}
	if status := press(t, first); status != 200 || shownPage(t, first).Heading != "You are signed out" {
		t.Errorf("got %d %+v, want to be signed out", status, shownPage(t, first))
	}
	for i := range 3 { // the button's page, /kept, /private
		if err := chromedp.Do(first, chromedp.NavigateBack()); err != nil {
			t.Fatal(err)
		}
		if got := shownPage(t, first); strings.Contains(got.Text, "alice|") {
			t.Errorf("going back %d pages shows %+v", i+1, got)
		}
	}
	if status, _ := visit(t, second, s.HTTPS+"/private"); status != 401 {
		t.Errorf("got %d in the second tab, want 401", status)
	}
	if asked.Load() != 0 {
		t.Errorf("got %d prompts, want none", asked.Load())
	}
}

var fieldsOfForm = regexp.MustCompile(`<input type="hidden" name="(token)" value="([^"]*)">`)

// formClient is an HTTP client with the log-in page's cookie, and a token for its form.
func formClient(t *testing.T, s *site) (client *http.Client, token string) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client = &http.Client{
		Jar: jar, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(client.CloseIdleConnections)
	response, err := client.Get(s.HTTPS + "/.auth/login")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	found := fieldsOfForm.FindSubmatch(body)
	if err != nil || found == nil {
		t.Fatalf("got %v and no form: %s", err, body)
	}
	return client, string(found[2])
}

// TestChromiumStaysOnTheSite: hostile targets, sent with a right password, lead a browser
// nowhere but to this site.
func TestChromiumStaysOnTheSite(t *testing.T) {
	text, err := os.ReadFile("../internal/loginpage/testdata/hostile.txt")
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, siteConfig{Body: fmt.Sprintf(loginSite, " {\n\t\t\tredirect /start\n\t\t}")})
	client, token := formClient(t, s)
	var locations []string
	for line := range strings.Lines(string(text)) {
		next, err := strconv.Unquote(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		form := url.Values{"name": {"alice"}, "password": {"Secr3t-alice"}, "next": {next}, "token": {token}}
		response, err := client.PostForm(s.HTTPS+"/.auth/login", form)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		location := response.Header.Get("Location")
		switch {
		case response.StatusCode == 400 && strings.ContainsRune(strconv.QuoteToASCII(next), '\\'): // no UTF-8: no form at all
		case response.StatusCode != 303 || location != "/start":
			t.Errorf("%q: got %d %q, want 303 to /start", next, response.StatusCode, location)
		default:
			locations = append(locations, location)
		}
	}
	if len(locations) < 120 {
		t.Errorf("got %d answers, want 120", len(locations))
	}
	good := []string{"/a/b?x=//evil.example.com#//c", "/a//b", "/b%C3%BCcher?q=%5C", "/@evil.example.com", "/:80/", "/a;v=1/%20b"}
	for _, next := range good {
		form := url.Values{"name": {"alice"}, "password": {"Secr3t-alice"}, "next": {next}, "token": {token}}
		response, err := client.PostForm(s.HTTPS+"/.auth/login", form)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		locations = append(locations, response.Header.Get("Location"))
	}
	ctx, _ := loginBrowser(t, nil)
	visit(t, ctx, s.HTTPS+"/.auth/login")
	for _, location := range locations {
		origin, err := chromedp.Run(ctx, chromedp.Evaluate[string](fmt.Sprintf("new URL(%s, location.href).origin", strconv.QuoteToASCII(location))))
		if err != nil || origin != s.HTTPS {
			t.Errorf("%q: got %s, %v, want %s", location, origin, err, s.HTTPS)
		}
	}
}
