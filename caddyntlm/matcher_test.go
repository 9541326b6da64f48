package caddyntlm

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// asker answers with what the matchers say.
func asker(t *testing.T, matchers map[string]caddyhttp.RequestMatcherWithError) middleware {
	return func(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
		for name, m := range matchers {
			matches, err := m.MatchWithError(r)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if matches {
				_, _ = fmt.Fprintf(w, "%s,", name)
			}
		}
		return nil
	}
}

func user(t *testing.T, names ...string) caddyhttp.RequestMatcherWithError {
	t.Helper()
	m := new(MatchWindowsUser)
	m.Names = names
	if err := m.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	return m
}

func group(t *testing.T, names ...string) caddyhttp.RequestMatcherWithError {
	t.Helper()
	m := new(MatchWindowsGroup)
	m.Names = names
	if err := m.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMatchers(t *testing.T) {
	for _, test := range []struct {
		name       string
		matcher    caddyhttp.RequestMatcherWithError
		alice, bob bool
	}{
		{"user", user(t, "ALICE"), true, false},
		{"several users", user(t, "carol", "bob"), false, true},
		{"user with domain", user(t, `EXAMPLE\alice`), true, false},
		{"user of another domain", user(t, `OTHER\alice`), false, false},
		{"user by UPN", user(t, "bob@example.com"), false, true},
		{"user by DN", user(t, "cn=Alice, dc=example,dc=com"), true, false},
		{"user by SID", user(t, fakeSID("EXAMPLEbob").String()), false, true},
		{"group", group(t, "hr"), true, false},
		{"several groups", group(t, "None", `EXAMPLE\Users`), true, true},
		{"group by DN", group(t, "CN=HR,DC=example,DC=com"), true, false},
		{"group by the user's name", group(t, "alice"), false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newDoor(t, func(d *door) {
				d.inner = append(d.inner, asker(t, map[string]caddyhttp.RequestMatcherWithError{"it": test.matcher}))
			})
			for account, want := range map[string]bool{"alice secret-a": test.alice, "bob secret-b": test.bob} {
				name, password, _ := strings.Cut(account, " ")
				text := ""
				if want {
					text = "it,"
				}
				d.dial(t).get(basic(name, password)).wantText(t, text)
			}
		})
	}
}

// A bare name is of the first directory of the windows_auth that let them in.
func TestMatchersScope(t *testing.T) {
	d := newDoor(t, func(d *door) {
		d.inner = append(d.inner, asker(t, map[string]caddyhttp.RequestMatcherWithError{"it": user(t, "alice")}))
	})
	d.scope.First = "OTHER"
	d.dial(t).get(basic("alice", "secret-a")).wantText(t, "")
}

// Nobody is in no group: before windows_auth, behind a bypass, after a refusal.
func TestMatchersWithoutIdentity(t *testing.T) {
	matchers := map[string]caddyhttp.RequestMatcherWithError{
		"user": user(t, "alice"), "group": group(t, "Users"), "everyone": group(t, "S-1-1-0"),
	}
	d := newDoor(t, func(d *door) { d.inner = append(d.inner, asker(t, matchers)) })
	d.bypasses = []bypass{{}}
	d.dial(t).get(basic("alice", "secret-a")).wantText(t, "")

	r, err := http.NewRequest("GET", "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range matchers {
		for _, vars := range []map[string]any{nil, {answerVar: (*visit)(nil)}, {answerVar: "alice"}} {
			r = r.WithContext(context.WithValue(t.Context(), caddyhttp.VarsCtxKey, vars))
			if matches, err := m.MatchWithError(r); matches || err != nil {
				t.Errorf("%s: got %v, %v", name, matches, err)
			}
		}
	}
}

// No names are nobody, not everybody.
func TestMatcherMistakes(t *testing.T) {
	for want, names := range map[string][]string{
		"names nobody": nil, "empty name": {""}, "distinguished name": {"CN=Users,DC"}, `want DOMAIN\name`: {`\alice`},
	} {
		u, g := new(MatchWindowsUser), new(MatchWindowsGroup)
		u.Names, g.Names = names, names
		for _, m := range []caddy.Provisioner{u, g} {
			if err := m.Provision(caddy.Context{}); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
		}
	}
}

func init() {
	caddy.RegisterModule(new(namedUser))
	caddy.RegisterModule(new(namedGroup))
}

// namedUser and namedGroup are the modules as the room of words has them.
type (
	namedUser  struct{ MatchWindowsUser }
	namedGroup struct{ MatchWindowsGroup }
)

func (*namedUser) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.matchers.windows_user", New: func() caddy.Module { return new(namedUser) }}
}

func (*namedGroup) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.matchers.windows_group", New: func() caddy.Module { return new(namedGroup) }}
}

// Expressions know both, with one name or several, and names are compiled when
// the configuration loads.
func TestMatchersInExpressions(t *testing.T) {
	for expression, want := range map[string]string{
		"windows_user('alice')":                                       "alice",
		"windows_user('bob', 'alice')":                                "alice bob",
		"windows_group('HR', 'None')":                                 "alice",
		"windows_group('Users') && !windows_user('alice')":            "bob",
		`windows_user('EXAMPLE\\\\bob') || windows_group(\"None\")`:   "bob",
		"windows_group('HR') || {http.request.uri.path} == '/nobody'": "alice",
	} {
		t.Run(expression, func(t *testing.T) {
			config := strings.Replace(caddyRoutes, `"require": {"user": ["alice"]}`, `"require": {"valid_user": true}`, 1)
			config = strings.Replace(config, `{"handler": "test_tell_name"}
]}`, `{"handler": "subroute", "routes": [
			{"match": [{"expression": "`+expression+`"}], "handle": [{"handler": "static_response", "body": "it"}]},
			{"handle": [{"handler": "static_response", "body": "other"}]}]}]}`, 1)
			d := loadRoutes(t, "", config)
			for _, account := range []string{"alice secret-a", "bob secret-b"} {
				name, password, _ := strings.Cut(account, " ")
				text := "other"
				if strings.Contains(want, name) {
					text = "it"
				}
				d.dial(t).get(basic(name, password)).wantText(t, text)
			}
		})
	}
	for expression, want := range map[string]string{
		"windows_group()":                      "at least one argument",
		"windows_user(7)":                      "string constants",
		`windows_user('\\\\\\\\alice')`:        `want DOMAIN`,
		"windows_group('CN=HR,DC')":            "distinguished name",
		"windows_user('alice') == 'something'": "no matching overload",
	} {
		config := strings.Replace(caddyRoutes, `{"handler": "test_tell_name"}
]}`, `{"handler": "test_tell_name"}], "match": [{"expression": "`+expression+`"}]}`, 1)
		err := caddy.Load(routesConfig(t, "", config), true)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", expression, err, want)
		}
	}
}
