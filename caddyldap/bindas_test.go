package caddyldap

import (
	"strings"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// TestBindTargets: what a typed name becomes; nothing in it reaches beyond its
// place (threats D-02).
func TestBindTargets(t *testing.T) {
	template := &BindAs{Form: "template", Template: "uid={user},ou=people,dc=example,dc=test"}
	bases := []string{"ou=people,dc=example,dc=test", "ou=partners,dc=example,dc=test"}
	for name, c := range map[string]struct {
		as    *BindAs
		user  *User
		bases []string
		typed string
		want  string // names, or the kind of failure
	}{
		"template":             {template, nil, nil, "alice", "uid=alice,ou=people,dc=example,dc=test"},
		"escaped":              {template, nil, nil, `a,ou=x+b="c"#`, `uid=a\,ou=x\+b=\"c\"#,ou=people,dc=example,dc=test`},
		"placeholder typed":    {template, nil, nil, "{user}", `uid={user},ou=people,dc=example,dc=test`},
		"domain of ours":       {template, nil, nil, `EXAMPLE\alice`, "uid=alice,ou=people,dc=example,dc=test"},
		"domain of others":     {template, nil, nil, `OTHER\alice`, "identity_mismatch"},
		"absolute":             {&BindAs{Form: "absolute"}, nil, bases, "uid=p,OU=Partners,dc=example,dc=test", "uid=p,OU=Partners,dc=example,dc=test"},
		"absolute with escape": {&BindAs{Form: "absolute"}, nil, bases, `cn=B\, C,ou=people,dc=example,dc=test`, `cn=B\, C,ou=people,dc=example,dc=test`},
		"absolute elsewhere":   {&BindAs{Form: "absolute"}, nil, bases, "cn=admin,dc=example,dc=test", "not_found"},
		"the base itself":      {&BindAs{Form: "absolute"}, nil, bases, bases[0], "not_found"},
		"absolute no DN":       {&BindAs{Form: "absolute"}, nil, bases, "alice", "bad_credentials"},
		"relative":             {&BindAs{Form: "relative"}, nil, bases, "cn=a", "cn=a," + bases[0] + "|cn=a," + bases[1]},
		"relative no DN":       {&BindAs{Form: "relative"}, nil, bases, "a", "bad_credentials"},
		"direct":               {nil, nil, nil, "alice", `EXAMPLE\alice`},
		"suffix":               {nil, &User{Suffix: "@corp.example"}, nil, "alice", "alice@corp.example"},
		"suffix and domain":    {nil, &User{Suffix: "@corp.example"}, nil, `EXAMPLE\alice`, `EXAMPLE\alice`},
		"suffix and UPN":       {nil, &User{Suffix: "@corp.example"}, nil, "alice@x.example", "alice@x.example"},
	} {
		d, _ := open(t, &Directory{Server: []Server{{URL: "ldaps://127.0.0.1:1636"}}, BindAs: c.as, User: c.user, BaseDN: c.bases}, "EXAMPLE")
		targets, err := d.bindTargets(t.Context(), identity.ParseName(c.typed))
		got := make([]string, len(targets))
		for i, target := range targets {
			got[i] = target.name
			if target.dn != (c.as != nil) {
				t.Errorf("%s: got dn %v", name, target.dn)
			}
		}
		text := strings.Join(got, "|")
		if err != nil {
			text = identity.KindOf(err).String()
		}
		if text != c.want {
			t.Errorf("%s: got %s, want %s", name, text, c.want)
		}
	}
}

// TestUserFilter holds for everybody, by every way to log in and at a refresh.
func TestUserFilter(t *testing.T) {
	s := startDemo(t, nil)
	for filter, want := range map[string]identity.Kind{"(objectClass=user)": 0, "(displayName=nobody)": identity.KindNotFound} {
		config := demoDirectory(s)
		config.User = &User{Filter: filter}
		d, _ := open(t, config, "EXAMPLE")
		id, err := logIn(t, d, "alice", "Secr3t-alice")
		if (want == 0) != (err == nil) || err != nil && identity.KindOf(err) != want {
			t.Errorf("%s: got %v, want %v", filter, err, want)
		}
		if id != nil {
			d.User.Filter = "(displayName=nobody)" // as when the entry changes
			if _, err := d.Refresh(t.Context(), id); identity.KindOf(err) != identity.KindNotFound {
				t.Errorf("refreshed: got %v, want %v", err, identity.KindNotFound)
			}
		}
	}
}
