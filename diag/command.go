// Package diag is the doctor: the subcommands of caddy windows-auth. The
// demo shows the whole product on a directory inside the process; the checks log
// in at a controller or at a site and say what comes of it, or what would come of
// a configuration.
package diag

import (
	"errors"
	"fmt"
	"io"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "windows-auth",
		Short: "Windows Authentication: a demo to try it on, and checks of users, sites and configurations",
		Long: "Windows Authentication for any site: Kerberos, NTLM and Basic, decided by the\n" +
			"organisation's own Active Directory or LDAP servers.",
		CobraFunc: func(cmd *cobra.Command) {
			cmd.SilenceErrors = true
			cmd.RunE = unknownSubcommand
			cmd.AddCommand(demoCommand(), checkUserCommand(), checkSiteCommand(), explainCommand(), checkConfigCommand(), decodeCommand())
		},
	})
}

// unknownSubcommand answers caddy windows-auth alone, and a mistyped word after
// it.
func unknownSubcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	return report(cmd.ErrOrStderr(), &advice{
		err:  fmt.Errorf("windows-auth has no subcommand %q", args[0]),
		hint: "caddy windows-auth --help lists them",
	})
}

// advice is an error and what to do about it.
type advice struct {
	err  error
	hint string
}

func (a *advice) Error() string { return a.err.Error() }
func (a *advice) Unwrap() error { return a.err }

// report prints error: and hint: and hands the error on, for the exit status.
func report(w io.Writer, err error) error {
	if err == nil {
		return nil
	}
	say(w, "error: %v\n", err)
	hint := ""
	if a, ok := errors.AsType[*advice](err); ok {
		hint = a.hint
	} else if e, ok := errors.AsType[*identity.Error](err); ok {
		hint = e.Hint
	}
	if hint != "" {
		say(w, "hint: %s\n", hint)
	}
	return err
}
