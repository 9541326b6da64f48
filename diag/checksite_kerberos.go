package diag

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/krb"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/spnego"
)

// presentTicket logs in by Kerberos. The site sees the ticket, and no password.
func (c *siteCheck) presentTicket(ctx context.Context, client *siteClient, offer *answer, in io.Reader, prompt io.Writer) (*answer, error) {
	if !has(offer.challenges, "Negotiate") {
		return nil, &advice{errors.New("the site does not offer Negotiate"), "it does so where its directory has verify keytab, and schemes, where that stands, names negotiate"}
	}
	spn, aliased, err := c.service(ctx, client.target.Hostname())
	if err != nil {
		return nil, err
	}
	if aliased != "" {
		client.say("       the host is an alias of %s: browsers that follow it ask for a ticket for HTTP/%s", aliased, aliased)
	}
	credential, err := c.credential(c.user, c.domain, &c.password, in, prompt)
	if err != nil {
		client.say("leg 2, Negotiate: not sent, the site offers it and there is no ticket")
		return nil, err
	}
	page, err := client.byTicket(ctx, offer, credential, spn)
	if err == nil && offer.certificate != nil {
		err = client.comparesBinding(ctx, credential, spn)
	}
	return page, err
}

// byTicket logs in by Kerberos, RFC 4559: one leg, which carries the channel binding
// of the connection where there is TLS, as Windows' clients send it.
func (c *siteClient) byTicket(ctx context.Context, offer *answer, credential *krb.Credential, spn string) (*answer, error) {
	var binding *[16]byte
	if offer.certificate != nil {
		sum := ntlm.EndPointBinding(offer.certificate)
		binding = &sum
	}
	ctx, cancel := context.WithTimeout(ctx, sitePatience)
	defer cancel()
	initiation, issued, err := credential.Present(ctx, spn, binding)
	if err != nil {
		c.say("leg 2, Negotiate: not sent, the site offers it and there is no ticket for %s", spn)
		return nil, noTicket(err, spn)
	}
	c.tellTicket(issued, binding != nil)
	a, err := c.negotiate(ctx, initiation)
	if err != nil {
		return nil, err
	}
	c.say("leg 2, Negotiate with the ticket: %s", a.status)
	if off := clockOff(a.header, time.Now()); off.Abs() > time.Minute {
		c.say("       the site's clock is %v ahead of this one", off)
	}
	if a.code >= 400 {
		return a, ticketVerdict(a, issued, time.Now())
	}
	return a, c.proven(a, initiation)
}

// negotiate sends a token of Kerberos, in SPNEGO.
func (c *siteClient) negotiate(ctx context.Context, initiation *krb.Initiation) (*answer, error) {
	token, err := (&spnego.NegTokenInit{MechTypes: spnego.NewMechTypeList(spnego.Kerberos), MechToken: initiation.Token}).Marshal()
	if err != nil {
		return nil, err
	}
	return c.ask(ctx, "Negotiate "+base64.StdEncoding.EncodeToString(token))
}

// tellTicket shows what its owner can see of a ticket.
func (c *siteClient) tellTicket(t *krb.Issued, bound bool) {
	from := "new from the KDC"
	if t.Kept {
		from = "from the cache"
	}
	c.say("ticket for %s of %s, %s", t.Service, t.Client, from)
	version := ""
	if t.Version > 0 {
		version = fmt.Sprintf(" version %d", t.Version)
	}
	c.say("       %s, under the service's key%s; session key %s", krb.Etype(t.Etype), version, krb.Etype(t.Session))
	c.say("       good from %s until %s", t.Starts.Local().Format(time.DateTime), t.Ends.Local().Format(time.DateTime))
	if bound {
		c.say("       sent with the channel binding of the site's certificate, as Windows does")
	}
}

// proven tells whether the site has shown that it holds the service's key,
// RFC 4120 3.2.5. A site that claims it and cannot is somebody else.
func (c *siteClient) proven(a *answer, initiation *krb.Initiation) error {
	reply, err := negotiateReply(a.challenges)
	switch {
	case err != nil:
		return &no{&advice{fmt.Errorf("the site's answer to the ticket cannot be read: %w", err), "something on the way may change headers"}}
	case reply == nil:
		c.say("       the site has not proven itself: there is no AP-REP in its answer")
		return nil
	}
	if err := initiation.Finish(reply); err != nil {
		return &no{&advice{fmt.Errorf("the site has not proven itself: %w", err), "another server than the one that the ticket is for may have answered"}}
	}
	c.say("       the site has proven itself: its AP-REP opens with the ticket's key")
	return nil
}

// negotiateReply is the token inside the last token of a site, nil without any.
func negotiateReply(challenges []string) ([]byte, error) {
	for _, text := range challenges {
		word, encoded, _ := strings.Cut(text, " ")
		if !strings.EqualFold(word, "Negotiate") || encoded == "" {
			continue
		}
		token, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return nil, err
		}
		reply, err := spnego.ParseResp(token)
		if err != nil {
			return nil, err
		}
		return reply.ResponseToken, nil
	}
	return nil, nil
}

// ticketVerdict says what a refusal of a ticket means, likeliest first.
func ticketVerdict(a *answer, t *krb.Issued, now time.Time) error {
	refused := func(what, hint string) error {
		return &no{&advice{fmt.Errorf("%s: %s", a.status, what), hint}}
	}
	service, _, _ := strings.Cut(t.Service, "@")
	switch off := clockOff(a.header, now); {
	case a.code == http.StatusServiceUnavailable:
		return &advice{fmt.Errorf("%s: the site cannot decide about the ticket", a.status), fmt.Sprintf("its keytab cannot be read or lacks version %d of the key, or no controller answers: its log says which, and caddy windows-auth check-config there", t.Version)}
	case a.code != http.StatusUnauthorized:
		return verdict(a, "Negotiate")
	case off.Abs() > maxSkew:
		return refused(fmt.Sprintf("the ticket was refused, and the site's clock is %v ahead of this one", off), "Kerberos bears five minutes: set both clocks by the domain's")
	case t.Etype == krb.RC4:
		return refused("the ticket was refused, which is of RC4", "give the service's account AES (msDS-SupportedEncryptionTypes 24, and its password anew) and write the keytab again; allow_rc4 takes RC4 meanwhile")
	}
	hint := fmt.Sprintf("does the site's keytab hold version %d of the key of the account that has %s (klist -ekt there, setspn -Q %s), and does spn allow the name? Its log names the reason, and caddy windows-auth check-config there the cure", t.Version, service, service)
	if t.Kept {
		hint = "the ticket may be older than the keytab: get another by kdestroy and kinit (klist purge); else " + hint
	}
	return refused("the ticket was refused", hint)
}

// maxSkew is how far clocks may differ, RFC 4120 8.2.
const maxSkew = 5 * time.Minute

// clockOff is how far the clock in an answer's Date is ahead of this one; zero
// where it tells none.
func clockOff(header http.Header, now time.Time) time.Duration {
	at, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return 0
	}
	return at.Sub(now).Round(time.Second)
}

// noTicket says why there is no ticket, and how to get one.
func noTicket(err error, spn string) error {
	told := func(what, hint string) error { return &advice{fmt.Errorf("%s: %w", what, err), hint} }
	switch {
	case errors.Is(err, krb.ErrNoService):
		return &no{told("the domain gives no ticket for "+spn, fmt.Sprintf("no account has this name, or two have: setspn -Q %s; setspn -S %s ACCOUNT gives it to one. Is the URL's host the name that users type?", spn, spn))}
	case errors.Is(err, krb.ErrClock):
		return told("no ticket", "this machine's clock is over five minutes off the domain's: set it by NTP")
	case errors.Is(err, krb.ErrUnreachable):
		return told("no ticket", "is port 88 of the domain controllers open to this machine? --kdc dc1.example.com names one, --krb5-conf a file that does")
	case errors.Is(err, krb.ErrRefused):
		return &no{told("no ticket", "wrong name or password, or the account may not log in; the realm is the domain's DNS name in capitals")}
	}
	return told("no ticket", howToGet)
}

// howToGet says where tickets come from.
const howToGet = "kinit alice@EXAMPLE.COM gets tickets, klist shows them; --user alice@EXAMPLE.COM gets them by a password"

// service is the name that a ticket is asked for: HTTP/ and the URL's host, unless
// --spn says otherwise. aliased is where the host leads to, when it is an alias.
func (c *siteCheck) service(ctx context.Context, host string) (spn, aliased string, err error) {
	if c.spn != "" {
		return c.spn, "", nil
	}
	if net.ParseIP(host) != nil {
		return "", "", &advice{fmt.Errorf("there are no tickets for an address such as %s", host), "write the host name that users type, or name the service by --spn HTTP/intranet.example.com"}
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	lookup := c.lookup
	if lookup == nil {
		lookup = net.DefaultResolver.LookupCNAME
	}
	canonical, err := lookup(ctx, host)
	if canonical = strings.TrimSuffix(canonical, "."); err == nil && !strings.EqualFold(canonical, host) {
		aliased = canonical
	}
	return "HTTP/" + strings.ToLower(host), aliased, nil
}
