package caddyntlm

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// FuzzEntry: whatever a body and its type are, what is read of it is text within its
// bounds, and what cannot be read is a client's mistake whose error shows nothing of it.
func FuzzEntry(f *testing.F) {
	f.Add(formType, "name=alice&password=secret-a&next=%2Fa&token=x&code=1")
	f.Add(formType+"; charset=utf-8", "name=%ff")
	f.Add("application/json", `{"name":"EXAMPLE\\alice","password":"secret-a","code":"1"}`)
	f.Add("application/json", `{"name":"\ud800"}{}`)
	f.Add("multipart/form-data; boundary=x", "--x--")
	f.Fuzz(func(t *testing.T, kind, body string) {
		r := httptest.NewRequest(http.MethodPost, "/.auth/login", strings.NewReader(body))
		r.Header.Set("Content-Type", kind)
		e, err := readEntry(httptest.NewRecorder(), r)
		if err != nil {
			if k := kindOf(err); k != identity.KindMalformed && k != identity.KindBodyTooLarge {
				t.Errorf("got %v, want a client's mistake", err)
			}
			if e.name != "" || !e.password.Blank() || e.token != "" {
				t.Error("an entry beside an error")
			}
			return
		}
		for name, text := range map[string]string{"name": e.name, "password": e.password.Reveal(), "code": e.code.Reveal(), "next": e.next, "token": e.token} {
			if !utf8.ValidString(text) || len(text) > maxEntry*3 { // a lone surrogate becomes three bytes
				t.Errorf("%s: got %q", name, text)
			}
		}
		if e.program && (e.token != "" || e.next != "") {
			t.Error("a program has a form's fields")
		}
	})
}

// FuzzAcceptsHTML: a header that names no HTML accepts none.
func FuzzAcceptsHTML(f *testing.F) {
	f.Add("text/html,*/*;q=0.8")
	f.Add("text/html;q=0")
	f.Fuzz(func(t *testing.T, line string) {
		if acceptsHTML(line) && !strings.Contains(strings.ToLower(line), "text/html") {
			t.Errorf("%q accepts HTML", line)
		}
	})
}
