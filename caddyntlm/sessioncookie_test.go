package caddyntlm

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/session"
)

const (
	ourCookie  = hostPrefix + DefaultSessionCookie
	ourValue   = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFE"
	otherValue = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFI"
	ours       = ourCookie + "=" + ourValue
)

// Other cookies go on as they came, byte for byte; ours goes nowhere.
func TestStripCookie(t *testing.T) {
	s := &sessions{cookie: ourCookie}
	for name, c := range map[string]struct{ lines, want []string }{
		"none":                   {nil, nil},
		"others":                 {[]string{"a=1; b=2"}, []string{"a=1; b=2"}},
		"others, odd":            {[]string{" a =1;;b;  =2 ;"}, []string{" a =1;;b;  =2 ;"}},
		"ours alone":             {[]string{ours}, nil},
		"first":                  {[]string{ours + "; a=1;b=2"}, []string{"a=1;b=2"}},
		"in the middle":          {[]string{"a=1; " + ours + "; b=2"}, []string{"a=1; b=2"}},
		"last":                   {[]string{"a=1;  b=2; " + ours}, []string{"a=1;  b=2"}},
		"without a blank":        {[]string{"a=1;" + ours + ";b=2"}, []string{"a=1;b=2"}},
		"blanks around the name": {[]string{"a=1;\t" + ourCookie + " = x"}, []string{"a=1"}},
		"twice":                  {[]string{ours + "; " + ours + "; a=1"}, []string{"a=1"}},
		"several lines":          {[]string{"a=1", ours, "b=2; " + ours}, []string{"a=1", "b=2"}},
		"no value":               {[]string{ourCookie}, nil},
		"no value, first":        {[]string{ourCookie + "; a=1"}, []string{"a=1"}},
		"in another's value":     {[]string{"a=" + ours}, []string{"a=" + ours}},
		"a longer name":          {[]string{ourCookie + "2=1"}, []string{ourCookie + "2=1"}},
	} {
		header := http.Header{}
		if c.lines != nil {
			header["Cookie"] = slices.Clone(c.lines)
		}
		stripCookies(header, s.isOurs)
		if got := header["Cookie"]; !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestCookieToken(t *testing.T) {
	s := &sessions{cookie: ourCookie}
	for name, c := range map[string]struct {
		lines []string
		want  string
	}{
		"one":               {[]string{"a=1; " + ours}, ourValue},
		"several, the same": {[]string{ours + "; " + ours, ours}, ourValue},
		"several":           {[]string{ours + "; " + ourCookie + "=" + otherValue}, ""},
		"on two lines":      {[]string{ours, ourCookie + "=" + otherValue}, ""},
		"and an empty one":  {[]string{ours + "; " + ourCookie + "="}, ""},
		"none":              {[]string{"a=1"}, ""},
		"quoted":            {[]string{ourCookie + `="` + ourValue + `"`}, ""},
		"another case":      {[]string{strings.ToLower(ours)}, ""},
		"too long":          {[]string{ours + "A"}, ""},
	} {
		token, ok := s.cookieToken(c.lines)
		if got := token.Reveal(); got != c.want || ok != (c.want != "") {
			t.Errorf("%s: got %q %v, want %q", name, got, ok, c.want)
		}
	}
}

// FuzzCookies: nothing of ours is left, nothing else is lost, and what is taken for ours is
// what the application would not see.
func FuzzCookies(f *testing.F) {
	s := &sessions{cookie: ourCookie}
	for _, line := range []string{"a=1; " + ours + "; b=2", ours, "a=1;;b", ours + ";" + ourCookie + "=", ";" + ours} {
		f.Add(line, "c=3")
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		header := http.Header{"Cookie": {first, second}}
		_, found := s.cookieToken(header["Cookie"])
		taken := stripCookies(header, s.isOurs)
		if _, left := s.cookieToken(header["Cookie"]); left {
			t.Errorf("%q %q: got a token in %q", first, second, header)
		}
		want := slices.DeleteFunc(pairs(first, second), s.isOurs)
		if got := len(taken) + len(pairs(header["Cookie"]...)); got != len(pairs(first, second)) {
			t.Errorf("%q %q: got %d cookies taken and left, want %d", first, second, got, len(pairs(first, second)))
		}
		if got := pairs(header["Cookie"]...); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if found && slices.Equal(want, pairs(first, second)) {
			t.Errorf("%q %q: got a token, and nothing taken out", first, second)
		}
	})
}

// pairs are the cookies of some lines, without what is around them and empty ones.
func pairs(lines ...string) []string {
	var all []string
	for _, line := range lines {
		for pair := range strings.SplitSeq(line, ";") {
			if pair = strings.Trim(pair, " \t"); pair != "" {
				all = append(all, pair)
			}
		}
	}
	return all
}

// F-02.
func TestCookieFlags(t *testing.T) {
	d := newSessionDoor(t, nil)
	got := d.ask(t, 2, "/", asPage, basic("alice", "secret-a"))
	cookies := got.Cookies()
	if len(cookies) != 1 {
		t.Fatalf("got %q", got.Header)
	}
	c := cookies[0]
	if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.MaxAge != 0 || !c.Expires.IsZero() {
		t.Errorf("got %q", got.Header["Set-Cookie"])
	}
	if token, err := session.ParseToken(c.Value); err != nil || token.IsZero() {
		t.Errorf("got a token of %d characters, %v: want 256 random bits", len(c.Value), err)
	}
	if got.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("got Cache-Control %q", got.Header.Get("Cache-Control"))
	}
	seen := map[string]bool{}
	for range 20 {
		value := cookieOf(d.get(t, asPage, basic("alice", "secret-a")))
		if seen[value] {
			t.Fatal("got one token twice")
		}
		seen[value] = true
	}
}
