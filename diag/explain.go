package diag

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// explanation is what explain is asked.
type explanation struct {
	password
	user    string
	config  string
	adapter string
	site    string
	path    string
	method  string
	ask     bool
}

func explainCommand() *cobra.Command {
	e := new(explanation)
	cmd := checking(&cobra.Command{
		Use:   "explain USER --config FILE --site HOST",
		Short: "Which rule decides about this user at this site, and why?",
		Long: "Reads the configuration without starting anything, follows a request to the site to\n" +
			"its windows_auth and require, looks the user up with the service account, and says\n" +
			"of each line of their rules whether it fits. The password is not asked for, unless\n" +
			"there is no service account or --log-in says so: then the user logs in with it at a\n" +
			"controller, and a wrong one counts towards the account's lockout.\n\n" +
			"Exit code 0: let in. 1: not let in. 2: it could not be found out.",
		Args: one("user", "explain alice --config /etc/caddy/Caddyfile --site intranet.example.com"),
	}, func(cmd *cobra.Command, args []string) error {
		e.user = args[0]
		return e.run(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
	})
	e.addFlags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&e.config, "config", "", "Caddyfile or JSON configuration")
	flags.StringVar(&e.adapter, "adapter", "", "adapter of the configuration, where its name does not say so")
	flags.StringVar(&e.site, "site", "", "the site: HOST, HOST:PORT or a URL without a path")
	flags.StringVar(&e.path, "path", "/", "path that the user asks for")
	flags.StringVar(&e.method, "method", http.MethodGet, "method of the request")
	flags.BoolVar(&e.ask, "log-in", false, "log the user in: only that shows the whole security token")
	return cmd
}

func (e *explanation) run(ctx context.Context, in io.Reader, out, prompt io.Writer) error {
	if e.config == "" || e.site == "" {
		return &advice{errors.New("which site of which configuration?"), "give --config FILE and --site HOST"}
	}
	name := identity.ParseName(e.user)
	if err := name.Check(); err != nil {
		return &no{&advice{fmt.Errorf("no directory can have an account %q", e.user), `write alice, EXAMPLE\alice or alice@example.com`}}
	}
	target, err := e.target()
	if err != nil {
		return err
	}
	document, err := readConfig(e.config, e.adapter)
	if err != nil {
		return err
	}
	inside, cancel := caddy.NewContext(caddy.Context{Context: ctx})
	defer cancel()
	s, err := siteOf(inside, document, target)
	if err != nil {
		return err
	}
	app := &caddyldap.App{Directories: s.directories, Log: zap.NewNop()} // what goes wrong is the command's own error
	defer func() { _ = app.Cleanup() }()
	if err := app.Provision(inside); err != nil {
		return err
	}
	if err := s.wants(app); err != nil {
		return err
	}
	j := &judgement{
		out: out, app: app, ctx: inside, name: name,
		records: &records{name: name, logIn: e.ask || e.given != "" || e.file != "", secret: func() (identity.Secret, error) { return e.read(in, prompt) }},
	}
	return j.run(s, e.method, target)
}

// target is the URL that is asked for. Its scheme is empty where nobody said it.
func (e *explanation) target() (*url.URL, error) {
	text := e.site
	if !strings.Contains(text, "://") {
		text = "//" + text
	}
	u, err := url.Parse(text)
	if strings.Contains(text, "@") {
		return nil, &advice{errors.New("--site names a host, and a name or password before it is not used"), "write the host alone: --site intranet.example.com --path /hr/"}
	}
	if err != nil || u.Host == "" || u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https" || u.Path != "" && u.Path != "/" {
		return nil, &advice{fmt.Errorf("--site %s is no host", e.site), "write the host alone: --site intranet.example.com --path /hr/"}
	}
	path, err := url.ParseRequestURI(e.path)
	if err != nil || !strings.HasPrefix(e.path, "/") {
		return nil, &advice{fmt.Errorf("--path %s is no path", e.path), "write it as the browser shows it: --path /hr/"}
	}
	u.Path, u.RawPath, u.RawQuery = path.Path, path.RawPath, path.RawQuery
	return u, nil
}
