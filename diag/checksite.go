package diag

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// siteCheck is what check-site is asked.
type siteCheck struct {
	password
	tickets
	user, domain string
	ca           string
	insecure     bool
	verbose      bool

	lookup func(ctx context.Context, host string) (canonical string, err error) // nil for DNS
}

func checkSiteCommand() *cobra.Command {
	check := new(siteCheck)
	cmd := checking(&cobra.Command{
		Use:   "check-site URL",
		Short: "Log in at a site as a client does, and say which leg fails and why",
		Long: "Asks for a page without a credential, then with one: by NTLM where --domain is\n" +
			"given or the name has one, else by Basic. It says what came of each leg. The\n" +
			"password comes from --password-file, from a prompt, or from standard input.\n\n" +
			"With --kerberos it logs in by a ticket for HTTP/ and the URL's host: it gets one\n" +
			"with the tickets of the file that KRB5CCNAME names, or with --user alice@REALM by\n" +
			"the password, which the site does not see then; and it says what ticket that is,\n" +
			"whether the site has proven itself, and over TLS whether it compares channel\n" +
			"bindings, for which it sends one more request, bound to another connection.\n\n" +
			"Exit code 0: the page was served. 1: it was refused. 2: it could not be found out.",
		Args: one("URL", "check-site https://intranet.example.com/"),
	}, func(cmd *cobra.Command, args []string) error {
		return check.run(cmd.Context(), args[0], cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
	})
	check.password.addFlags(cmd)
	check.tickets.addFlags(cmd)
	flags := cmd.Flags()
	flags.StringVarP(&check.user, "user", "u", "", "log-in name; without one only the offer is shown")
	flags.StringVarP(&check.domain, "domain", "d", "", "NetBIOS domain of the user, and NTLM instead of Basic")
	flags.StringVar(&check.ca, "ca", "", "PEM file of the authorities to believe")
	flags.BoolVarP(&check.insecure, "insecure", "k", false, "believe any certificate, and send Basic without TLS")
	flags.BoolVarP(&check.verbose, "verbose", "v", false, "show the page")
	return cmd
}

func (c *siteCheck) run(ctx context.Context, address string, in io.Reader, out, prompt io.Writer) error {
	target, err := siteURL(address)
	if err != nil {
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	defer client.close()
	client.out, client.target = out, target
	offer, err := client.offer(ctx)
	if err != nil || offer == nil || c.user == "" && !c.kerberos {
		return err
	}
	page, err := c.logIn(ctx, client, offer, in, prompt)
	if err != nil {
		return err
	}
	if c.verbose {
		fmt.Fprintf(out, "\n%s\n", plain(page.body, "\n\t"))
	}
	return nil
}

func (c *siteCheck) logIn(ctx context.Context, client *siteClient, offer *answer, in io.Reader, prompt io.Writer) (*answer, error) {
	if c.kerberos {
		return c.presentTicket(ctx, client, offer, in, prompt)
	}
	name := identity.ParseName(c.user)
	if c.domain != "" {
		name = identity.Name{Domain: c.domain, User: c.user}
	}
	if name.Domain == "" && !c.insecure && inTheClear(client.target) {
		return nil, &advice{fmt.Errorf("the password would go to %s in the clear, by Basic, for everybody on the way to read", client.target.Host), "write https://…; --domain tries NTLM; --insecure sends it all the same"}
	}
	secret, err := c.read(in, prompt)
	if err != nil {
		return nil, err
	}
	if name.Domain != "" {
		return client.ntlm(ctx, offer, name, secret)
	}
	return client.basic(ctx, offer, name, secret)
}

// siteURL reads the URL of a site. One that brings a name and a password is not
// used, because the first leg goes without; and not shown.
func siteURL(address string) (*url.URL, error) {
	target, err := url.Parse(address)
	switch {
	case strings.Contains(address, "@") && (err != nil || target.User != nil || target.Host == ""):
		return nil, &advice{errors.New("a name or password in the URL is not used"), "write --user, and give the password to the prompt"}
	case err != nil || target.Host == "" || target.Scheme != "http" && target.Scheme != "https":
		return nil, &advice{fmt.Errorf("%q is no URL of a site", address), "write http://… or https://…"}
	}
	return target, nil
}

// inTheClear reports whether a password to the site travels where others can read
// it.
func inTheClear(target *url.URL) bool {
	ip := net.ParseIP(target.Hostname())
	return target.Scheme == "http" && target.Hostname() != "localhost" && !ip.IsLoopback()
}

// has reports whether a scheme is among the challenges.
func has(challenges []string, scheme string) bool {
	for _, challenge := range challenges {
		word, _, _ := strings.Cut(challenge, " ")
		if strings.EqualFold(word, scheme) {
			return true
		}
	}
	return false
}

// refusedHint is what a 401 can mean after credentials of a scheme.
func refusedHint(scheme string) string {
	const hint = "wrong name or password, or the account may not log in, or the site asks for a code behind the password (totp)"
	if scheme == "NTLM" {
		return hint + ", or TLS ends at a proxy whose certificate the site does not know (accept_binding), or a name that it does not know (accept_target): the site's log names the reason"
	}
	return hint + ": the site's log names the reason"
}

// retryIn tells for how long.
func retryIn(a *answer) string {
	seconds := a.header.Get("Retry-After")
	if seconds == "" {
		return "for a time that it does not tell"
	}
	return seconds + " seconds from now"
}

// verdict says what the last answer means: nil for a page.
func verdict(a *answer, scheme string) error {
	advise := func(what, hint string) error {
		return &no{&advice{fmt.Errorf("%s: %s", a.status, what), hint}}
	}
	switch {
	case a.code < 400:
		return nil
	case a.code == http.StatusUnauthorized:
		return advise(scheme+" was refused", refusedHint(scheme))
	case a.code == http.StatusForbidden:
		return advise("authenticated, and no rule lets this user in", "the site's log names the rule and the user's groups")
	case a.code == http.StatusTooManyRequests:
		return &advice{fmt.Errorf("%s: too many wrong passwords before, so nobody looked at this one", a.status), "the site's throttle refuses the right one too until the wait is over, " + retryIn(a) + "; the site's log says whose limit it is"}
	case a.code == http.StatusServiceUnavailable:
		return &advice{fmt.Errorf("%s: the site cannot ask a domain controller", a.status), "the site's log names the controller and the cure; the password is not to blame"}
	case a.code == http.StatusRequestEntityTooLarge, a.code == http.StatusBadRequest, a.code == http.StatusRequestHeaderFieldsTooLarge:
		return &advice{fmt.Errorf("%s: the server, or a proxy before it, does not take this log-in", a.status), "look at limits of headers and at proxies on the way"}
	}
	return &advice{errors.New(a.status), "authentication may have gone well, and the application answers so: see the site's log"}
}
