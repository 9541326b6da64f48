package integration

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// codeSite has a page, sessions and a second factor for everybody; /open asks for none.
const codeSite = `
	handle /open* {
		windows_auth EXAMPLE {
			session
			login /open/auth
			require user alice
		}
		respond "{http.auth.user.id} {http.auth.user.scheme} open"
	}
	handle {
		windows_auth EXAMPLE {
			session
			login
			require user alice bob
			totp {
				attribute unixUserPassword
			}
		}
		header Content-Type text/html
		respond "<p>{http.auth.user.id}|{http.auth.user.scheme} {http.request.orig_uri}</p>"
	}
`

// fillInCode types a code too.
func fillInCode(t *testing.T, ctx context.Context, name, password, code string) int64 {
	t.Helper()
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.getElementById("name").value = ""`)); err != nil {
		t.Fatal(err)
	}
	response, err := chromedp.RunResponse(ctx,
		chromedp.SendKeys(chromedp.ID("name"), name),
		chromedp.SendKeys(chromedp.ID("password"), password),
		chromedp.SendKeys(chromedp.ID("code"), code+"\r"),
	)
	if err != nil {
		t.Fatalf("sending the form: %v", err)
	}
	return int64(response.Status)
}

// TestChromiumGivesACode: the page with a second factor on a real domain. No mistake tells
// which one it is; the code opens a session for two tabs, and its log-out ends both; a
// session without one opens nothing.
func TestChromiumGivesACode(t *testing.T) {
	grantReading(t)
	enrol(t, aliceEntry, "otpauth://totp/EXAMPLE:alice?secret="+factorSecret+"&issuer=EXAMPLE")
	s := start(t, siteConfig{LDAP: `service_account EXAMPLE\svc-web Secr3t-svc-web` + "\nverify bind", Body: codeSite})
	ctx, asked := loginBrowser(t, nil)
	if status, _ := visit(t, ctx, s.HTTPS+"/open"); status != 401 {
		t.Fatalf("got %d, want 401", status)
	}
	if status := fillIn(t, ctx, "alice", "Secr3t-alice"); status != 200 || shownPage(t, ctx).Text != "alice form open" {
		t.Fatalf("got %d %+v, want alice where no code is asked for", status, shownPage(t, ctx))
	}
	if status, _ := visit(t, ctx, s.HTTPS+"/start"); status != 401 || shownPage(t, ctx).Heading != "Sign in" || s.reason(t) != "second_factor" {
		t.Fatalf("got %d %+v, reason %s, want the page: her session holds no second factor", status, shownPage(t, ctx), s.reason(t))
	}
	settledStep(t)
	code := oathtool(t, factorSecret, 0)
	for _, c := range []struct{ name, user, password, code, log string }{
		{"no code", "alice", "Secr3t-alice", "", "second_factor"},
		{"a wrong code", "alice", "Secr3t-alice", wrongCode(t), "second_factor"},
		{"a wrong password", "nobody-here", "wrong", code, "bad_credentials"},
		{"nobody enrolled", "bob", "Secr3t-bob", code, "second_factor"},
	} {
		status := fillInCode(t, ctx, c.user, c.password, c.code)
		if got := shownPage(t, ctx); status != 401 || !strings.HasPrefix(got.Reason, "Check the user name, the password and the code.") || s.reason(t) != c.log {
			t.Errorf("%s: got %d %+v, reason %s, want the one answer and %s", c.name, status, got, s.reason(t), c.log)
		}
	}
	if status := fillInCode(t, ctx, "alice", "Secr3t-alice", code); status != 200 || shownPage(t, ctx).Text != "alice|form /start" {
		t.Fatalf("got %d %+v, want alice; reason %s", status, shownPage(t, ctx), s.reason(t))
	}
	tab, stop := chromedp.NewContext(ctx)
	t.Cleanup(stop)
	if status, text := visit(t, tab, s.HTTPS+"/other"); status != 200 || text != "alice|form /other" {
		t.Errorf("got %d %q in another tab, want alice without another code", status, text)
	}
	visit(t, tab, s.HTTPS+"/.auth/logout")
	if status := press(t, tab); status != 200 || shownPage(t, tab).Heading != "You are signed out" {
		t.Errorf("got %d %+v, want to be signed out", status, shownPage(t, tab))
	}
	if status, _ := visit(t, ctx, s.HTTPS+"/start"); status != 401 {
		t.Errorf("got %d in the first tab, want 401", status)
	}
	// The code is spent; the next one does behind the password too.
	if status := fillInCode(t, ctx, "alice", "Secr3t-alice", code); status != 401 {
		t.Errorf("the same code: got %d, want 401", status)
	}
	if status := fillIn(t, ctx, "alice", "Secr3t-alice"+oathtool(t, factorSecret, 1)); status != 200 {
		t.Errorf("the next code behind the password: got %d, want 200; reason %s", status, s.reason(t))
	}
	if asked.Load() != 0 {
		t.Errorf("got %d prompts, want none", asked.Load())
	}
	if log := s.logText(t); strings.Contains(log, factorSecret) || strings.Contains(log, "Secr3t-alice") {
		t.Error("the log shows a secret")
	}
}
