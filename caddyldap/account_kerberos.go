package caddyldap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/krb"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ldapsasl"
	"github.com/caddy-ntlm/caddy-ntlm/internal/spnego"
)

// kerberosAccount binds by a ticket in SASL GSS-SPNEGO, with the channel binding
// of the connection. Each bind gets tickets of its own, so that none is ever too
// old; those of a cache another program renews.
type kerberosAccount struct {
	directory *Directory
	config    *ServiceAccount
}

// evidence implements account: the password, or the bytes of keytab or cache.
func (a *kerberosAccount) evidence() (identity.Secret, error) {
	switch {
	case a.config.Keytab != "":
		return evidenceFile("keytab", a.config.Keytab)
	case a.config.CCache != "":
		return evidenceFile("ccache", a.config.CCache)
	}
	return password{a.config}.evidence()
}

// checkEvidence finds, while the configuration loads, what will not work. A
// cache may still come: another program fills it.
func (a *kerberosAccount) checkEvidence() error {
	if a.config.Krb5Conf != "" {
		if _, err := krb.ReadConf(a.config.Krb5Conf); err != nil {
			return fmt.Errorf("service_account kerberos: krb5_conf: %w", err)
		}
	}
	if a.config.CCache != "" {
		return nil
	}
	evidence, err := a.evidence()
	if err == nil && a.config.Keytab != "" {
		if err = krb.CheckKeytab([]byte(evidence.Reveal())); err != nil {
			err = fmt.Errorf("service_account kerberos: keytab %s: %w", a.config.Keytab, err)
		}
	}
	return err
}

// bind implements account.
func (a *kerberosAccount) bind(ctx context.Context, c *conn, evidence identity.Secret) error {
	if err := a.authenticate(ctx, c, evidence); err != nil {
		return diagnose(c.server, relaying, explainKerberos(err))
	}
	c.open()
	return nil
}

func (a *kerberosAccount) authenticate(ctx context.Context, c *conn, evidence identity.Secret) error {
	host, err := a.directory.hostOf(ctx, c.server) // which also tells the domain's name, where nothing else does
	if err != nil {
		return err
	}
	credential, err := a.credential(evidence)
	if err != nil {
		return err
	}
	initiation, err := credential.Initiate(ctx, "ldap/"+host, c.binding())
	if err != nil {
		return err
	}
	token, err := (&spnego.NegTokenInit{MechTypes: spnego.NewMechTypeList(spnego.Kerberos), MechToken: initiation.Token}).Marshal()
	if err != nil {
		return err
	}
	return c.bounded(ctx, func() error {
		answer, done, err := ldapsasl.NewBind(c.top).Step(token)
		if err != nil {
			return err
		}
		if !done {
			return identity.Fail(identity.KindProtocol, errMoreLegs)
		}
		reply, err := spnego.ParseResp(answer)
		if err != nil {
			return identity.Fail(identity.KindProtocol, err)
		}
		return initiation.Finish(reply.ResponseToken)
	})
}

var errMoreLegs = errors.New("the controller asks for more after a ticket")

func (a *kerberosAccount) credential(evidence identity.Secret) (*krb.Credential, error) {
	c := &krb.Credential{Principal: a.config.Principal, Realm: strings.ToUpper(a.directory.dns())}
	switch {
	case a.config.Keytab != "":
		c.Keytab = []byte(evidence.Reveal())
	case a.config.CCache != "":
		c.CCache = []byte(evidence.Reveal())
	default:
		c.Principal, c.Password = a.config.Name, evidence.Reveal()
		if name := identity.ParseName(a.config.Name); name.Domain != "" {
			c.Principal = name.User
		}
	}
	if at := strings.LastIndexByte(c.Principal, '@'); at >= 0 {
		c.Principal = c.Principal[:at] + strings.ToUpper(c.Principal[at:]) // realms of Active Directory are in capitals
	}
	if a.config.Krb5Conf != "" {
		text, err := krb.ReadConf(a.config.Krb5Conf)
		c.Conf = text
		return c, err
	}
	for _, sv := range a.directory.servers.all() {
		c.KDCs = append(c.KDCs, net.JoinHostPort(sv.url.Host, kdcPort))
	}
	return c, nil
}

// hostOf is the host name in the controller's service principal names: what it
// says itself, over the connection that its certificate vouches for, else the
// host on the server line.
func (d *Directory) hostOf(ctx context.Context, sv *server) (string, error) {
	if host := sv.host.Load(); host != nil {
		return *host, nil
	}
	root, err := d.look(ctx, sv)
	if err != nil {
		return "", err
	}
	host := root.host
	if host == "" {
		host = sv.url.Host
	}
	sv.host.Store(&host)
	return host, nil
}

// explainKerberos gives a failure of Kerberos its kind and its cure.
func explainKerberos(err error) error {
	fail := func(kind identity.Kind, hint string) error { return &identity.Error{Kind: kind, Hint: hint, Err: err} }
	switch {
	case errors.Is(err, krb.ErrClock):
		return fail(identity.KindUnavailable, hintClock)
	case errors.Is(err, krb.ErrUnreachable):
		return fail(identity.KindUnavailable, hintNoKDC)
	case errors.Is(err, krb.ErrCredential):
		return fail(identity.KindServiceAccount, "the keytab, the ticket cache or krb5_conf cannot be used: klist -k or klist -c shows what it holds; a cache without a live ticket needs kinit or k5start")
	case errors.Is(err, krb.ErrRefused):
		return fail(identity.KindServiceAccount, "the KDC refuses the service account: wrong password, a keytab older than the last password change (compare kvno), an account disabled or unknown in this realm, or no such service ldap/… in the domain")
	case errors.Is(err, krb.ErrImpostor), errors.Is(err, krb.ErrMalformed):
		return fail(identity.KindProtocol, "the controller's answer does not prove that it is the one that the ticket is for")
	}
	return err
}
