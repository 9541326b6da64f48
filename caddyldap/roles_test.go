package caddyldap

import (
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// TestRuledRoles: a role that no map of any directory gives keeps a configuration
// from starting, also in a none, and whichever directory gives it is enough.
func TestRuledRoles(t *testing.T) {
	mapped := func(role string) *Directory {
		return &Directory{Server: []Server{{URL: "ldaps://127.0.0.1:1"}}, Map: &Map{Fallback: []string{"guest"}, Lines: []MapLine{{"department", "Web", []string{role}}}}}
	}
	for name, c := range map[string]struct {
		rule policy.Rule
		want string // in the error, empty for none
	}{
		"all are given":  {policy.Rule{Role: []string{"Staff", "partner", "GUEST", "short"}}, ""},
		"one is not":     {policy.Rule{Any: []policy.Rule{{Role: []string{"staff", "stuff"}}, {ValidUser: true}}}, "require role staff stuff: no map of EXAMPLE, OTHER, PLAIN, 127.0.0.1 gives the role stuff"},
		"one in a none":  {policy.Rule{All: []policy.Rule{{ValidUser: true}, {None: []policy.Rule{{Role: []string{"contractor"}}}}}}, "gives the role contractor"},
		"the cure":       {policy.Rule{Role: []string{"stuff"}}, "mend the name, or add a line to map that gives it"},
		"nothing to say": {policy.Rule{ValidUser: true}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := &App{Log: zap.NewNop(), Directories: map[string]*Directory{"EXAMPLE": mapped("staff"), "OTHER": mapped("Partner"), "PLAIN": {Server: []Server{{URL: "ldaps://127.0.0.1:1"}}}}}
			ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
			defer cancel()
			if err := a.Provision(ctx); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = a.Cleanup() }()
			if err := a.Want(WantsOf(c.rule)); err != nil {
				t.Fatal(err)
			}
			if _, err := a.Adopt(ctx, mapped("Short")); err != nil {
				t.Fatal(err)
			}
			err := a.Start()
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if err := CheckRoles([]policy.NamedRole{{Rule: "role x", Role: "x"}}, []*Directory(nil)); err == nil || !strings.Contains(err.Error(), "no map of any directory") {
		t.Errorf("without directories: got %v", err)
	}
}
