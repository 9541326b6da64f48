package caddyldap

import (
	"context"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// ruled runs the self-tests of an app and gives what they warn of about groups,
// by the group's name.
func ruled(t *testing.T, rule policy.Rule, directories map[string]*Directory) map[string]string {
	t.Helper()
	core, logs := observer.New(zap.InfoLevel)
	a := &App{Directories: directories, Log: zap.New(core)}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	t.Cleanup(cancel)
	if err := a.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	for range 2 { // two sites with one rule
		if err := a.Want(WantsOf(rule)); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Start(); err != nil {
		t.Fatal(err)
	}
	for _, d := range directories {
		d.background.Wait() // the self-test's end
	}
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	told := map[string]string{}
	for _, line := range logs.FilterFieldKey("group").All() {
		fields := line.ContextMap()
		group := fields["group"].(string)
		if told[group] != "" {
			t.Errorf("%s is told twice", group)
		}
		told[group] = line.Message + ": " + fields["rule"].(string)
	}
	return told
}

// TestRuledGroups: a name in a rule that no directory has is told after the
// start, once, with its rule; where a directory cannot be asked nothing is told.
func TestRuledGroups(t *testing.T) {
	const absent = "self-test: a rule names a group that no directory has: "
	first := startDemo(t, nil)
	second := startDemo(t, func(c *demodir.Config) {
		c.Domain, c.DNSDomain = "OTHER", "other.test"
		c.Groups = append(c.Groups, demodir.Group{Name: "Partners"})
	})
	directory := func(s *demodir.Server, account *ServiceAccount) *Directory {
		return &Directory{Server: []Server{{URL: s.LDAPS()}}, TLS: &TLS{InsecureSkipVerify: true}, ServiceAccount: account, Timeout: patient()}
	}
	own := &ServiceAccount{Name: "svc-web", Secret: "Secr3t-svc-web"}
	rule := policy.Rule{All: []policy.Rule{
		{Group: []string{"staff", "Stuff", "Administrators", "S-1-5-11", `EXAMPLE\Staff`, `example.test\Staff`, `NOWHERE\Staff`, `BUILTIN\Users`, `EXAMPLE\Users`, `a*)(b`}},
		{None: []policy.Rule{{Group: []string{"CN=Nobody," + first.BaseDN(), "Partners"}}}},
	}}
	list := `group staff Stuff Administrators S-1-5-11 EXAMPLE\Staff example.test\Staff NOWHERE\Staff BUILTIN\Users EXAMPLE\Users a*)(b`
	none := `group "CN=Nobody,` + first.BaseDN() + `" Partners`
	want := map[string]string{
		"Stuff": absent + list, `NOWHERE\Staff`: absent + list, `EXAMPLE\Users`: absent + list, `a*)(b`: absent + list,
		"CN=Nobody," + first.BaseDN(): absent + none, "Partners": absent + none,
	}
	same := func(what string, got, want map[string]string) {
		t.Helper()
		for group, line := range want {
			if got[group] != line {
				t.Errorf("%s: %s: got %q, want %q", what, group, got[group], line)
			}
		}
		for group, line := range got {
			if want[group] == "" {
				t.Errorf("%s: %s: got %q, want nothing", what, group, line)
			}
		}
	}
	same("one directory", ruled(t, rule, map[string]*Directory{"EXAMPLE": directory(first, own)}), want)
	delete(want, "Partners")
	same("two", ruled(t, rule, map[string]*Directory{"EXAMPLE": directory(first, own), "OTHER": directory(second, own)}), want)
	same("one without a service account", ruled(t, rule, map[string]*Directory{"EXAMPLE": directory(first, own), "OTHER": directory(second, nil)}), nil)
	wrong := &ServiceAccount{Name: "svc-web", Secret: "wrong"}
	same("one whose account is refused", ruled(t, rule, map[string]*Directory{"EXAMPLE": directory(first, own), "OTHER": directory(second, wrong)}), nil)
}
