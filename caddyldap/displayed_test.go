package caddyldap

import (
	"errors"
	"strings"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// TestWantLoginName: what looks like a display name is told of, where the name is
// the likely fault and nothing else is known.
func TestWantLoginName(t *testing.T) {
	bad := identity.Fail(identity.KindBadCredentials, errors.New("data 52e"))
	for _, c := range []struct {
		name, user, wanted string
		err                error
		hinted             bool
	}{
		{"a display name", "Alice Adams", "uid", bad, true},
		{"a log-in name", "alice", "uid", bad, false},
		{"spaces around", " alice ", "uid", bad, false},
		{"names have spaces", "Alice Adams", "", bad, false},
		{"a locked account", "Alice Adams", "uid", identity.Fail(identity.KindLocked, nil), false},
		{"no controller", "Alice Adams", "uid", identity.Fail(identity.KindUnavailable, nil), false},
		{"known better", "Alice Adams", "uid", &identity.Error{Kind: identity.KindBadCredentials, Hint: "something else"}, false},
		{"no kind", "Alice Adams", "uid", errors.New("x"), false},
		{"success", "Alice Adams", "uid", nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := wantLoginName(identity.Name{User: c.user}, c.wanted, c.err)
			e, _ := err.(*identity.Error)
			if got := e != nil && strings.Contains(e.Hint, "display name"); got != c.hinted {
				t.Errorf("got hint %v, want %v: %v", got, c.hinted, err)
			}
			if !c.hinted && err != c.err {
				t.Errorf("got %v, want what came in", err)
			}
		})
	}
	if bad.Hint != "" {
		t.Error("the error that came in was changed")
	}
}

// TestLoginNames: where names with spaces are log-in names, a space says nothing.
func TestLoginNames(t *testing.T) {
	for _, c := range []struct {
		name string
		form string
		user *User
		want string
	}{
		{"nothing said", "", nil, "sAMAccountName or UPN, or uid"},
		{"search", bindSearch, &User{Filter: "(a=b)"}, "sAMAccountName or UPN, or uid"},
		{"another attribute", bindSearch, &User{Attribute: "mail"}, "mail"},
		{"the common name", bindSearch, &User{Attribute: "CN"}, ""},
		{"template", bindTemplate, nil, ""},
		{"absolute", bindAbsolute, nil, ""},
		{"relative", bindRelative, nil, ""},
		{"direct", bindDirect, nil, "sAMAccountName or UPN, or uid"},
	} {
		d := &Directory{User: c.user}
		if c.form != "" {
			d.BindAs = &BindAs{Form: c.form}
		}
		if got := d.loginNames(); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
