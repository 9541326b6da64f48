package diag

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// userCheck is what check-user is asked.
type userCheck struct {
	source
	password
	user, domain string
	groups       []string
	member       string
	ntlm         bool
	verbose      bool
}

func checkUserCommand() *cobra.Command {
	check := new(userCheck)
	cmd := checking(&cobra.Command{
		Use:   "check-user",
		Short: "Does this password let this user in, and in which groups are they?",
		Long: "Logs a user in at a domain controller as a site would, and says who that is and\n" +
			"whether one of the groups is theirs. The password comes from --password-file, from\n" +
			"a prompt, or from standard input; --password shows it to everybody on the machine.\n" +
			"A wrong password counts towards the account's lockout.\n\n" +
			"Exit code 0: authenticated, and in one of the groups where there are any. 1: not so.\n" +
			"2: it could not be found out.",
		Args: noArguments,
	}, func(cmd *cobra.Command, _ []string) error {
		return check.run(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
	})
	check.addFlags(cmd)
	flags := cmd.Flags()
	flags.StringVarP(&check.user, "user", "u", "", `log-in name: alice, EXAMPLE\alice or alice@example.com`)
	flags.StringVarP(&check.domain, "domain", "d", "", "NetBIOS domain of the user")
	flags.StringVarP(&check.address, "address", "a", "", "controller: a host, or ldaps://host/base-dn")
	flags.StringVar(&check.ca, "ca", "", "PEM file of the authorities to believe, with --address")
	flags.BoolVarP(&check.insecure, "insecure", "k", false, "believe any certificate, with --address")
	flags.StringVar(&check.config, "config", "", "Caddyfile or JSON configuration, instead of --address")
	flags.StringVar(&check.name, "directory", "", "NAME of the ldap block, where the configuration has several")
	flags.StringArrayVarP(&check.groups, "groups", "g", nil, "groups to look for, with commas between them, or one DN")
	flags.StringVarP(&check.member, "member", "m", "", "look at another user's groups, with the rights of --user")
	flags.BoolVar(&check.ntlm, "ntlm", false, "log in by NTLM, as a browser does, instead of a bind by password")
	flags.BoolVarP(&check.verbose, "verbose", "v", false, "tell all that is known of the user")
	return cmd
}

func (c *userCheck) run(ctx context.Context, in io.Reader, out, prompt io.Writer) error {
	if c.user == "" {
		return &advice{errors.New("which user?"), `give --user EXAMPLE\alice`}
	}
	rule := policy.Rule{Group: splitGroups(c.groups)}
	if len(rule.Group) > 0 {
		if _, err := policy.Compile(rule); err != nil {
			return err
		}
	}
	d, done, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer done()
	secret, err := c.read(in, prompt)
	if err != nil {
		return err
	}
	name := identity.ParseName(c.user)
	if c.domain != "" {
		name = identity.Name{Domain: c.domain, User: c.user}
	}
	seen, err := c.logIn(ctx, d, name, secret, rule.Groups())
	if seen == nil {
		return c.explain(name, d.Doubted(ctx, err))
	}
	say(out, "User %s was authenticated.\n", seen.id.Logon())
	if err != nil {
		what := c.member
		if seen.other != nil || what == "" {
			what = "the groups"
		}
		return judged(&advice{fmt.Errorf("looking up %s: %w", what, err), hintOf(err)})
	}
	id := seen.id
	if seen.other != nil {
		say(out, "User %s was found.\n", seen.other.Logon())
		id = seen.other
	}
	if c.verbose {
		describe(out, id, seen.paths)
		if seen.lost != nil {
			say(out, "  By which ways the user is in the groups could not be followed: %v\n", seen.lost)
		}
	}
	for _, line := range missing(d, rule.Groups(), seen.groups) {
		say(out, "%s.\n", upperFirst(line))
	}
	return c.judge(out, id, rule, d)
}

// sighting is what a check has seen on a user's connection.
type sighting struct {
	id, other *identity.Identity
	paths     *caddyldap.Paths     // nil where they could not be followed
	lost      error                // why not
	groups    []caddyldap.Presence // of the groups asked about
}

// logIn proves the user and looks up both of those asked about. err beside a
// sighting is about the other one, or the groups.
func (c *userCheck) logIn(ctx context.Context, d *caddyldap.Directory, name identity.Name, secret identity.Secret, groups []policy.NamedGroup) (*sighting, error) {
	p, err := prove(ctx, d, name, secret, c.ntlm)
	if err != nil {
		return nil, err
	}
	defer func() { _ = p.Close() }()
	seen := new(sighting)
	var failed error
	if c.member != "" {
		seen.other, failed = d.Lookup(ctx, p, identity.ParseName(c.member))
	}
	if c.verbose && failed == nil {
		if seen.paths, err = d.Paths(ctx, p, seen.other); err != nil {
			seen.paths, seen.lost = nil, err
		}
	}
	if len(groups) > 0 && failed == nil {
		seen.groups, failed = d.Presence(ctx, p, groups)
	}
	if seen.id, err = d.Resolve(ctx, p); err != nil {
		return nil, err
	}
	return seen, failed
}

// judge says whether one of the groups is the user's.
func (c *userCheck) judge(out io.Writer, id *identity.Identity, rule policy.Rule, d *caddyldap.Directory) error {
	if len(rule.Group) == 0 {
		return nil
	}
	compiled, err := policy.Compile(rule)
	if err != nil {
		return err
	}
	decision := compiled.Decide(id, policy.Scope{First: d.Name()})
	if decision.Allow {
		fmt.Fprintln(out, "User belongs to at least one group.")
		return nil
	}
	return &no{&advice{
		fmt.Errorf("user %s belongs to none of the groups", id.Logon()),
		"names of groups are their sAMAccountNames; --verbose lists those of the user",
	}}
}

// explain words a refusal, with its cure.
func (c *userCheck) explain(name identity.Name, err error) error {
	if a, ok := errors.AsType[*advice](err); ok {
		return a
	}
	hint := hintOf(err)
	if c.address != "" && identity.KindOf(err) == identity.KindTLS {
		hint += "; here: --ca FILE"
	}
	return judged(&advice{fmt.Errorf("user %s was not authenticated: %w", name, err), hint})
}

// hintOf is the cure that an error knows, or the one that its kind suggests.
func hintOf(err error) string {
	if e, ok := errors.AsType[*identity.Error](err); ok && e.Hint != "" {
		return e.Hint
	}
	switch identity.KindOf(err) {
	case identity.KindBadCredentials:
		return "no controller tells by LDAP or SMB whether the name or the password is wrong; the log-in name (sAMAccountName or UPN) is not the display name"
	case identity.KindNotFound:
		return "the account is under none of the base DNs: look at base_dn"
	}
	return "docs/troubleshooting.md explains the reason " + identity.KindOf(err).String()
}
