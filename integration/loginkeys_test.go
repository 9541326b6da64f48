package integration

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// spoken is what a screen reader has to say of a page: the role, the name and the
// description of each part that a user acts on or must hear.
func spoken(t *testing.T, ctx context.Context) (parts []string) {
	t.Helper()
	heard := []string{"heading", "alert", "textbox", "button"}
	_, err := chromedp.Run(ctx, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		tree, err := cdp.Call(ctx, t, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
		if err != nil {
			return err
		}
		for _, n := range tree.Nodes {
			if role := said(n.Role); !n.Ignored && slices.Contains(heard, role) {
				parts = append(parts, strings.Join([]string{role, said(n.Name), said(n.Description)}, "|"))
			}
		}
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	return parts
}

func said(v *accessibility.Value) (text string) {
	if v != nil {
		_ = json.Unmarshal(v.Value, &text) // what is no text says nothing
	}
	return text
}

// focused is what the next key goes to.
func focused(t *testing.T, ctx context.Context) string {
	t.Helper()
	id, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.activeElement.id || document.activeElement.tagName`))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestChromiumByKeyboardAlone: who has no mouse, no scripts and a screen reader logs in:
// the first field has the focus, Tab leads from one to the next, and each says what it is
// and what was wrong.
func TestChromiumByKeyboardAlone(t *testing.T) {
	d := startDemo(t)
	ctx := screenBrowser(t)
	type keys = chromedp.Action[chromedp.Void]
	press := func(actions ...keys) {
		t.Helper()
		if err := chromedp.Do(ctx, actions...); err != nil {
			t.Fatal(err)
		}
	}
	press(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	}))
	visit(t, ctx, d.Secure+"/")
	const wrong = "Check the user name, the password and the code. A code is good once. If all are right, your account may be locked: wait a while."
	form := func(said string) string {
		return "textbox|User name|" + said + "\ntextbox|Password|" + said + "\ntextbox|Code|The code that your authenticator shows, if you use one.\nbutton|Sign in|"
	}
	await := func(want string) {
		t.Helper()
		got := ""
		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			if got = strings.Join(spoken(t, ctx), "\n"); got == want {
				return
			}
		}
		t.Fatalf("a screen reader says\n%s\nwant\n%s", got, want)
	}
	await("heading|Sign in|\n" + form(""))
	for _, field := range []struct{ id, typed string }{{"name", "alice\t"}, {"password", "wrong\t"}, {"code", "\t"}, {"BUTTON", "\r"}} {
		if got := focused(t, ctx); got != field.id {
			t.Fatalf("the focus is on %s, want it on %s", got, field.id)
		}
		press(chromedp.KeyEvent(field.typed))
	}
	await("heading|Sign in|\nalert||\n" + form(wrong))
	if got := focused(t, ctx); got != "password" {
		t.Errorf("after the mistake the focus is on %s, want it on the password: the name stands there", got)
	}
	time.Sleep(1100 * time.Millisecond) // the throttle's first wait
	press(chromedp.KeyEvent("Secr3t-alice\r"))
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		got := shownPage(t, ctx)
		if strings.Contains(got.Text, "alice") && got.Heading != "Sign in" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %+v, want the site's page of alice", got)
		}
	}
}
