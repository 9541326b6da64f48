package diag

import (
	"context"
	"crypto/x509"
	"net/http"

	"github.com/caddy-ntlm/caddy-ntlm/internal/krb"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// comparesBinding finds out whether a site that took a ticket holds it to its TLS
// connection, as Extended Protection does: it sends another request of it, bound to a
// certificate that is not the site's. Nobody's password counts as wrong by that.
func (c *siteClient) comparesBinding(ctx context.Context, credential *krb.Credential, spn string) error {
	ctx, cancel := context.WithTimeout(ctx, sitePatience)
	defer cancel()
	other := ntlm.EndPointBinding(new(x509.Certificate))
	initiation, _, err := credential.Present(ctx, spn, &other)
	if err != nil {
		return noTicket(err, spn)
	}
	a, err := c.negotiate(ctx, initiation)
	if err != nil {
		return err
	}
	c.say("leg 3, bound to another connection: %s", a.status)
	c.say("       %s", bindingVerdict(a.code))
	return nil
}

// bind has an NTLM client name the service and, where there is TLS, the connection by
// the certificate that it was shown, as Windows' clients do: a site with
// extended_protection require lets nobody in who names none.
func (c *siteClient) bind(client *ntlm.Client, challenge *answer) {
	client.TargetName = "HTTP/" + c.target.Hostname()
	if challenge.certificate != nil {
		sum := ntlm.EndPointBinding(challenge.certificate)
		client.ChannelBinding = &sum
		c.say("       answered with the channel binding of the site's certificate, as Windows does")
	}
}

// bindingVerdict says what the answer to a ticket means that is bound to another
// connection.
func bindingVerdict(code int) string {
	switch {
	case code == http.StatusUnauthorized:
		return "the site compares channel bindings (extended protection)"
	case code < 400:
		return "the site does not compare channel bindings: nothing holds a ticket to its connection"
	}
	return "whether the site compares channel bindings is not to be seen"
}
