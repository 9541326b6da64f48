package integration

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/chromedp"
)

// prompts is how often a user of a URL may be asked. Chromium forgets a log-in
// when it has already opened a second connection by HTTP/2 while it learns from
// the first that NTLM needs HTTP/1.1: it begins on that one, is told 401, and
// asks again. (An answer that it would repeat by itself, such as 421 or a reset,
// ends in ERR_UNEXPECTED.)
func prompts(base string) int32 {
	if strings.HasPrefix(base, "https:") {
		return 2
	}
	return 1
}

// browser is a headless Chromium with a new profile that answers the first
// prompts with the name and password and cancels the others.
func browser(t *testing.T, user, password string, prompts int32) context.Context {
	t.Helper()
	ctx := launch(t, t.TempDir())
	if err := answerPrompts(ctx, user, password, prompts); err != nil {
		t.Fatalf("starting Chromium: %v", err)
	}
	return ctx
}

// launch starts a headless Chromium with a profile, and with more options.
func launch(t *testing.T, profile string, more ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("%v: make deps installs it", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(profile),
		chromedp.Flag("ignore-certificate-errors", true),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("no-proxy-server", true),
	)
	options = append(options, more...)
	limit, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	allocator, stopAllocator := chromedp.NewExecAllocator(limit, options...)
	t.Cleanup(stopAllocator)
	ctx, stop := chromedp.NewContext(allocator)
	t.Cleanup(stop)
	return ctx
}

// answerPrompts answers the first prompts and cancels the others.
func answerPrompts(ctx context.Context, user, password string, limit int32) error {
	_, err := watchPrompts(ctx, func(n int32) *fetch.AuthChallengeResponse {
		if n > limit {
			return nil
		}
		return &fetch.AuthChallengeResponse{Response: fetch.AuthChallengeResponseResponseProvideCredentials, Username: user, Password: password}
	})
	return err
}

// watchPrompts counts how often the browser would ask its user for a password, and has
// each answered; nil cancels.
func watchPrompts(ctx context.Context, answer func(n int32) *fetch.AuthChallengeResponse) (*atomic.Int32, error) {
	type reply = func(context.Context, *chromedp.Target) (chromedp.Void, error)
	send := func(r reply) { go func() { _, _ = chromedp.Run(ctx, chromedp.Action[chromedp.Void](r)) }() }
	asked := new(atomic.Int32)
	err := chromedp.Listen(ctx, func(event any) {
		switch event := event.(type) {
		case *fetch.EventRequestPaused:
			send(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
				_, err := cdp.Call(ctx, t, fetch.ContinueRequest, fetch.ContinueRequestParams{RequestID: event.RequestID})
				return chromedp.Void{}, err
			})
		case *fetch.EventAuthRequired:
			given := answer(asked.Add(1))
			if given == nil {
				given = &fetch.AuthChallengeResponse{Response: fetch.AuthChallengeResponseResponseCancelAuth}
			}
			send(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
				_, err := cdp.Call(ctx, t, fetch.ContinueWithAuth,
					fetch.ContinueWithAuthParams{RequestID: event.RequestID, AuthChallengeResponse: given})
				return chromedp.Void{}, err
			})
		}
	})
	if err != nil {
		return nil, err
	}
	yes := true
	return asked, chromedp.Do(ctx, func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, fetch.Enable, fetch.EnableParams{HandleAuthRequests: &yes})
		return chromedp.Void{}, err
	})
}

// visit gives the status and the text of a page.
func visit(t *testing.T, ctx context.Context, url string) (status int64, text string) {
	t.Helper()
	response, err := chromedp.RunResponse(ctx, chromedp.Navigate(url))
	if err != nil {
		t.Fatalf("visiting %s: %v", url, err)
	}
	text, err = chromedp.Run(ctx, chromedp.Evaluate[string](`document.body ? document.body.innerText : ""`))
	if err != nil {
		t.Fatal(err)
	}
	return int64(response.Status), strings.TrimSpace(text)
}

func TestChromiumGetsIn(t *testing.T) {
	s := start(t, siteConfig{Body: whoami})
	for _, base := range []string{s.HTTP, s.HTTPS} {
		t.Run(base[:5], func(t *testing.T) {
			status, text := visit(t, browser(t, `EXAMPLE\alice`, "Secr3t-alice", prompts(base)), base+"/")
			if want := who(t, "alice", "ntlm", "relay"); status != 200 || text != want {
				t.Errorf("got %d %s, want %s; reason %s", status, text, want, s.reason(t))
			}
		})
	}
	t.Run("wrong password", func(t *testing.T) {
		_, err := chromedp.RunResponse(browser(t, `EXAMPLE\bob`, "wrong", 1), chromedp.Navigate(s.HTTP+"/"))
		if err == nil || !strings.Contains(err.Error(), "ERR_HTTP_RESPONSE_CODE_FAILURE") || s.reason(t) != "bad_credentials" {
			t.Errorf("got %v, reason %s, want a failure and bad_credentials", err, s.reason(t))
		}
	})
	if err := domain.Unlock("bob"); err != nil {
		t.Error(err)
	}
}

// TestBodiesByChromium: what a page sends after the log-in, also on connections
// that are new and go through a handshake with the body in hand.
func TestBodiesByChromium(t *testing.T) {
	app := serveApplication(t)
	s := start(t, siteConfig{Body: fmt.Sprintf(forwardToApplication, app.URL)})
	for _, base := range []string{s.HTTP, s.HTTPS} {
		t.Run(base[:5], func(t *testing.T) {
			ctx := browser(t, `EXAMPLE\alice`, "Secr3t-alice", prompts(base))
			if status, text := visit(t, ctx, base+"/"); status != 200 {
				t.Fatalf("got %d %s", status, text)
			}
			for _, n := range bodySizes {
				got, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](postScript(n), chromedp.EvalAwaitPromise))
				if err != nil {
					t.Fatalf("%d bytes: %v", n, err)
				}
				for i, line := range got {
					if line != bodyLine(n) {
						t.Errorf("%d bytes, request %d: got %s, want %s", n, i, line, bodyLine(n))
					}
				}
			}
		})
	}
}

// postScript posts the pattern six times at once, so that Chromium opens
// connections of its own for them, and gives the answers.
func postScript(n int) string {
	return fmt.Sprintf(`(async () => {
		const body = new Uint8Array(%d);
		for (let i = 0; i < body.length; i++) { body[i] = i * 7 + (i >> 8); }
		const one = () => fetch("/post", {method: "POST", body}).then(r => r.text());
		return await Promise.all([one(), one(), one(), one(), one(), one()]);
	})()`, n)
}
