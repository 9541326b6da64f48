package caddyntlm

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

const sayWrong = "Check the user name and the password."

func TestPageInThePlaceOfAPrompt(t *testing.T) {
	s := newSite(t, nil)
	p := s.person()
	page := p.get("/start?x=1")
	page.wantPage(t, 401, "Sign in", "")
	page.want(t, 401, `Bearer realm="127.0.0.1"`)
	if got := page.fields(t).Get("next"); got != "/start?x=1" {
		t.Errorf("got next %q, want /start?x=1", got)
	}
	got := p.logIn(page, "alice", "secret-a")
	if got.StatusCode != 303 || got.Header.Get("Location") != "/start?x=1" {
		t.Fatalf("got %d %q, want 303 to /start?x=1", got.StatusCode, got.Header.Get("Location"))
	}
	p.get("/start?x=1").wantUser(t, "alice")
	if asked := s.dir.asked.Load(); asked != 1 {
		t.Errorf("got %d questions to a controller, want 1", asked)
	}
}

func TestProgramsGetChallengesAndNoPage(t *testing.T) {
	s := newSite(t, nil)
	for name, headers := range map[string]map[string]string{
		"a program":               {},
		"curl":                    {"Accept": "*/*"},
		"a program that wants no": {"Accept": "text/html;q=0, application/json"},
	} {
		p := s.person()
		p.program, p.headers = true, headers
		got := p.get("/")
		if strings.Contains(got.text, "<form") {
			t.Errorf("%s: got a page", name)
		}
		if name != "a program that wants no" { // which speaks of HTML as browsers do
			got.want(t, 401, "NTLM", `Basic realm="127.0.0.1", charset="UTF-8"`)
		}
	}
	// A script of a page must not raise a prompt either.
	p := s.person()
	p.headers = map[string]string{"Sec-Fetch-Mode": "cors", "Accept": "*/*"}
	got := p.get("/data")
	got.want(t, 401, `Bearer realm="127.0.0.1"`)
	if got.text != "" {
		t.Errorf("got %q for a script, want nothing", got.text)
	}
}

func TestWhichChallengesABrowserGets(t *testing.T) {
	bearer, basic := `Bearer realm="127.0.0.1"`, `Basic realm="127.0.0.1", charset="UTF-8"`
	for _, c := range []struct {
		sso     string
		tickets bool
		want    []string
	}{
		{"", false, []string{bearer}},
		{ssoKerberos, true, []string{"Negotiate", bearer}},
		{ssoAll, true, []string{"Negotiate", "NTLM", basic}},
		{ssoAll, false, []string{"NTLM", basic}},
		{ssoNone, true, []string{bearer}},
	} {
		t.Run(fmt.Sprint(c.sso, c.tickets), func(t *testing.T) {
			s := newSite(t, func(d *door) {
				d.Login.SSO = c.sso
				if c.tickets {
					d.dir.tickets = new(fakeTickets)
				}
			})
			got := s.person().get("/")
			got.want(t, 401, c.want...)
			got.wantPage(t, 401, "Sign in", "")
		})
	}
}

// TestOneAnswerForAllWhoAreWrong is what a guesser learns: nothing. What is wrong with an
// account is for who knows its password.
func TestOneAnswerForAllWhoAreWrong(t *testing.T) {
	s := newSite(t, nil)
	kinds := []identity.Kind{
		identity.KindBadCredentials, identity.KindLocked, identity.KindDisabled, identity.KindPasswordExpired, identity.KindMustChange,
		identity.KindAccountExpired, identity.KindLogonHours, identity.KindWorkstation, identity.KindRestricted, identity.KindAmbiguous, identity.KindNotFound,
	}
	normal := func(a answer, name string) string {
		text := strings.ReplaceAll(a.text, `value="`+name+`"`, `value="NAME"`)
		text = hiddenField.ReplaceAllString(text, "")
		return nonce.ReplaceAllString(text, "")
	}
	p := s.person()
	first := p.logIn(p.get("/"), "nobody", "wrong")
	first.wantPage(t, 401, "Sign in", sayWrong)
	first.want(t, 401, `Bearer realm="127.0.0.1"`)
	program := s.person()
	program.program = true
	firstJSON := program.json(map[string]string{"name": "nobody", "password": "wrong"})
	for _, kind := range kinds {
		s.dir.failures["bob"] = identity.Fail(kind, nil)
		got := p.logIn(p.get("/"), "bob", "secret-b")
		if got.StatusCode != first.StatusCode || normal(got, "bob") != normal(first, "nobody") || fmt.Sprint(headerList(got.Header)) != fmt.Sprint(headerList(first.Header)) {
			t.Errorf("%s: got another page than for nobody: %d %s", kind, got.StatusCode, got.text)
		}
		s.wantReason(t, kind)
		if got := program.json(map[string]string{"name": "bob", "password": "secret-b"}); got.StatusCode != firstJSON.StatusCode || got.text != firstJSON.text {
			t.Errorf("%s: got %d %s, want %d %s", kind, got.StatusCode, got.text, firstJSON.StatusCode, firstJSON.text)
		}
	}
	for kind, reason := range tellable {
		s.dir.failures["bob"] = &identity.Error{Kind: kind, Proven: true}
		got := p.logIn(p.get("/"), "bob", "secret-b")
		got.wantPage(t, 401, "Sign in", "Your ")
		if got := program.json(map[string]string{"name": "bob", "password": "secret-b"}).object(t); got["reason"] != string(reason) {
			t.Errorf("%s: got %v, want %s", kind, got, reason)
		}
	}
	s.dir.failures["bob"] = &identity.Error{Kind: identity.KindLocked, Proven: true} // by mistake
	p.logIn(p.get("/"), "bob", "secret-b").wantPage(t, 401, "Sign in", sayWrong)
}

func TestWhoMayNotIsTold(t *testing.T) {
	s := newSite(t, nil)
	p := s.person()
	p.logIn(p.get("/"), "bob", "secret-b").wantPage(t, 403, "No access", "")
	if len(p.cookies) != 1 {
		t.Errorf("got cookies %v, want that of the form alone", p.cookies)
	}
	s.wantReason(t, identity.KindDenied)
	program := s.person()
	program.program = true
	got := program.json(map[string]string{"name": "bob", "password": "secret-b"})
	if got.StatusCode != 403 || got.object(t)["reason"] != "denied" {
		t.Errorf("got %d %s, want 403 and denied", got.StatusCode, got.text)
	}
}

func TestNobodyIsAskedAboutNothing(t *testing.T) {
	s := newSite(t, nil)
	p := s.person()
	for name, pair := range map[string][2]string{
		"no password": {"alice", ""}, "blank": {"alice", " \t"}, "NUL": {"alice", "\x00secret-a"}, "no name": {"", "x"}, "spaces": {"  ", "x"},
		"control": {"al\x07ice", "x"}, "long": {strings.Repeat("a", 300), "x"},
	} {
		p.logIn(p.get("/"), pair[0], pair[1]).wantPage(t, 401, "Sign in", sayWrong)
		if asked := s.dir.asked.Load(); asked != 0 {
			t.Fatalf("%s: a controller was asked", name)
		}
	}
	p.logIn(p.get("/"), " alice ", "secret-a")
	p.get("/").wantUser(t, "alice")
}

func TestTechnicalFailuresOfALogIn(t *testing.T) {
	s := newSite(t, nil)
	s.dir.failures["alice"] = errUnavailable()
	p := s.person()
	got := p.logIn(p.get("/"), "alice", "secret-a")
	got.wantPage(t, 503, "Sign in", "Signing in is not possible right now")
	got.want(t, 503)
	if got.Header.Get("Retry-After") == "" {
		t.Error("got no Retry-After")
	}
	program := s.person()
	program.program = true
	if got := program.json(map[string]string{"name": "alice", "password": "secret-a"}); got.StatusCode != 503 || got.object(t)["reason"] != "unavailable" {
		t.Errorf("got %d %s, want 503 and unavailable", got.StatusCode, got.text)
	}
	s.dir.failures["alice"] = identity.Fail(identity.KindInternal, nil)
	p.logIn(p.get("/"), "alice", "secret-a").wantPage(t, 500, "Sign in", "Something went wrong")
}

func TestPathsOfTheLogIn(t *testing.T) {
	s := newSite(t, nil)
	p := s.person()
	p.get("/.auth/login?next=/a").wantPage(t, 200, "Sign in", "")
	if got := p.get("/.auth/login?next=//evil.example.com").fields(t).Get("next"); got != "" {
		t.Errorf("got next %q, want none", got)
	}
	for _, c := range []struct {
		method, path string
		want         int
		header, is   string
	}{
		{"GET", "/.auth", 303, "Location", "/.auth/login"},
		{"GET", "/.auth/", 303, "Location", "/.auth/login"},
		{"HEAD", "/.auth/login", 200, "Content-Security-Policy", ""},
		{"PUT", "/.auth/login", 405, "Allow", "GET, POST"},
		{"POST", "/.auth/whoami", 405, "Allow", "GET"},
		{"GET", "/.auth/other", 404, "", ""},
		{"GET", "/.auth/login/x", 404, "", ""},
		{"GET", "/.authority", 401, "", ""},
		{"GET", "/.auth/../secret", 404, "", ""},
		{"POST", "/.auth/login", 400, "", ""},
	} {
		got := p.do(c.method, c.path, "", "")
		if got.StatusCode != c.want || c.is != "" && got.Header.Get(c.header) != c.is {
			t.Errorf("%s %s: got %d %q, want %d %q", c.method, c.path, got.StatusCode, got.Header.Get(c.header), c.want, c.is)
		}
	}
	if served := s.served.Load(); served != 0 {
		t.Errorf("got %d requests at the application, want none", served)
	}
}

func TestWhatIsNoLogIn(t *testing.T) {
	s := newSite(t, nil)
	p := s.person()
	long := strings.Repeat("x", maxEntry)
	for name, c := range map[string]struct {
		kind, body string
		want       int
	}{
		"multipart":        {"multipart/form-data; boundary=x", "--x--", 400},
		"text":             {"text/plain", "name=alice", 400},
		"no type":          {"", "name=alice", 400},
		"a broken type":    {"a/b/c;;", "name=alice", 400},
		"too long":         {formType, "name=alice&password=" + long, 413},
		"too long, JSON":   {"application/json", `{"name":"` + long + `"}`, 413},
		"a broken escape":  {formType, "name=%zz", 400},
		"a semicolon":      {formType, "name=a;password=b", 400},
		"two names":        {formType, "name=a&name=b", 400},
		"no UTF-8":         {formType, "name=%ff", 400},
		"no UTF-8, raw":    {formType, "name=\xff", 400},
		"broken JSON":      {"application/json", `{"name":`, 400},
		"two objects":      {"application/json", `{}{}`, 400},
		"a list":           {"application/json", `[]`, 400},
		"a number":         {"application/json", `{"name":1}`, 400},
		"JSON, no UTF-8":   {"application/json", "{\"name\":\"\xff\"}", 400},
		"an empty object":  {"application/json", `{}`, 400},
		"a form of a page": {formType, "name=alice&password=secret-a", 403},
	} {
		got := p.do(http.MethodPost, "/.auth/login", c.kind, c.body)
		if got.StatusCode != c.want {
			t.Errorf("%s: got %d %s, want %d", name, got.StatusCode, got.text, c.want)
		}
	}
	if asked := s.dir.asked.Load(); asked != 0 {
		t.Errorf("got %d questions to a controller, want none", asked)
	}
}

func TestHostileNamesInTheLog(t *testing.T) {
	s := newSite(t, nil)
	p := s.person()
	p.logIn(p.get("/"), "ev\r\nil\x1b[31m"+strings.Repeat("x", 200), "wrong")
	lines := s.logs.FilterMessage(decision).All()
	claimed, _ := lines[len(lines)-1].ContextMap()["user_claimed"].(string)
	if claimed == "" || strings.ContainsAny(claimed, "\r\n\x1b") || len(claimed) > maxClaimed {
		t.Errorf("got %q", claimed)
	}
}

// TestCodeEndsNoPassword: a code that goes behind the password, because the site asks for
// none, does not end it for a controller whose strings end at NUL.
func TestCodeEndsNoPassword(t *testing.T) {
	s := newSite(t, nil)
	p := s.person()
	p.program = true
	p.json(map[string]string{"name": "alice", "password": "secret-a", "code": "\x00123"}).want(t, 401, `Bearer realm="127.0.0.1"`)
	if got := s.dir.asked.Load(); got != 0 {
		t.Errorf("got %d questions to a controller, want none", got)
	}
}

// TestKeyEndsWithoutControllers: whoever has lost a key ends it while no controller answers,
// and his identity is too old to be used.
func TestKeyEndsWithoutControllers(t *testing.T) {
	s := newSite(t, nil)
	s.dir.at = func() time.Time { return time.Now().Add(-time.Hour) }
	p := s.person()
	p.program = true
	key, _ := p.json(map[string]string{"name": "alice", "password": "secret-a"}).object(t)["key"].(string)
	s.dir.refresh = func(*identity.Identity) error { return errUnavailable() }
	p.headers["Authorization"] = "Bearer " + key
	p.get("/").want(t, 503)
	p.do(http.MethodPost, "/.auth/logout", "", "").want(t, 204)
	p.do(http.MethodPost, "/.auth/logout", "", "").want(t, 401, `Bearer realm="127.0.0.1"`)
}
