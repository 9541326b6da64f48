package integration

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
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
// the colours of its grounds.
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
		if err := os.WriteFile(file, smaller(t, picture), 0o644); err != nil { //nolint:gosec // a picture for everybody
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
	grounds(t, c.name, coloursIn(got), coloursIn(want))
	grounds(t, c.name+" in "+file, coloursIn(want), coloursIn(got))
}

// grounds has each colour of a ground, of the page, its card, its button, be in another
// picture too. Text has fewer pixels.
func grounds(t *testing.T, name string, of, in map[color.RGBA]int) {
	t.Helper()
	const many = 5000
	for c, pixels := range of {
		if pixels >= many && in[c] < many/2 {
			t.Errorf("%s: %v covers %d pixels, and %d in the other picture", name, c, pixels, in[c])
		}
	}
}

// coloursIn counts the pixels of each colour.
func coloursIn(picture image.Image) map[color.RGBA]int {
	often := make(map[color.RGBA]int)
	eachPixel(picture, func(_, _ int, c color.RGBA) { often[c]++ })
	return often
}

func eachPixel(picture image.Image, do func(x, y int, c color.RGBA)) {
	bounds := picture.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			do(x, y, color.RGBAModel.Convert(picture.At(x, y)).(color.RGBA))
		}
	}
}

// smaller is a picture with a palette of its commonest colours, which are those that it
// is compared by; the edges of letters have the many rest.
func smaller(t *testing.T, text []byte) []byte {
	t.Helper()
	picture := decodePicture(t, text)
	often := coloursIn(picture)
	common := slices.SortedFunc(maps.Keys(often), func(a, b color.RGBA) int {
		return cmp.Or(often[b]-often[a], int(a.R)-int(b.R), int(a.G)-int(b.G), int(a.B)-int(b.B))
	})
	palette := make(color.Palette, min(len(common), 64))
	for i := range palette {
		palette[i] = common[i]
	}
	nearest := make(map[color.RGBA]uint8)
	for _, c := range common {
		nearest[c] = uint8(palette.Index(c)) //nolint:gosec // of 64
	}
	out := image.NewPaletted(picture.Bounds(), palette)
	eachPixel(picture, func(x, y int, c color.RGBA) { out.SetColorIndex(x, y, nearest[c]) })
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, out); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func decodePicture(t *testing.T, text []byte) image.Image {
	t.Helper()
	picture, err := png.Decode(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return picture
}
