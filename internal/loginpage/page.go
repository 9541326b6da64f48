package loginpage

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
)

// View is which page it is.
type View string

// The views.
const (
	ViewLogin  View = "login"  // a form for name and password
	ViewDenied View = "denied" // somebody who is known and may not
	ViewLogout View = "logout" // a button that logs out
	ViewLeft   View = "left"   // after a log-out
)

// Views lists every view.
func Views() []View { return []View{ViewLogin, ViewDenied, ViewLogout, ViewLeft} }

// Page is what a template is given. docs/login.md tells administrators of each field.
type Page struct {
	View View
	// Lang is the language of the texts, en or de.
	Lang  string
	Texts *Texts
	// Site is the host that the browser asked for.
	Site string
	// Reason is why the form is shown again, in words; empty the first time.
	Reason string
	// User is who is signed in, on the views denied and logout.
	User string
	// Action is the path that the form is posted to, Login that of the page and Logout
	// that of the log-out.
	Action, Login, Logout string
	// Name is what was typed the last time.
	Name string
	// AskCode says that the form has a field for a code.
	AskCode bool
	// Next is where the log-in leads, for the form's hidden field next.
	Next string
	// Token is for the form's hidden field token: without it nothing is accepted.
	Token string
	// Nonce lets a <style> be used, as its attribute nonce.
	Nonce string
}

//go:embed page.html
var builtIn string

//go:embed page.css
var style string

// Template is a page that is ready to be filled in.
type Template struct {
	inner *template.Template
	own   bool
}

// Default is the page of this package.
func Default() *Template {
	functions := template.FuncMap{"style": func() template.CSS { return template.CSS(style) }} //nolint:gosec // our own file
	return &Template{inner: template.Must(template.New("page.html").Funcs(functions).Parse(builtIn))}
}

// render fills the page in, with a nonce of its own.
func (t *Template) render(p Page) (text []byte, nonce string, err error) {
	var random [16]byte
	_, _ = rand.Read(random[:])
	p.Nonce = base64.StdEncoding.EncodeToString(random[:])
	var b bytes.Buffer
	if err := t.inner.Execute(&b, p); err != nil {
		return nil, "", fmt.Errorf("filling in the log-in page: %w", err)
	}
	return b.Bytes(), p.Nonce, nil
}

// Write answers with the page. It is written whole or not at all.
// Language, texts and reason are the reader's; p holds the rest.
func (t *Template) Write(w http.ResponseWriter, r *http.Request, status int, p Page, reason Reason) error {
	p.Lang = PickLanguage(r.Header["Accept-Language"])
	p.Texts = TextsOf(p.Lang)
	p.Reason = p.Texts.SayAfter(reason, p.AskCode, w.Header().Get("Retry-After"))
	text, nonce, err := t.render(p)
	if err != nil {
		return err
	}
	header := w.Header()
	Protect(header)
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Language", p.Lang)
	header.Add("Vary", "Accept, Accept-Language, Cookie, Sec-Fetch-Mode")
	header.Set("Content-Security-Policy", t.policy(nonce))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(text) // nobody is left to be told of an error
	}
	return nil
}

// policy is what a browser may do with the page: nothing but show it, and post its form
// to this origin. An administrator's may hold pictures and fonts of its own.
func (t *Template) policy(nonce string) string {
	more := ""
	if t.own {
		more = "; img-src 'self' data:; font-src 'self' data:"
	}
	return "default-src 'none'; style-src 'nonce-" + nonce + "'" + more +
		"; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
}

// Protect sets what every answer about a log-in has: no copy of it is kept, nor shown in
// another site's frame, nor taken for something else. Browsers still say in Origin where
// a form comes from, which no-referrer would make null.
func Protect(header http.Header) {
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Referrer-Policy", "same-origin")
}
