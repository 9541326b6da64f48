package caddyldap

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"
	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ldapsasl"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// selfTest looks, once after the start, at everything that a log-in will need,
// and says what will not work and the cure. Nothing depends on its outcome.
func (d *Directory) selfTest(ctx context.Context) {
	var well []string
	faults := 0
	if err := d.testDiscovery(ctx); err != nil {
		faults++
		d.report(ctx, "self-test: DNS does not say which controllers there are", nil, err)
	}
	for _, s := range d.servers.all() {
		if err := d.testServer(ctx, s); err != nil {
			faults++
			d.report(ctx, "self-test: a server will not work", s, err)
			continue
		}
		well = append(well, s.url.Addr())
	}
	if len(well) > 0 {
		d.warnOfNames()
	}
	if len(well) > 0 && d.service != nil {
		faults += d.testAccount(ctx)
	}
	d.testGroups(ctx)
	if faults > 0 || ctx.Err() != nil {
		return
	}
	message := "self-test: all is well"
	if d.service == nil {
		message = "self-test: the servers answer; without a service_account, base_dn and log-ins are tried by the first user"
	}
	d.logger.Info(message, zap.String("domain", d.netBIOS()), zap.String("dns_domain", d.dns()), zap.Strings("servers", well))
}

// testAccount looks at what needs the service account, and counts what will not
// work.
func (d *Directory) testAccount(ctx context.Context) (faults int) {
	tell := func(what string, err error) {
		if err != nil {
			faults++
			d.report(ctx, "self-test: "+what+" will not work", nil, err)
		}
	}
	if tell("the service account", d.testService(ctx)); faults == 0 {
		tell("NTLM", d.testRelay(ctx))
		tell("Kerberos", d.testTickets(ctx))
	}
	return faults
}

// report writes one line with the cure.
func (d *Directory) report(ctx context.Context, message string, s *server, err error) {
	if ctx.Err() != nil {
		return // stopped in the middle of it
	}
	d.logger.Error(message, faultFields(s, err)...)
}

// testDiscovery waits for the first answer of DNS.
func (d *Directory) testDiscovery(ctx context.Context) error {
	if d.servers.finder == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, overall)
	defer cancel()
	return d.servers.finder.wait(ctx)
}

// testServer connects and reads what every server shows to everybody.
func (d *Directory) testServer(ctx context.Context, s *server) error {
	ctx, cancel := context.WithTimeout(ctx, overall)
	defer cancel()
	root, err := d.look(ctx, s)
	if err != nil {
		return err
	}
	if more := len(root.contexts) - maxContexts; more > 0 && !root.ad {
		d.logger.Warn("self-test: groups are not looked for everywhere", zap.String("server", s.url.Addr()), zap.Int("contexts", len(root.contexts)),
			zap.String("hint", fmt.Sprintf("%d naming contexts are searched, those of base_dn first; let no rule name a group of another one", maxContexts)))
	}
	return d.testRoot(s, root)
}

func (d *Directory) testRoot(s *server, root rootDSE) error {
	if _, relayed := d.NTLMVerifier().(*Relay); relayed && len(root.sasl) > 0 && !slices.Contains(root.sasl, ldapsasl.Mechanism) {
		return misconfigured(s, hintMechanism, "no %s among %v", ldapsasl.Mechanism, root.sasl)
	}
	if root.base == "" || !root.ad {
		return nil
	}
	head, err := ldap.ParseDN(root.base)
	if err != nil {
		return nil
	}
	for _, text := range d.bases {
		base, err := ldap.ParseDN(text)
		if err == nil && !head.EqualFold(base) && !head.AncestorOfFold(base) {
			return misconfigured(s, "nobody will be found there: write base_dn "+root.base, "base_dn %s is outside the domain %s", text, root.base)
		}
	}
	if dns := dnsFromDN(root.base); d.dnsDomain != "" && !strings.EqualFold(dns, d.dnsDomain) {
		return misconfigured(s, "write dns_domain "+dns, "dns_domain is %s, the server's domain is %s", d.dnsDomain, dns)
	}
	return nil
}

func misconfigured(s *server, hint, format string, args ...any) error {
	e := &identity.Error{Kind: identity.KindInternal, Hint: hint, Err: fmt.Errorf(format, args...)}
	if s != nil {
		e.Server = s.url.Addr()
	}
	return e
}

// testService binds the service account and looks for the base DNs with it.
func (d *Directory) testService(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, overall)
	defer cancel()
	return d.service.do(ctx, func(c *conn, _ rootDSE) error { return d.testBases(ctx, c) })
}

// testBases looks for the base DNs.
func (d *Directory) testBases(ctx context.Context, c *conn) error {
	var missing []string
	for _, base := range d.bases {
		e, err := c.entry(ctx, base, "objectClass")
		if err != nil {
			return err
		}
		if e == nil {
			missing = append(missing, base)
		}
	}
	if len(missing) > 0 {
		return misconfigured(c.server, "nobody will be found there: mend base_dn", "base_dn %s does not exist", strings.Join(missing, " and "))
	}
	return nil
}

// testRelay logs the service account in as a browser would, by NTLM without
// signing and without channel bindings: what a controller thinks of a relay
// shows only after a right password.
func (d *Directory) testRelay(ctx context.Context) error {
	var r identity.NTLMVerifier
	switch v := d.NTLMVerifier().(type) {
	case *Relay, *SMB:
		r = v
	}
	if r == nil || !d.knowsPassword() {
		return nil
	}
	secret, err := d.service.account.evidence()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*overall)
	defer cancel()
	return relayOnce(ctx, d.asClient(secret), func(negotiate []byte) (identity.NTLMExchange, error) { return r.StartNTLM(ctx, negotiate, nil) })
}

// knowsPassword reports whether the service account could log in by NTLM: neither
// a DN nor a keytab can.
func (d *Directory) knowsPassword() bool {
	return d.service != nil && d.ServiceAccount.Secret != "" && checkDN(d.ServiceAccount.Name) != nil
}

// asClient is the service account as an NTLM client.
func (d *Directory) asClient(secret identity.Secret) *ntlm.Client {
	name := identity.ParseName(d.ServiceAccount.Name)
	if _, _, isUPN := name.UPN(); !isUPN && name.Domain == "" {
		name.Domain = d.netBIOS()
	}
	return &ntlm.Client{Domain: name.Domain, User: name.User, Password: secret.Reveal()}
}

// relayOnce is one log-in by relay.
func relayOnce(ctx context.Context, client *ntlm.Client, start func(negotiate []byte) (identity.NTLMExchange, error)) error {
	x, err := start(client.Negotiate())
	if err != nil {
		return err
	}
	defer func() { _ = x.Close() }()
	authenticate, err := client.Authenticate(x.Challenge())
	if err != nil {
		return identity.Fail(identity.KindProtocol, err)
	}
	p, err := x.Finish(ctx, authenticate)
	if err != nil {
		return err
	}
	return p.Close()
}
