package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

var updateScreens = flag.Bool("update-screens", false, "write the pictures of docs/login anew")

// screenNamed is a picture of the page in the docs.
type screenNamed struct {
	name          string
	width, height int64
	scheme        string // of colours
}

// fourScreens are a phone and a desk, light and dark.
func fourScreens(prefix string, desk, phone int64) []screenNamed {
	return []screenNamed{
		{prefix + "light-1280", 1280, desk, "light"}, {prefix + "dark-1280", 1280, desk, "dark"},
		{prefix + "light-360", 360, phone, "light"}, {prefix + "dark-360", 360, phone, "dark"},
	}
}

// screenBrowser is a Chromium whose pictures do not change with the machine's language.
func screenBrowser(t *testing.T) context.Context {
	t.Helper()
	return launch(t, t.TempDir(), chromedp.Flag("hide-scrollbars", true), chromedp.Flag("accept-lang", "en"),
		chromedp.Flag("host-resolver-rules", "MAP intranet.example.com 127.0.0.1"))
}

// takePicture has a page shown, checks it and compares it with the docs' picture of it.
func takePicture(t *testing.T, ctx context.Context, c screenNamed, show func(), still string, parts ...string) {
	t.Helper()
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(c.width, c.height), colours(c.scheme)); err != nil {
		t.Fatal(err)
	}
	show()
	shownPage(t, ctx)
	checkLayout(t, ctx, c, parts)
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[string](still)); err != nil {
		t.Fatal(err)
	}
	picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	comparePicture(t, c, picture)
}

// stillForm makes pictures alike: the port is another one each time, and the cursor blinks.
const stillForm = `document.querySelector(".site").textContent = "to intranet.example.com"; document.activeElement.blur(); ""`

var formParts = []string{"h1", ".site", "[role=alert]", "label", "button", "#name"}

// TestScreensOfTheLogInPage: the page fits a phone and a desk, in light and dark, with
// nothing beyond its edges and text that can be read; the pictures in docs/login are of
// it as it is. Fonts differ between machines, so a picture is compared by its size and
// the colours of its ground and its button.
func TestScreensOfTheLogInPage(t *testing.T) {
	s := start(t, siteConfig{Body: fmt.Sprintf(loginSite, "")})
	ctx := screenBrowser(t)
	for _, c := range fourScreens("", 720, 640) {
		t.Run(c.name, func(t *testing.T) {
			takePicture(t, ctx, c, func() {
				visit(t, ctx, s.HTTPS+"/")
				fillIn(t, ctx, "alice", "wrong")
			}, stillForm, formParts...)
		})
	}
	if err := domain.Unlock("alice"); err != nil {
		t.Error(err)
	}
}

// TestScreensOfTheDemo: the page with the field for a code and the answer to a mistake,
// and what a newcomer sees next, held to the same.
func TestScreensOfTheDemo(t *testing.T) {
	d := startDemo(t)
	ctx := screenBrowser(t)
	for _, c := range fourScreens("code-", 720, 720) {
		t.Run(c.name, func(t *testing.T) {
			takePicture(t, ctx, c, func() {
				visit(t, ctx, d.Secure+"/")
				fillInCode(t, ctx, "grace", "Secr3t-grace", "not mine")
			}, stillForm, append([]string{"#asked", "#code"}, formParts...)...)
		})
	}
	visit(t, ctx, d.Secure+"/")
	if status := fillIn(t, ctx, "alice", "Secr3t-alice"); status != 200 {
		t.Fatalf("got %d, want 200", status)
	}
	for _, c := range fourScreens("demo-", 720, 760) {
		t.Run(c.name, func(t *testing.T) {
			takePicture(t, ctx, c, func() { visit(t, ctx, d.Secure+"/") }, `""`, "h1", "th", "td", "a")
		})
	}
}

// colours has the browser prefer light or dark.
func colours(scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	})
}

// layout is what may be wrong with a page that looks right in a test of its text.
type layout struct {
	Wide      bool     // it scrolls sideways
	Small     []string // what is too small for a finger
	Contrasts map[string]float64
}

const measureLayout = `((parts) => {
	const channel = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
	const light = c => { const [r, g, b] = c.match(/[\d.]+/g).map(Number); return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b); };
	const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!c.endsWith(", 0)")) return c; } return "rgb(255, 255, 255)"; };
	const contrast = e => { const a = light(getComputedStyle(e).color), b = light(ground(e)); return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05); };
	const of = {};
	for (const name of parts) { of[name] = contrast(document.querySelector(name)); }
	const fields = [...document.querySelectorAll("input:not([type=hidden]), button")];
	return {
		Wide: document.documentElement.scrollWidth > document.documentElement.clientWidth,
		Small: fields.filter(e => e.getBoundingClientRect().height < 44).map(e => e.id || e.tagName),
		Contrasts: of,
	};
})(%s)`

// checkLayout holds the page to WCAG 2.2: 1.4.3, 1.4.10 and 2.5.5.
func checkLayout(t *testing.T, ctx context.Context, c screenNamed, parts []string) {
	t.Helper()
	named, err := json.Marshal(parts)
	if err != nil {
		t.Fatal(err)
	}
	got, err := chromedp.Run(ctx, chromedp.Evaluate[layout](fmt.Sprintf(measureLayout, named)))
	if err != nil {
		t.Fatal(err)
	}
	if got.Wide || len(got.Small) > 0 {
		t.Errorf("%s: scrolls sideways: %v; too small for a finger: %v", c.name, got.Wide, got.Small)
	}
	for part, contrast := range got.Contrasts {
		if contrast < 4.5 {
			t.Errorf("%s: %s has a contrast of %.1f, want 4.5", c.name, part, contrast)
		}
	}
	if len(got.Contrasts) != len(parts) {
		t.Errorf("got %v", got.Contrasts)
	}
}

// comparePicture holds a picture of the docs against the page, or writes it anew.
func comparePicture(t *testing.T, c screenNamed, picture []byte) {
	t.Helper()
	file := filepath.Join("..", "docs", "login", c.name+".png")
	if *updateScreens {
		if err := os.WriteFile(file, picture, 0o644); err != nil { //nolint:gosec // a picture for everybody
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got, want := decodePicture(t, picture), decodePicture(t, text)
	if got.Bounds() != want.Bounds() {
		t.Fatalf("%s: got a picture of %v, want %v as in %s; go test -run Screens -update-screens makes it anew", c.name, got.Bounds(), want.Bounds(), file)
	}
	for name, at := range map[string]image.Point{"ground": {4, 4}, "middle": {int(c.width) / 2, int(c.height) / 8}} {
		if a, b := got.At(at.X, at.Y), want.At(at.X, at.Y); !sameColour(a, b) {
			t.Errorf("%s: the %s is %v, and %v in %s", c.name, name, a, b, file)
		}
	}
}

func sameColour(a, b color.Color) bool {
	r, g, bl, _ := a.RGBA()
	r2, g2, bl2, _ := b.RGBA()
	return r == r2 && g == g2 && bl == bl2
}

func decodePicture(t *testing.T, text []byte) image.Image {
	t.Helper()
	picture, err := png.Decode(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return picture
}
