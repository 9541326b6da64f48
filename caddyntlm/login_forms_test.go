package caddyntlm

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/loginpage"
	"github.com/caddy-ntlm/caddy-ntlm/internal/session"
)

// TestFormsOfStrangers: a form that another site has a browser send logs nobody in, not
// even as the stranger, and nobody out.
func TestFormsOfStrangers(t *testing.T) {
	s := newSite(t, nil)
	victim := s.person()
	victim.logIn(victim.get("/"), "alice", "secret-a")
	fields := victim.get("/.auth/login").fields(t)
	fields.Set("name", "alice")
	fields.Set("password", "secret-a")
	strangers := s.person().get("/").fields(t).Get("token")
	without := func(name string) url.Values {
		changed := make(url.Values)
		for key := range fields {
			if key != name {
				changed.Set(key, fields.Get(key))
			}
		}
		return changed
	}
	with := func(name, value string) url.Values {
		changed := without(name)
		changed.Set(name, value)
		return changed
	}
	asked := s.dir.asked.Load()
	for name, c := range map[string]struct {
		fields  url.Values
		headers map[string]string
		cookie  string // in the place of the form's; - for none
	}{
		"no token":               {without("token"), nil, ""},
		"a stranger's token":     {with("token", strangers), nil, ""},
		"an empty token":         {with("token", ""), nil, ""},
		"no cookie":              {fields, nil, "-"},
		"another cookie":         {fields, nil, loginpage.NewCookie()},
		"a weak cookie":          {with("token", loginpage.NewToken("a")), nil, "a"},
		"another site":           {fields, map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example.net"}, ""},
		"a sister":               {fields, map[string]string{"Sec-Fetch-Site": "same-site", "Origin": "https://evil.example.com"}, ""},
		"another site, old":      {fields, map[string]string{"Sec-Fetch-Site": "", "Origin": "https://evil.example.net"}, ""},
		"a sandbox, old":         {fields, map[string]string{"Sec-Fetch-Site": "", "Origin": "null"}, ""},
		"a proxy that says host": {fields, map[string]string{"Sec-Fetch-Site": "", "Origin": "https://evil.example.net", "X-Forwarded-Host": "evil.example.net"}, ""},
	} {
		p := s.person()
		for key, value := range victim.cookies {
			p.cookies[key] = value
		}
		p.headers = c.headers
		switch c.cookie {
		case "":
		case "-":
			delete(p.cookies, formCookieName)
		default:
			p.cookies[formCookieName] = c.cookie
		}
		for _, path := range []string{"/.auth/login", "/.auth/logout"} {
			got := p.post(path, c.fields)
			heading := map[string]string{"/.auth/login": "Sign in", "/.auth/logout": "Sign out"}[path]
			got.wantPage(t, 403, heading, "This page had been open for too long")
			s.wantReason(t, identity.KindForm)
			if strings.Contains(strings.Join(got.Header["Set-Cookie"], " "), s.sessions.cookie+"=") {
				t.Errorf("%s, %s: got a session's cookie", name, path)
			}
		}
	}
	if got := s.dir.asked.Load(); got != asked {
		t.Errorf("got %d questions to a controller, want none", got-asked)
	}
	victim.get("/").wantUser(t, "alice")
}

// TestEntryUnread: a program that sends something else is told 400 where that shows, and
// the log says in each case what to send.
func TestEntryUnread(t *testing.T) {
	s := newSite(t, nil)
	p := s.person()
	for name, c := range map[string]struct {
		kind, body string
		want       int
		field      string
	}{
		"no password":     {"application/json", `{"name": "alice"}`, 400, "password"},
		"no name":         {"application/json", `{"user": "alice", "password": "secret-a"}`, 400, "name"},
		"a number":        {"application/json", `{"name": 1, "password": "secret-a"}`, 400, "name"},
		"a code's number": {"application/json", `{"name": "alice", "password": "secret-a", "code": 123456}`, 400, "code"},
		"a list":          {"application/json", `[{"name": "alice"}]`, 400, ""},
		"two objects":     {"application/json", `{"name": "alice", "password": "secret-a"} {}`, 400, ""},
		"another type":    {"text/plain", `{"name": "alice", "password": "secret-a"}`, 400, ""},
		"curl's own type": {formType, `{"name":"alice","password":"secret-a"}`, 403, ""},
	} {
		if got := p.do("POST", "/.auth/login", c.kind, c.body); got.StatusCode != c.want {
			t.Errorf("%s: got %d %s, want %d", name, got.StatusCode, got.text, c.want)
		} else if c.field != "" && got.object(t)["field"] != c.field {
			t.Errorf("%s: got %s, want the field %s", name, got.text, c.field)
		}
		lines := s.logs.FilterMessage(decision).All()
		fields := lines[len(lines)-1].ContextMap()
		hint, _ := fields["hint"].(string)
		if said := fmt.Sprint(fields["error"]); !strings.HasSuffix(hint, hintEntry) || c.field != "" && !strings.Contains(said, ": "+c.field+" is ") {
			t.Errorf("%s: got the error %q and the hint %q", name, said, hint)
		}
		if strings.Contains(fmt.Sprint(fields), "123456") {
			t.Errorf("%s: the log shows the code: %v", name, fields)
		}
	}
	if got := p.json(map[string]string{"name": "alice", "password": ""}); got.StatusCode != 401 {
		t.Errorf("an empty password: got %d, want 401", got.StatusCode)
	}
}

// TestScriptsOfStrangers: JSON of another site's page opens nothing either.
func TestScriptsOfStrangers(t *testing.T) {
	s := newSite(t, nil)
	p := s.person()
	for name, headers := range map[string]map[string]string{
		"another site": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Origin": "https://evil.example.net"},
		"old browser":  {"Sec-Fetch-Site": "", "Sec-Fetch-Mode": "", "Origin": "https://evil.example.net"},
	} {
		p.headers = headers
		got := p.json(map[string]string{"name": "alice", "password": "secret-a"})
		if got.StatusCode != 403 || len(got.Header["Set-Cookie"]) > 0 || got.object(t)["reason"] != "stale_form" {
			t.Errorf("%s: got %d %s %v, want 403", name, got.StatusCode, got.text, got.Header["Set-Cookie"])
		}
		if got := p.do("OPTIONS", "/.auth/login", "", ""); got.StatusCode != 405 || got.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: got %d to a preflight, want 405 and no leave", name, got.StatusCode)
		}
	}
}

// TestTwoTabs: each page that was open when another tab logged in or out still works.
func TestTwoTabs(t *testing.T) {
	s := newSite(t, nil)
	p := s.person()
	first := p.get("/one")
	cookie := p.cookies[formCookieName]
	second := p.get("/two")
	if p.cookies[formCookieName] != cookie {
		t.Error("the second page changed the cookie")
	}
	if got := p.logIn(first, "alice", "secret-a"); got.Header.Get("Location") != "/one" {
		t.Errorf("got %d %q, want to go to /one, reason %s: %s", got.StatusCode, got.Header.Get("Location"), s.reason(), got.text)
	}
	before := p.cookies[s.sessions.cookie]
	if got := p.logIn(second, "alice", "secret-a"); got.Header.Get("Location") != "/two" {
		t.Errorf("got %d %q, want to go to /two", got.StatusCode, got.Header.Get("Location"))
	}
	if after := p.cookies[s.sessions.cookie]; after == before {
		t.Error("a second log-in kept the first one's session")
	}
	p.get("/").wantUser(t, "alice")
}

func TestProgramsGetAKey(t *testing.T) {
	s := newSite(t, nil)
	s.dir.details = &identity.Details{Roles: []string{"staff", "editor"}}
	p := s.person()
	p.program = true
	got := p.json(map[string]string{"name": `EXAMPLE\alice`, "password": "secret-a", "code": ""})
	if got.StatusCode != 200 || got.Header.Get("Cache-Control") != "no-store" || len(got.Header["Set-Cookie"]) > 0 {
		t.Fatalf("got %d %v %s", got.StatusCode, got.Header, got.text)
	}
	object := got.object(t)
	key, _ := object["key"].(string)
	expires, err := time.Parse(time.RFC3339, object["expires"].(string))
	if object["name"] != "The alice" || object["level"] != "staff" || len(key) < 43 || err != nil || len(object) != 4 {
		t.Errorf("got %v, want name, level, key and expires", object)
	}
	if left := time.Until(expires); left < 7*time.Hour || left > 8*time.Hour {
		t.Errorf("got a key for %v, want 8h", left)
	}
	p.headers["Authorization"] = "Bearer " + key
	p.get("/").wantUser(t, "alice")
	who := p.get("/.auth/whoami").object(t)
	if who["name"] != "The alice" || who["id"] != "alice" || who["level"] != "staff" || who["expires"] != object["expires"] || who["scheme"] != "form" || who["domain"] != "EXAMPLE" {
		t.Errorf("got %v", who)
	}
	if got := p.do("POST", "/.auth/logout", "", ""); got.StatusCode != 204 {
		t.Errorf("got %d to a log-out, want 204", got.StatusCode)
	}
	left := s.logs.FilterField(zap.String("event", "logout")).All()
	if len(left) != 1 || left[0].ContextMap()["user"] != `EXAMPLE\alice` {
		t.Errorf("the log says of the log-out %v, want one line and whose it was", left)
	}
	if got := p.get("/"); got.StatusCode != 401 {
		t.Errorf("got %d by a key that was given back, want 401", got.StatusCode)
	}
	if got := p.do("POST", "/.auth/logout", "", ""); got.StatusCode != 401 || got.object(t)["reason"] != "session" {
		t.Errorf("got %d %s to another log-out, want 401", got.StatusCode, got.text)
	}
	for _, line := range s.logs.All() {
		for _, value := range line.ContextMap() {
			if text, ok := value.(string); ok && (strings.Contains(text, key) || strings.Contains(text, "secret-a")) {
				t.Errorf("the log holds a secret: %s", text)
			}
		}
	}
}

func TestWhoAmI(t *testing.T) {
	s := newSite(t, nil)
	p := s.person()
	p.headers["Accept"] = "application/json"
	p.headers["Sec-Fetch-Mode"] = "cors"
	got := p.get("/.auth/whoami")
	if got.StatusCode != 401 || got.object(t)["reason"] != "no_credentials" || got.Header.Get("Www-Authenticate") == "" {
		t.Errorf("got %d %v %s, want 401 in JSON", got.StatusCode, got.Header, got.text)
	}
	p.headers = map[string]string{}
	p.logIn(p.get("/"), "alice", "secret-a")
	who := p.get("/.auth/whoami")
	if object := who.object(t); object["id"] != "alice" || object["groups"] == nil || object["expires"] == nil {
		t.Errorf("got %v", object)
	}
	if who.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("got %v", who.Header)
	}
	bob := s.person()
	bob.program = true
	bob.headers["Authorization"] = strings.TrimPrefix(basic("bob", "secret-b"), "Authorization: ")
	if got := bob.get("/.auth/whoami"); got.StatusCode != 403 || got.object(t)["reason"] != "denied" {
		t.Errorf("got %d %s, want 403", got.StatusCode, got.text)
	}
}

func TestLogOutByThePage(t *testing.T) {
	s := newSite(t, nil)
	p := s.person()
	p.get("/.auth/logout").wantPage(t, 200, "You are signed out", "")
	p.logIn(p.get("/"), "alice", "secret-a")
	stolen := p.cookies[s.sessions.cookie]
	page := p.get("/.auth/logout")
	page.wantPage(t, 200, "Sign out", "")
	p.get("/").wantUser(t, "alice")
	left := p.post("/.auth/logout", page.fields(t))
	left.wantPage(t, 200, "You are signed out", "")
	if got := left.Header.Get("Clear-Site-Data"); got != `"cache"` {
		t.Errorf("got Clear-Site-Data %q", got)
	}
	if _, ok := p.cookies[s.sessions.cookie]; ok {
		t.Error("the browser keeps the cookie")
	}
	p.cookies[s.sessions.cookie] = stolen
	p.get("/").wantPage(t, 401, "Sign in", "")
}

// F-03: a log-out ends what the browser or program has, also where a changed configuration
// would not let it in by that any more.
func TestLogOutOfWhatIsNotOffered(t *testing.T) {
	s := newSite(t, nil)
	p := s.person()
	p.headers["Authorization"] = strings.TrimPrefix(basic("alice", "secret-a"), "Authorization: ")
	p.get("/").wantUser(t, "alice")
	p.headers = map[string]string{}
	p.get("/").wantUser(t, "alice")
	program := s.person()
	program.program = true
	key, _ := program.json(map[string]string{"name": "alice", "password": "secret-a"}).object(t)["key"].(string)
	program.headers["Authorization"] = "Bearer " + key
	program.get("/").wantUser(t, "alice")

	page := p.get("/.auth/logout")
	s.offered = []scheme{schemeNTLM}
	s.directories = []directory{newFakeDirectory("OTHER")}
	p.get("/").wantPage(t, 401, "Sign in", "")
	p.get("/.auth/logout").wantPage(t, 200, "Sign out", "")
	p.post("/.auth/logout", page.fields(t)).wantPage(t, 200, "You are signed out", "")
	program.do(http.MethodPost, "/.auth/logout", "", "").want(t, 204)
	left := 0
	_ = s.sessions.book.Each(t.Context(), func(session.ID, *session.Record) bool { left++; return true })
	if left != 0 {
		t.Errorf("got %d sessions, want none", left)
	}
}

// TestFormOnAnNTLMConnection: who is logged in by connection can be somebody else by the
// form, and nothing of that is written to the connection; a log-out ends both.
func TestFormOnAnNTLMConnection(t *testing.T) {
	s := newSite(t, func(d *door) { d.Require = nil; d.Login.SSO = ssoAll })
	p := s.person()
	p.client.Transport.(*http.Transport).ForceAttemptHTTP2 = false
	p.client.Transport.(*http.Transport).TLSClientConfig.NextProtos = []string{"http/1.1"}
	p.program = true // which gets no session by itself
	ntlm := func(method, path, kind, body, line string) answer {
		p.headers["Authorization"] = strings.TrimPrefix(line, "Authorization: ")
		defer delete(p.headers, "Authorization")
		return p.do(method, path, kind, body)
	}
	first := ntlm("GET", "/", "", "", type1())
	ntlm("GET", "/", "", "", type3(first.challenge(), "bob", "secret-b")).wantUser(t, "bob")
	page := p.get("/.auth/login")
	fields := page.fields(t)
	fields.Set("name", "alice")
	fields.Set("password", "secret-a")
	// The browser begins anew, with an empty body, as it does for a POST.
	again := ntlm("POST", "/.auth/login", formType, "", type1())
	if again.StatusCode != 401 || again.challenge() == nil {
		t.Fatalf("got %d %v, want a challenge", again.StatusCode, again.Header)
	}
	ntlm("POST", "/.auth/login", formType, fields.Encode(), type3(again.challenge(), "bob", "wrong")).want(t, 303)
	if s.logs.FilterField(zap.String("reason", identity.KindBadCredentials.String())).Len() == 0 {
		t.Error("the wrong password on the connection left no line in the log")
	}
	again = ntlm("POST", "/.auth/login", formType, "", type1())
	got := ntlm("POST", "/.auth/login", formType, fields.Encode(), type3(again.challenge(), "bob", "secret-b"))
	if got.StatusCode != 303 {
		t.Fatalf("got %d %s, want 303", got.StatusCode, got.text)
	}
	p.get("/").wantUser(t, "alice")
	session := p.cookies[s.sessions.cookie]
	delete(p.cookies, s.sessions.cookie)
	p.get("/").wantUser(t, "bob") // the connection's own
	p.cookies[s.sessions.cookie] = session
	left := p.post("/.auth/logout", p.get("/.auth/logout").fields(t))
	left.wantPage(t, 200, "You are signed out", "")
	if !left.Close {
		t.Error("the connection stays open after a log-out")
	}
	delete(p.cookies, s.sessions.cookie)
	if got := p.get("/"); got.StatusCode != 401 {
		t.Errorf("got %d %s, want 401", got.StatusCode, got.text)
	}
}

// TestFreshGroupsOfAForm: groups that deny are asked for again, and the answer goes
// nowhere but into the session, also on a connection of somebody else.
func TestFreshGroupsOfAForm(t *testing.T) {
	now := time.Now()
	s := newSite(t, func(d *door) { d.dir.at = func() time.Time { return now.Add(-time.Minute) } })
	p := s.person()
	p.client.Transport.(*http.Transport).ForceAttemptHTTP2 = false
	p.client.Transport.(*http.Transport).TLSClientConfig.NextProtos = []string{"http/1.1"}
	p.program = true // which gets no session by itself
	p.headers["Authorization"] = strings.TrimPrefix(type1(), "Authorization: ")
	first := p.get("/")
	p.headers["Authorization"] = strings.TrimPrefix(type3(first.challenge(), "alice", "secret-a"), "Authorization: ")
	p.get("/").wantUser(t, "alice")
	delete(p.headers, "Authorization")
	before := s.dir.refreshed.Load()
	p.logIn(p.get("/.auth/login"), "bob", "secret-b").wantPage(t, 403, "No access", "")
	if refreshed := s.dir.refreshed.Load() - before; refreshed != 1 {
		t.Errorf("got %d look-ups, want one before a denial", refreshed)
	}
	p.get("/").wantUser(t, "alice")
}
