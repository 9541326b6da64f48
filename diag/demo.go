package diag

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
)

func demoCommand() *cobra.Command {
	var listen string
	var code bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "A protected site and its directory on this machine, to try with curl or a browser",
		Long: "Starts a site on loopback over a directory inside this process, prints its\n" +
			"address, users and passwords, and serves until it is interrupted. Nothing is\n" +
			"installed, and nothing outside this machine is asked.",
		Args:          noArguments,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if code {
				return report(cmd.ErrOrStderr(), printCode(cmd.OutOrStdout()))
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return report(cmd.ErrOrStderr(), demo(ctx, cmd.OutOrStdout(), listen))
		},
	}
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return report(cmd.ErrOrStderr(), &advice{err, "caddy windows-auth demo --help lists the flags"})
	})
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8080", "HOST:PORT of the site, on loopback")
	cmd.Flags().BoolVar(&code, "code", false, "print the code that grace owes at this moment, and end")
	return cmd
}

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return exitWith(cmd, &advice{
		fmt.Errorf("%s takes no argument, and got %q", cmd.Name(), args[0]), "caddy windows-auth " + cmd.Name() + " --help lists the flags",
	})
}

// demo runs until ctx ends.
func demo(ctx context.Context, out io.Writer, listen string) (err error) {
	address, err := loopback(listen)
	if err != nil {
		return err
	}
	directory, err := demodir.Start(demodir.Demo())
	if err != nil {
		return fmt.Errorf("starting the directory: %w", err)
	}
	defer func() { err = errors.Join(err, directory.Close()) }()

	secure, err := secureBeside(address)
	if err != nil {
		return err
	}
	admin, err := freeBeside(address) // not 2019, where a Caddy may be at work
	if err != nil {
		return err
	}
	config, err := demoConfig(address, secure, admin, directory)
	if err != nil {
		return err
	}
	if err := caddy.Load(config, true); err != nil {
		return fmt.Errorf("starting the site: %w", err)
	}
	defer func() { err = errors.Join(err, caddy.Stop()) }()

	printDemo(out, newDemoText(address, secure, admin, directory))
	<-ctx.Done()
	return nil
}
