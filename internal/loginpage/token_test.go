package loginpage

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestTokenFitsItsCookie(t *testing.T) {
	cookie, other := NewCookie(), NewCookie()
	token := NewToken(cookie)
	if !Fits(cookie, token) || !Fits(cookie, NewToken(cookie)) {
		t.Error("a token does not fit its cookie")
	}
	if token == NewToken(cookie) {
		t.Error("got the same token twice")
	}
	changed := "A" + token[1:]
	if token[0] == 'A' {
		changed = "B" + token[1:]
	}
	for name, pair := range map[string][2]string{
		"another cookie":      {other, token},
		"no cookie":           {"", token},
		"no token":            {cookie, ""},
		"neither":             {"", ""},
		"the cookie itself":   {cookie, cookie},
		"twice the cookie":    {cookie, cookie + cookie},
		"a changed token":     {cookie, changed},
		"a longer token":      {cookie, token + "A"},
		"a shorter token":     {cookie, token[1:]},
		"no base64":           {cookie, strings.Repeat("!", len(token))},
		"a weak cookie":       {"a", NewToken("a")},
		"a cookie of zeroes?": {strings.Repeat("A", 43), token},
	} {
		if Fits(pair[0], pair[1]) {
			t.Errorf("%s: fits", name)
		}
	}
}

func TestValidCookie(t *testing.T) {
	if !ValidCookie(NewCookie()) {
		t.Error("a new cookie is not valid")
	}
	for _, cookie := range []string{"", "a", NewCookie() + "=", NewCookie()[1:], strings.Repeat("!", 43), NewToken(NewCookie())} {
		if ValidCookie(cookie) {
			t.Errorf("%q is valid", cookie)
		}
	}
}

// FuzzFits: no token that is not made of the cookie fits it.
func FuzzFits(f *testing.F) {
	cookie := NewCookie()
	f.Add(cookie, NewToken(cookie))
	f.Add("", "")
	f.Add(cookie, cookie)
	f.Fuzz(func(t *testing.T, cookie, token string) {
		if Fits(cookie, token) && (!ValidCookie(cookie) || token == cookie) {
			t.Errorf("%q fits %q", token, cookie)
		}
		if ValidCookie(cookie) && !Fits(cookie, NewToken(cookie)) {
			t.Errorf("a new token does not fit %q", cookie)
		}
	})
}

func TestFromHere(t *testing.T) {
	for _, c := range []struct {
		name         string
		site, origin string
		host         string
		want         bool
	}{
		{"own page", "same-origin", "https://site.example.com", "site.example.com", true},
		{"own page on a port", "same-origin", "https://site.example.com:8443", "site.example.com:8443", true},
		{"user alone", "none", "", "site.example.com", true},
		{"a program", "", "", "site.example.com", true},
		{"an old browser", "", "https://site.example.com", "site.example.com", true},
		{"another site", "cross-site", "https://evil.example.net", "site.example.com", false},
		{"a sister", "same-site", "https://other.example.com", "site.example.com", false},
		{"another site, old browser", "", "https://evil.example.net", "site.example.com", false},
		{"a sister, old browser", "", "https://other.example.com", "site.example.com", false},
		{"another port, old browser", "", "https://site.example.com:8443", "site.example.com", false},
		{"a sandbox", "", "null", "site.example.com", false},
		{"a sandbox without a host", "", "null", "", false},
		{"another site that says our origin", "cross-site", "https://site.example.com", "site.example.com", false},
		{"garbage", "", "://", "site.example.com", false},
		{"a word that is none", "Same-Origin?", "", "site.example.com", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "https://site.example.com/.auth/login", nil)
			r.Host = c.host
			for name, value := range map[string]string{"Sec-Fetch-Site": c.site, "Origin": c.origin, "X-Forwarded-Host": "evil.example.net"} {
				if value != "" {
					r.Header.Set(name, value)
				}
			}
			if got := FromHere(r); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
