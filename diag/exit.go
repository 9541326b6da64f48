package diag

import (
	"errors"
	"fmt"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// Exit codes of the checks. 0 is yes.
const (
	exitNo      = 1 // the answer is no: not authenticated, in none of the groups
	exitUnknown = 2 // it could not be found out
)

// exitWith ends a command with the code of its outcome, once that was reported.
func exitWith(cmd *cobra.Command, err error) error {
	if err == nil || exitCode(err) == exitNo {
		return report(cmd.ErrOrStderr(), err)
	}
	_ = report(cmd.ErrOrStderr(), err)
	return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) { return exitUnknown, nil })(cmd, nil)
}

// no is an outcome that is no failure of the command.
type no struct{ err error }

func (n *no) Error() string { return n.err.Error() }
func (n *no) Unwrap() error { return n.err }

func exitCode(err error) int {
	if _, ok := errors.AsType[*no](err); ok {
		return exitNo
	}
	return exitUnknown
}

// judged tells a wrong credential from a technical failure.
func judged(err error) error {
	if refused(identity.KindOf(err)) {
		return &no{err}
	}
	return err
}

// refused reports whether a kind says something about the account and not about
// the way to the directory.
func refused(kind identity.Kind) bool {
	switch kind {
	case identity.KindBadCredentials, identity.KindGuestMapped, identity.KindMismatch, identity.KindDisabled,
		identity.KindAccountExpired, identity.KindLocked, identity.KindPasswordExpired, identity.KindMustChange,
		identity.KindLogonHours, identity.KindWorkstation, identity.KindRestricted, identity.KindAmbiguous,
		identity.KindNotFound, identity.KindEmptyPassword, identity.KindBadName, identity.KindNTLMv1, identity.KindAnonymous, identity.KindFactor:
		return true
	}
	return false
}

// checking makes a command of a check: its errors are reported once, with what to
// do about them, and its exit code is the answer.
func checking(cmd *cobra.Command, run func(cmd *cobra.Command, args []string) error) *cobra.Command {
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return exitWith(cmd, run(cmd, args)) }
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return exitWith(cmd, &advice{err, "caddy windows-auth " + cmd.Name() + " --help lists the flags"})
	})
	return cmd
}

// one is what a command with one argument takes, and how it is then called.
func one(what, example string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 {
			return nil
		}
		return exitWith(cmd, &advice{fmt.Errorf("%s takes one %s, and got %d arguments", cmd.Name(), what, len(args)), "caddy windows-auth " + example})
	}
}
