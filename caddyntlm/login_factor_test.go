package caddyntlm

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

// newFactorSite is a site with a page and a second factor, which alice has enrolled.
func newFactorSite(t *testing.T) (*site, *clock) {
	t.Helper()
	clock := middleOfStep()
	s := newSite(t, func(d *door) {
		d.dir.passwords["carol"] = "secret-c" // who has enrolled nothing
		withTOTP(d, clock, nil)
		d.Require = nil
	})
	t.Cleanup(func() { s.wantNoSecrets(t) })
	return s, clock
}

// logInBy fills the form in with a code.
func (p *person) logInBy(page answer, name, password, code string) answer {
	p.t.Helper()
	fields := page.fields(p.t)
	for field, value := range map[string]string{"name": name, "password": password, "code": code} {
		fields.Set(field, value)
	}
	return p.post("/.auth/login", fields)
}

// The page with a second factor: a code in its own field or behind the password, once,
// and one answer for whoever is wrong, whatever it was.
func TestFactorOnThePage(t *testing.T) {
	s, clock := newFactorSite(t)
	p := s.person()
	page := p.get("/start")
	page.wantPage(t, 401, "Sign in", "")
	if !strings.Contains(page.text, `name="code"`) || !strings.Contains(page.text, `autocomplete="one-time-code"`) {
		t.Fatalf("got a page without a field for a code: %s", page.text)
	}
	code := codeAt(t, aliceURI, clock.now(), 0)
	steps := []struct {
		name, user, password, code string
		kind                       identity.Kind
	}{
		{"no code", "alice", "secret-a", "", identity.KindFactor},
		{"a wrong code", "alice", "secret-a", "000000", identity.KindFactor},
		{"an old code", "alice", "secret-a", codeAt(t, aliceURI, clock.now(), -2), identity.KindFactor},
		{"a wrong code behind the password", "alice", "secret-a000000", "", identity.KindFactor},
		{"a wrong password with the right code", "alice", "wrong", code, identity.KindBadCredentials},
		{"a wrong password before the right code", "alice", "wrong" + code, "", identity.KindBadCredentials},
		{"the code twice", "alice", "secret-a" + code, code, identity.KindBadCredentials},
		{"nobody", "nobody", "secret-a", code, identity.KindBadCredentials},
		{"nothing enrolled", "carol", "secret-c", code, identity.KindFactor},
	}
	var first string
	for _, c := range steps {
		got := p.logInBy(p.get("/start"), c.user, c.password, c.code)
		s.wantReason(t, c.kind)
		got.wantPage(t, 401, "Sign in", "Check the user name, the password and the code.")
		// The answers differ in what was typed as a name, and in nothing else.
		same := hiddenField.ReplaceAllString(nonce.ReplaceAllString(got.text, ""), "")
		same = strings.ReplaceAll(same, `value="`+c.user+`"`, "")
		if first == "" {
			first = same
		}
		if same != first || len(p.cookies) != 1 {
			t.Errorf("%s: the answer tells what was wrong, or cookies %v came:\n%s", c.name, p.cookies, same)
		}
	}
	if got := p.logInBy(p.get("/start"), "alice", "secret-a", code); got.StatusCode != 303 || got.Header.Get("Location") != "/start" {
		t.Fatalf("the right code: got %d %q, want 303 to /start; reason %s", got.StatusCode, got.Header.Get("Location"), s.reason())
	}
	for _, major := range []int{2, 1} {
		browser := p.anew(major)
		browser.get("/").wantUser(t, "alice")
		browser.get("/again").wantUser(t, "alice")
	}

	// The code is spent, for everybody and by every way.
	other := s.person()
	for name, got := range map[string]answer{
		"the field": other.logInBy(other.get("/"), "alice", "secret-a", code),
		"behind":    other.logInBy(other.get("/"), "alice", "secret-a"+code, ""),
		"JSON":      other.json(map[string]string{"name": "alice", "password": "secret-a", "code": code}),
	} {
		if got.StatusCode != 401 {
			t.Errorf("a spent code by %s: got %d, want 401", name, got.StatusCode)
		}
	}
}

// The code behind the password, as in Basic, and with spaces in its field, as programs
// show it.
func TestFactorAsItIsTyped(t *testing.T) {
	for name, typed := range map[string]func(code string) (password, field string){
		"behind":        func(code string) (string, string) { return "secret-a" + code, "" },
		"in its field":  func(code string) (string, string) { return "secret-a", code },
		"with a space":  func(code string) (string, string) { return "secret-a", code[:3] + " " + code[3:] },
		"with spaces":   func(code string) (string, string) { return "secret-a", " " + code + " " },
		"a blank field": func(code string) (string, string) { return "secret-a" + code, " " },
	} {
		t.Run(name, func(t *testing.T) {
			s, clock := newFactorSite(t)
			password, field := typed(codeAt(t, aliceURI, clock.now(), 0))
			p := s.person()
			if got := p.logInBy(p.get("/"), "alice", password, field); got.StatusCode != 303 {
				t.Errorf("by the page: got %d, want 303; reason %s", got.StatusCode, s.reason())
			}
			p.anew(2).get("/").wantUser(t, "alice")
			password, field = typed(codeAt(t, aliceURI, clock.now(), 1))
			program := s.person()
			program.program = true
			got := program.json(map[string]string{"name": "alice", "password": password, "code": field})
			if got.StatusCode != 200 {
				t.Fatalf("by JSON: got %d %s, want 200", got.StatusCode, got.text)
			}
			key, _ := got.object(t)["key"].(string)
			program.headers["Authorization"] = "Bearer " + key
			program.get("/").wantUser(t, "alice")
		})
	}
}

// A session that the page of another part of the site has opened, without a code,
// reaches nothing behind totp; the same cookie does, once a code has been given.
func TestFactorLessSessionOfThePage(t *testing.T) {
	clock := middleOfStep()
	kept := store.NewMemory(nil, clock.now)
	lax := newSite(t, func(d *door) { withTOTP(d, clock, nil); d.TOTP, d.Require, d.Handler.store = nil, nil, kept })
	strict := newSite(t, func(d *door) { withTOTP(d, clock, nil); d.Require, d.Handler.store = nil, kept })
	for _, s := range []*site{lax, strict} {
		s.sessions = newSessions(s.Session, kept, clock.now)
	}
	p := lax.person()
	p.logIn(p.get("/"), "alice", "secret-a").want(t, 303)
	p.get("/").wantUser(t, "alice")
	key, _ := p.json(map[string]string{"name": "alice", "password": "secret-a"}).object(t)["key"].(string)
	there := strict.person()
	there.cookies = p.cookies
	for name, r := range map[string]*person{"HTTP/1.1": there.anew(1), "HTTP/2": there.anew(2)} {
		for _, path := range []string{"/", "/.auth/whoami"} {
			if got := r.get(path); got.StatusCode != 401 {
				t.Errorf("%s, %s: got %d, want 401", name, path, got.StatusCode)
			}
			strict.wantReason(t, identity.KindFactor)
		}
	}
	program := strict.person()
	program.program, program.headers = true, map[string]string{"Authorization": "Bearer " + key}
	if got := program.get("/"); got.StatusCode != 401 {
		t.Errorf("a key: got %d, want 401", got.StatusCode)
	}
	strict.wantReason(t, identity.KindFactor)
	there.logInBy(there.get("/"), "alice", "secret-a", codeAt(t, aliceURI, clock.now(), 0)).want(t, 303)
	there.get("/").wantUser(t, "alice")
	there.anew(2).get("/.auth/whoami").want(t, 200)
}

// JSON is told the same of every mistake, and in German too.
func TestFactorInJSON(t *testing.T) {
	s, clock := newFactorSite(t)
	p := s.person()
	p.program = true
	code := codeAt(t, aliceURI, clock.now(), 0)
	for language, want := range map[string]string{"en": "Check the user name, the password and the code.", "de": "Prüfen Sie Benutzername, Passwort und Code."} {
		p.headers["Accept-Language"] = language
		for _, sent := range []map[string]string{
			{"name": "alice", "password": "secret-a"}, {"name": "alice", "password": "secret-a", "code": "000000"}, {"name": "nobody", "password": "secret-a", "code": code},
		} {
			got := p.json(sent)
			said, _ := got.object(t)["error"].(string)
			if got.StatusCode != 401 || got.object(t)["reason"] != "bad_credentials" || !strings.HasPrefix(said, want) {
				t.Errorf("got %d %s, want 401 and %s", got.StatusCode, got.text, want)
			}
		}
	}
}

// anew is the same browser on a new connection, by HTTP/1.1 or HTTP/2.
func (p *person) anew(major int) *person {
	p.t.Helper()
	other := p.site.person()
	transport := other.client.Transport.(*http.Transport)
	transport.ForceAttemptHTTP2 = major == 2
	if major == 1 {
		transport.TLSClientConfig.NextProtos = []string{"http/1.1"}
	}
	other.cookies, other.headers, other.program = p.cookies, p.headers, p.program
	if got := other.get("/.auth/login"); got.ProtoMajor != major {
		p.t.Errorf("got %s, want HTTP/%d", got.Proto, major)
	}
	return other
}
