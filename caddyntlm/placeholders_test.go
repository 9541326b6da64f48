package caddyntlm

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// words are all placeholders about the user.
var words = []string{"id", "sam", "domain", "logon", "upn", "dn", "sid", "display_name", "mail", "groups", "roles", "scheme", "verifier", "rule"}

// teller answers with every placeholder, one a line.
func teller(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	for _, word := range words {
		_, _ = w.Write([]byte(word + "=" + repl.ReplaceAll("{http.auth.user."+word+"}", "none") + "\n"))
	}
	return nil
}

type middleware func(http.ResponseWriter, *http.Request, caddyhttp.Handler) error

func (m middleware) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return m(w, r, next)
}

func TestPlaceholders(t *testing.T) {
	d := newDoor(t, func(d *door) { d.inner = append(d.inner, middleware(teller)) })
	c := d.dial(t)
	got := c.login("alice", "secret-a").text
	want := `id=alice
sam=alice
domain=EXAMPLE
logon=EXAMPLE\alice
upn=alice@example.com
dn=CN=alice,DC=example,DC=com
sid=` + d.dir.sid("alice").String() + `
display_name=The alice
mail=alice@mail.example.com
groups=HR,Users
roles=none
scheme=ntlm
verifier=fake
rule=valid-user
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := c.get(basic("bob", "secret-b")).text; !strings.Contains(got, "scheme=basic\n") || !strings.HasPrefix(got, "id=bob\n") {
		t.Errorf("got\n%s", got)
	}
}

func TestUsernameFormats(t *testing.T) {
	tests := []struct {
		name    string
		format  *Username
		several bool
		want    string
	}{
		{"default", nil, false, "Alice"},
		{"several directories", nil, true, `EXAMPLE\Alice`},
		{"sam with several", &Username{Format: "sam"}, true, "Alice"},
		{"logon", &Username{Format: "logon"}, false, `EXAMPLE\Alice`},
		{"upn", &Username{Format: "upn"}, false, "Alice@example.com"},
		{"dn", &Username{Format: "dn"}, false, "CN=Alice,DC=example,DC=com"},
		{"sid", &Username{Format: "sid"}, false, fakeSID("EXAMPLEAlice").String()},
		{"lower", &Username{Lower: true}, false, "alice"},
		{"logon lower", &Username{Format: "logon", Lower: true}, false, `example\alice`},
	}
	id := newFakeDirectory("EXAMPLE").account("Alice")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			write, err := tt.format.format(tt.several)
			if err != nil {
				t.Fatal(err)
			}
			if got := write(id); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	if _, err := (&Username{Format: "SAM"}).format(false); err == nil {
		t.Error("got no error for an unknown format")
	}
}

// An empty name would be nobody to an application.
func TestNameless(t *testing.T) {
	d := newDoor(t, func(d *door) { d.Username = &Username{Format: "upn"} })
	d.dir.resolve = func(id *identity.Identity) error { id.UPN = ""; return nil }
	d.dial(t).login("alice", "secret-a").want(t, 500)
	if d.served.Load() != 0 {
		t.Error("a nameless user reached the application")
	}
}

// whatever a request carries, it cannot make itself somebody, and a
// refused request is nobody to an error page.
func TestPlaceholdersCannotBeSmuggled(t *testing.T) {
	h := &Handler{InsecureBasic: true}
	h.log, h.now = caddy.Log(), newFakeDirectory("x").at
	if err := h.settle([]directory{newFakeDirectory("EXAMPLE")}); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/?http.auth.user.id=admin&windows_auth=admin", nil)
	for _, name := range []string{"Http.auth.user.id", "Remote-User", "X-Remote-User", "Windows_auth", "{http.auth.user.id}"} {
		r.Header[name] = []string{"admin"}
	}
	repl := caddy.NewReplacer()
	r = caddyhttp.PrepareRequest(r, repl, nil, nil)
	repl.Set("http.auth.user.id", "left by another handler")
	err := h.ServeHTTP(httptest.NewRecorder(), r, caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
		t.Error("the request was let in")
		return nil
	}))
	if err == nil {
		t.Error("got no error")
	}
	for _, word := range words {
		if got, ok := repl.Get("http.auth.user." + word); ok {
			t.Errorf("got %s = %v, want none", word, got)
		}
	}
	require := &Require{log: caddy.Log()}
	require.rule, _ = policy.Compile(policy.Rule{ValidUser: true})
	for _, forged := range []any{"admin", (*visit)(nil), &visit{}, map[string]string{"id": "admin"}} {
		caddyhttp.SetVar(r.Context(), answerVar, forged)
		if err := require.ServeHTTP(httptest.NewRecorder(), r, nil); err == nil || err.(caddyhttp.HandlerError).StatusCode != 500 {
			t.Errorf("%T: got %v, want a 500", forged, err)
		}
	}
}

// What another authentication handler says of the user gives way.
func TestPlaceholdersOfAnotherHandler(t *testing.T) {
	h, r := knownRequest(t)
	repl := caddy.NewReplacer()
	r = caddyhttp.PrepareRequest(r, repl, nil, nil)
	repl.Set("http.auth.user.id", "bob")
	repl.Set("http.auth.user.role", "admin")
	err := h.ServeHTTP(httptest.NewRecorder(), r, caddyhttp.HandlerFunc(bareHandler))
	if got, _ := repl.GetString("http.auth.user.id"); err != nil || got != "alice" {
		t.Errorf("got %q, %v, want alice", got, err)
	}
	if got, ok := repl.Get("http.auth.user.role"); ok {
		t.Errorf("got role %v, want none", got)
	}
}

// An inner windows_auth of the same directory takes the outer one's word, and
// its answer replaces the other's.
func TestInnerDoor(t *testing.T) {
	inner := prepareDoor(t, func(d *door) {
		d.Username = &Username{Format: "logon"}
		d.Require = &policy.Rule{User: []string{"alice"}}
	})
	d := newDoor(t, func(d *door) { d.inner = append(d.inner, inner.Handler) })
	c := d.dial(t)
	c.login("alice", "secret-a").wantUser(t, `EXAMPLE\alice`)
	c.get().wantUser(t, `EXAMPLE\alice`)
	c.get(basic("alice", "secret-a")).wantUser(t, `EXAMPLE\alice`)
	c.get(basic("bob", "secret-b")).want(t, 403)
}

// An inner windows_auth of another directory knows nobody: the refused request
// has no identity left, not even the outer one's.
func TestInnerDoorOfAnotherDirectory(t *testing.T) {
	inner := prepareDoor(t, func(d *door) { d.dir = newFakeDirectory("OTHER") })
	var seen []any
	look := middleware(func(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
		err := next.ServeHTTP(w, r)
		got, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer).Get("http.auth.user.id")
		seen = append(seen, got, ok)
		return err
	})
	d := newDoor(t, func(d *door) { d.inner = append(d.inner, look, inner.Handler) })
	d.dial(t).login("alice", "secret-a").want(t, 401, both...)
	if len(seen) != 2 || seen[1] != false {
		t.Errorf("got %v, want no identity", seen)
	}
}

// TestAttributePlaceholders: known ones have a value, be it empty; an unread one
// is no placeholder.
func TestAttributePlaceholders(t *testing.T) {
	v := &visit{id: identity.New(identity.Account{Details: &identity.Details{
		Attributes: []identity.Attribute{{Name: "department", Values: []string{"Web", "Ops"}}, {Name: "pager"}},
		Roles:      []string{"staff", "web"},
	}}, strings.ToLower)}
	for key, want := range map[string]any{
		"http.auth.user.attr.department": "Web,Ops", "http.auth.user.attr.DEPARTMENT": "Web,Ops", "http.auth.user.attr.pager": "",
		"http.auth.user.roles": "staff,web", "http.auth.user.attr.title": nil, "http.auth.user.attr.": nil,
	} {
		got, known := v.placeholder(key)
		if known != (want != nil) || known && got != want {
			t.Errorf("%s: got %v, %v, want %v", key, got, known, want)
		}
	}
	for key, want := range map[string]string{
		"http.auth.user.attr.department": "department", "http.auth.user.attr.ms_ds_x": "ms-ds-x", "http.auth.user.attr.a)(b": "", "http.auth.user.mail": "",
	} {
		if got, ok := attributeOf(key); ok != (want != "") || ok && got != want {
			t.Errorf("%s: got %q, %v, want %q", key, got, ok, want)
		}
	}
}
