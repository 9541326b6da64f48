package loginpage

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// shown is a page as a browser with a language gets it.
func shown(t *testing.T, of *Template, p Page, reason Reason, language string) (*httptest.ResponseRecorder, string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "https://site.example.com/.auth/login", nil)
	r.Header.Set("Accept-Language", language)
	w := httptest.NewRecorder()
	if err := of.Write(w, r, http.StatusUnauthorized, p, reason); err != nil {
		t.Fatal(err)
	}
	return w, w.Body.String()
}

func TestPageIsWhatAReaderNeeds(t *testing.T) {
	for language := range texts {
		for _, view := range Views() {
			t.Run(language+" "+string(view), func(t *testing.T) {
				p := sample(view)
				p.AskCode = true
				_, text := shown(t, Default(), p, Wrong, language)
				if n := strings.Count(text, "<h1>"); n != 1 {
					t.Errorf("got %d headings of the first order, want 1", n)
				}
				if !strings.Contains(text, `<html lang="`+language+`">`) || !strings.Contains(text, `name="viewport"`) {
					t.Error("no language, or no viewport")
				}
				for _, id := range regexp.MustCompile(`<input id="([a-z]+)"`).FindAllStringSubmatch(text, -1) {
					if !strings.Contains(text, `<label for="`+id[1]+`">`) {
						t.Errorf("the field %s has no label", id[1])
					}
				}
				for _, no := range []string{"<script", "javascript:", "onclick", "onload", "src=", "url(", "@import", "http://", "https://", "style=", "ZgotmplZ", "no value"} {
					if strings.Contains(text, no) {
						t.Errorf("the page holds %s", no)
					}
				}
				if n := strings.Count(text, "autofocus"); n > 1 {
					t.Errorf("got %d fields with the focus", n)
				}
			})
		}
	}
	_, text := shown(t, Default(), sample(ViewLogin), Wrong, "")
	for _, part := range []string{
		`role="alert" id="reason"`, `aria-describedby="reason"`, `autocomplete="username"`, `autocomplete="current-password"`, `method="post" action="/.auth/login"`, texts["en"].Reasons[Wrong],
	} {
		if !strings.Contains(text, part) {
			t.Errorf("the page does not hold %s", part)
		}
	}
	if strings.Contains(text, "one-time-code") {
		t.Error("a code is asked for that nobody wants")
	}
}

func TestPageIsGuarded(t *testing.T) {
	w, text := shown(t, Default(), sample(ViewLogin), "", "")
	header := w.Header()
	nonce := regexp.MustCompile(`<style nonce="([^"]+)">`).FindStringSubmatch(text)
	if len(nonce) != 2 {
		t.Fatal("no style with a nonce")
	}
	plain := strings.ReplaceAll(nonce[1], "&#43;", "+")
	want := "default-src 'none'; style-src 'nonce-" + plain + "'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
	if got := header.Get("Content-Security-Policy"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if again, _ := shown(t, Default(), sample(ViewLogin), "", ""); again.Header().Get("Content-Security-Policy") == want {
		t.Error("got the same nonce twice")
	}
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin",
		"Content-Type": "text/html; charset=utf-8", "Content-Language": "en", "Vary": "Accept, Accept-Language, Cookie, Sec-Fetch-Mode",
	} {
		if got := header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if w.Code != http.StatusUnauthorized {
		t.Errorf("got status %d, want 401", w.Code)
	}
}

func TestPageEscapes(t *testing.T) {
	hostile := `"><script>alert(1)</script>{{.Token}}&`
	p := sample(ViewLogin)
	p.Name, p.Next, p.Site, p.User = hostile, hostile, hostile, hostile
	for _, view := range Views() {
		p.View = view
		if _, text := shown(t, Default(), p, "", ""); strings.Contains(text, "<script>") || strings.Contains(text, `"">`) {
			t.Errorf("%s: the page holds markup of a stranger: %s", view, text)
		}
	}
}

func TestTextsAreWhole(t *testing.T) {
	for language, words := range texts {
		fields := reflect.ValueOf(*words)
		for i := range fields.NumField() {
			if fields.Field(i).Kind() == reflect.String && fields.Field(i).String() == "" {
				t.Errorf("%s has no %s", language, fields.Type().Field(i).Name)
			}
		}
		for _, reason := range Reasons() {
			if words.Reasons[reason] == "" {
				t.Errorf("%s has no words for %s", language, reason)
			}
		}
		if got, want := len(words.Reasons), len(Reasons()); got != want {
			t.Errorf("%s has %d reasons, want %d", language, got, want)
		}
	}
}

func TestPickLanguage(t *testing.T) {
	for header, want := range map[string]string{
		"": "en", "de": "de", "de-AT, en;q=0.5": "de", "en-GB,de;q=0.9": "en", "fr, de;q=0.3": "de", "fr": "en", "DE-ch": "de", "de;q=0, en": "en", "de;q=0": "en",
		"de;q=2": "en", "de;q=x": "en", "de;x=1": "en", "*": "en", ",,;": "en", "de;q=NaN": "en", "en;q=0.1, de;q=0.2": "de", "fr;q=1, *;q=0.5": "en",
		strings.Repeat("x,", 40) + "de": "en",
	} {
		if got := PickLanguage([]string{header}); got != want {
			t.Errorf("%q: got %s, want %s", header, got, want)
		}
	}
}

func FuzzPickLanguage(f *testing.F) {
	f.Add("de-AT, en;q=0.5")
	f.Add("de;q=1e309,;")
	f.Fuzz(func(t *testing.T, header string) {
		if _, known := texts[PickLanguage([]string{header, header})]; !known {
			t.Errorf("%q: no language of ours", header)
		}
	})
}

const ownPage = `<!DOCTYPE html>
<html lang="{{.Lang}}"><title>{{.Site}}</title>
{{if eq .View "login"}}<p>{{.Reason}}</p>
<form method="post" action="{{.Action}}"><input name="token" value="{{.Token}}"><input name="next" value="{{.Next}}">
<input name="name" value="{{.Name}}"><input name="password" type="password"></form>
{{else if eq .View "logout"}}<form method="post" action="{{.Action}}"><input name="token" value="{{.Token}}"></form>{{end}}
</html>
`

func TestOwnPage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "own.html")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(ownPage)
	own, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	w, text := shown(t, own, Page{View: ViewLogin, Site: "site.example.com", Action: "/.auth/login", Token: "TOKEN"}, Throttled, "de")
	if !strings.Contains(text, texts["de"].Reasons[Throttled]) || !strings.Contains(text, `value="TOKEN"`) {
		t.Errorf("got %s", text)
	}
	if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "img-src 'self' data:") {
		t.Errorf("got %s", policy)
	}
	for name, c := range map[string]struct{ text, want string }{
		"a typing error":    {"<p>\n{{if}}", "own.html:2: missing value for if"},
		"no end":            {"<p>{{if .Reason}}", "own.html:1: unexpected EOF"},
		"an unknown field":  {"<p>\n\n{{.Resaon}}", "own.html:3:2: executing"},
		"an unknown text":   {"{{.Texts.Nothing}}", "own.html:1"},
		"half a tag":        {`<a href="{{.Login}}`, "ends in a non-text context"},
		"no form":           {"<p>hello", `the view login does not hold name="name"`},
		"no token":          {strings.Replace(ownPage, "{{.Token}}", "", 1), "the view login does not hold"},
		"no reason":         {strings.Replace(ownPage, "{{.Reason}}", "", 1), "the view login does not hold Check the user name"},
		"no way to log out": {strings.Replace(ownPage, `{{else if eq .View "logout"}}`, `{{else if eq .View "left"}}`, 1), `the view logout does not hold name="token"`},
		"too long":          {strings.Repeat("x", maxOwn+1), "longer than 1 MiB"},
	} {
		write(c.text)
		if _, err := Load(file); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
	if _, err := Load(file + "x"); err == nil || !strings.Contains(err.Error(), file+"x") {
		t.Errorf("got %v, want the name of the file", err)
	}
}

func TestPageForHEAD(t *testing.T) {
	w := httptest.NewRecorder()
	if err := Default().Write(w, httptest.NewRequest(http.MethodHead, "/", nil), 401, sample(ViewLogin), ""); err != nil {
		t.Fatal(err)
	}
	if w.Body.Len() != 0 || w.Header().Get("Content-Security-Policy") == "" {
		t.Errorf("got %d bytes", w.Body.Len())
	}
}
