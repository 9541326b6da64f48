package caddyntlm

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

// site is a door with a log-in page behind TLS, and its users' browsers.
type site struct {
	*door
	base string
	t    *testing.T
	web  *httptest.Server
}

// newSite lets in all but bob.
func newSite(t *testing.T, change func(*door)) *site {
	t.Helper()
	d := prepareDoor(t, func(d *door) {
		d.Session, d.Login = new(Session), new(Login)
		d.Require = &policy.Rule{User: []string{"alice", "älice"}}
		if change != nil {
			change(d)
		}
	})
	d.sessions = newSessions(d.Session, store.NewMemory(nil, time.Now), time.Now)
	s := &site{door: d, t: t, web: newTLSServer(d)}
	s.base = s.web.URL
	t.Cleanup(func() {
		s.web.CloseClientConnections()
		s.web.Close()
		d.conns.endAll()
		d.dir.checkClosed(t)
	})
	return s
}

// person is somebody at a browser, which keeps cookies and says where forms come from.
type person struct {
	*site
	cookies map[string]string
	client  *http.Client
	program bool
	headers map[string]string // more, or others
}

func (s *site) person() *person {
	transport := s.web.Client().Transport.(*http.Transport).Clone()
	s.t.Cleanup(transport.CloseIdleConnections)
	return &person{site: s, cookies: make(map[string]string), headers: make(map[string]string), client: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (p *person) do(method, path, kind, body string) answer {
	p.t.Helper()
	r, err := http.NewRequest(method, p.base+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	if !p.program {
		r.Header.Set("Accept", "text/html,*/*;q=0.8")
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		if method == http.MethodPost {
			r.Header.Set("Origin", p.base)
		}
	}
	for name, value := range p.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	for name, value := range p.headers {
		r.Header.Set(name, value)
	}
	response, err := p.client.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, c := range response.Cookies() {
		if c.MaxAge < 0 {
			delete(p.cookies, c.Name)
		} else {
			p.cookies[c.Name] = c.Value
		}
	}
	return readAnswer(p.t, response)
}

func (p *person) get(path string) answer { p.t.Helper(); return p.do(http.MethodGet, path, "", "") }

const formType = "application/x-www-form-urlencoded"

// post sends a form.
func (p *person) post(path string, fields url.Values) answer {
	p.t.Helper()
	return p.do(http.MethodPost, path, formType, fields.Encode())
}

var hiddenField = regexp.MustCompile(`<input type="hidden" name="([a-z]+)" value="([^"]*)">`)

// fields are the hidden ones of a page's form.
func (a answer) fields(t testing.TB) url.Values {
	t.Helper()
	fields := make(url.Values)
	for _, found := range hiddenField.FindAllStringSubmatch(a.text, -1) {
		fields.Set(found[1], strings.NewReplacer("&amp;", "&", "&#43;", "+").Replace(found[2]))
	}
	if fields.Get("token") == "" {
		t.Fatalf("got %d and no form: %s", a.StatusCode, a.text)
	}
	return fields
}

// logIn fills the form of a page in and sends it.
func (p *person) logIn(page answer, name, password string) answer {
	p.t.Helper()
	fields := page.fields(p.t)
	fields.Set("name", name)
	fields.Set("password", password)
	return p.post("/.auth/login", fields)
}

// json posts an object to the log-in.
func (p *person) json(value any) answer {
	p.t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.do(http.MethodPost, "/.auth/login", "application/json", string(text))
}

// object reads an answer in JSON.
func (a answer) object(t testing.TB) map[string]any {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal([]byte(a.text), &object); err != nil || a.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("got %d %q %q, want JSON", a.StatusCode, a.Header.Get("Content-Type"), a.text)
	}
	return object
}

// wantPage checks a page's status, heading and reason.
func (a answer) wantPage(t testing.TB, status int, heading, reason string) {
	t.Helper()
	h1, alert := "", ""
	if found := regexp.MustCompile(`<h1>([^<]*)</h1>`).FindStringSubmatch(a.text); found != nil {
		h1 = found[1]
	}
	if found := regexp.MustCompile(`role="alert" id="reason">([^<]*)<`).FindStringSubmatch(a.text); found != nil {
		alert = found[1]
	}
	if a.StatusCode != status || h1 != heading || !strings.HasPrefix(alert, reason) || reason == "" && alert != "" {
		t.Errorf("got %d %q %q, want %d %q %q", a.StatusCode, h1, alert, status, heading, reason)
	}
	if got := a.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("got Cache-Control %q, want no-store", got)
	}
	if !strings.Contains(a.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Error("a page without its policy")
	}
}

var nonce = regexp.MustCompile(`nonce="[^"]*"`)

// headerList names headers, in order.
func headerList(header http.Header) []string { return slices.Sorted(maps.Keys(header)) }
