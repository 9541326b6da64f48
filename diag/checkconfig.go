package diag

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
	"github.com/caddy-ntlm/caddy-ntlm/caddyntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// configCheck looks at a configuration and at all that it will need.
type configCheck struct {
	adapter string
	out     io.Writer
	faults  int

	groups map[policy.NamedGroup]caddyldap.Presence // what rules name
	asked  int                                      // directories that know
	opened []*caddyldap.Directory

	refusals caddyldap.Refusals
	wants    caddyldap.Wants // of all rules
}

func checkConfigCommand() *cobra.Command {
	check := new(configCheck)
	cmd := checking(&cobra.Command{
		Use:   "check-config FILE",
		Short: "Will the controllers, accounts and groups of this configuration work?",
		Long: "Reads the configuration without starting anything and looks, for each directory and\n" +
			"each of its controllers, at all that a log-in will need: name, connection, TLS, clock,\n" +
			"service account and its rights, NTLM, the machine account and its secure channel; the\n" +
			"keytab, and whether its names, versions and enctypes are those of the domain; who may\n" +
			"read the secrets of second factors, and write what rules ask about; at the store of\n" +
			"sessions; at what schemes, session, login and totp of each site let nobody in by; and\n" +
			"at the groups that rules name. It says what to do about each thing that\n" +
			"will not work. It sends no password but the service account's own and the store's, and\n" +
			"stops with that where it is refused.\n\n" +
			"Exit code 0: all is well. 1: something will not work. 2: the configuration cannot be read.",
		Args: one("file", "check-config /etc/caddy/Caddyfile"),
	}, func(cmd *cobra.Command, args []string) error {
		check.out = cmd.OutOrStdout()
		return check.run(cmd.Context(), args[0])
	})
	cmd.Flags().StringVar(&check.adapter, "adapter", "", "adapter of the configuration, where its name does not say so")
	return cmd
}

func (c *configCheck) run(ctx context.Context, path string) error {
	document, err := readConfig(path, c.adapter)
	if err != nil {
		return err
	}
	named, own, err := directoriesOf(document)
	if err != nil {
		return err
	}
	if len(named)+len(own) == 0 {
		return &advice{fmt.Errorf("%s has no ldap block and no windows_auth with servers", path), "name the file that Caddy uses"}
	}
	rules, err := rulesOf(document)
	if err != nil {
		return err
	}
	c.groups, c.refusals = make(map[policy.NamedGroup]caddyldap.Presence), make(caddyldap.Refusals)
	for _, rule := range rules {
		for _, group := range rule.Groups() {
			c.groups[group] = caddyldap.GroupAbsent
		}
	}
	c.wants = wantsOf(rules)
	for _, name := range slices.Sorted(maps.Keys(named)) {
		if err := c.directory(ctx, document, "ldap "+name, name, named[name], asksNamed(name)); err != nil {
			return err
		}
	}
	for _, d := range own {
		if err := c.directory(ctx, document, "windows_auth with servers of its own", "", d, asksOwn(d)); err != nil {
			return err
		}
	}
	if err := c.store(ctx, document); err != nil {
		return err
	}
	if err := c.doors(ctx, document); err != nil {
		return err
	}
	c.rules(rules, len(named)+len(own))
	return c.verdict()
}

// directory examines one. An app of its own lets the others be looked at where
// this one cannot be used.
func (c *configCheck) directory(outside context.Context, document []byte, title, name string, d *caddyldap.Directory, asks func(*caddyntlm.Handler) bool) error {
	hosts, err := hostsOf(document, asks)
	if err != nil {
		return err
	}
	secrets, err := secretsOf(document, asks)
	if err != nil {
		return err
	}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: outside}) // which has the app's metrics
	defer cancel()
	say(c.out, "%s\n", title)
	app := &caddyldap.App{Log: zap.NewNop()} // what it would log is told here
	defer func() { _ = app.Cleanup() }()
	if name != "" {
		app.Directories = map[string]*caddyldap.Directory{name: d}
	}
	err = app.Provision(ctx)
	if err == nil && name == "" {
		d, err = app.Adopt(ctx, d)
	}
	if err == nil {
		err = d.Watch(secrets, c.wants)
	}
	if err != nil {
		o := caddyldap.Observation{Level: caddyldap.Faulty, About: "config", Text: err.Error(), Hint: "Caddy will not start with this"}
		if e, ok := errors.AsType[*identity.Error](err); ok && e.Hint != "" {
			o.Hint += ": " + e.Hint
		}
		c.tell(o)
		return nil
	}
	c.opened = append(c.opened, d)
	d.Examine(ctx, c.refusals, hosts, func(server string) {
		say(c.out, "  %s\n", cmp.Or(server, "all of it"))
	}, c.tell)
	c.lookForGroups(ctx, d)
	return nil
}

// levels are how levels are written.
var levels = map[caddyldap.Level]string{
	caddyldap.Well: "ok", caddyldap.Notable: "note", caddyldap.Unclear: "unclear", caddyldap.Faulty: "FAULT",
}

func (c *configCheck) tell(o caddyldap.Observation) {
	if o.Level == caddyldap.Faulty {
		c.faults++
	}
	say(c.out, "    %-7s  %-8s %s\n", levels[o.Level], o.About, o.Text)
	if o.Hint != "" {
		say(c.out, "    %-7s  %-8s hint: %s\n", "", "", o.Hint)
	}
}

// lookForGroups asks a directory for the groups that rules name. A rule does not
// say whose group it means, so one that any directory has is there.
func (c *configCheck) lookForGroups(ctx context.Context, d *caddyldap.Directory) {
	if len(c.groups) == 0 || !d.HasServiceAccount() || c.refusals.Of(d) != nil {
		return
	}
	var names []policy.NamedGroup
	for name := range c.groups {
		names = append(names, name)
	}
	found, err := d.Presence(ctx, nil, names)
	if err != nil {
		return // told with the service account
	}
	c.asked++
	for i, name := range names {
		c.groups[name] = max(c.groups[name], found[i])
	}
}

// rules tells what of the rules will not work.
func (c *configCheck) rules(rules []policy.Rule, directories int) {
	if len(rules) == 0 {
		return
	}
	fmt.Fprintln(c.out, "rules")
	faults := c.faults
	for _, rule := range rules {
		if _, err := policy.Compile(rule); err != nil {
			c.tell(caddyldap.Observation{Level: caddyldap.Faulty, About: "require", Text: err.Error(), Hint: "Caddy will not start with this"})
		} else if err := caddyldap.CheckRoles(rule.Roles(), c.opened); err != nil && len(c.opened) == directories {
			c.tell(caddyldap.Observation{Level: caddyldap.Faulty, About: "role", Text: err.Error()})
		}
	}
	switch {
	case len(c.groups) == 0:
	case c.asked < directories:
		c.tell(caddyldap.Observation{Level: caddyldap.Unclear, About: "group", Text: "whether the groups in rules are there: not every directory has a service account that works", Hint: "caddy windows-auth check-user -g GROUP asks with a user's password"})
	default:
		c.absentGroups()
	}
	if c.faults == faults {
		c.tell(caddyldap.Observation{About: "require", Text: counted(len(rules), "rule") + " can be decided"})
	}
}

func counted(n int, what string) string {
	if n == 1 {
		return "one " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (c *configCheck) absentGroups() {
	for _, name := range slices.SortedFunc(maps.Keys(c.groups), func(a, b policy.NamedGroup) int { return strings.Compare(a.Rule+a.Text, b.Rule+b.Text) }) {
		o := caddyldap.Observation{Level: caddyldap.Faulty, About: "group", Hint: c.groups[name].Cure()}
		switch c.groups[name] {
		case caddyldap.GroupPresent:
			continue
		case caddyldap.GroupAbsent:
			o.Text = fmt.Sprintf("require %s: no directory has a group %s", name.Rule, name.Text)
		case caddyldap.GroupDistribution:
			o.Text = fmt.Sprintf("require %s: %s is a distribution group", name.Rule, name.Text)
		}
		c.tell(o)
	}
}

func (c *configCheck) verdict() error {
	if c.faults == 0 {
		fmt.Fprintln(c.out, "all that could be looked at will work; caddy validate says what else Caddy makes of this file")
		return nil
	}
	if c.faults == 1 {
		return &no{&advice{errors.New("one thing will not work"), "the line FAULT says what, and the hint below it what to do"}}
	}
	return &no{&advice{fmt.Errorf("%d things will not work", c.faults), "the lines FAULT say what, and the hints below them what to do"}}
}
