package caddyldap

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"
	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ldapsasl"
)

// selfTest looks, once after the start, at everything that a log-in will need,
// and says what will not work and the cure. Nothing depends on its outcome.
func (d *Directory) selfTest(ctx context.Context) {
	var well []*server
	faults := 0
	if err := d.testDiscovery(ctx); err != nil {
		faults++
		d.report(ctx, "self-test: DNS does not say which controllers there are", nil, err)
	}
	for _, s := range d.servers.all() {
		if err := d.testServer(ctx, s); err != nil {
			if !d.needsLDAP() {
				d.logger.Info("self-test: LDAP of a server does not work, and none of it is needed", faultFields(s, err)...)
				continue
			}
			faults++
			d.report(ctx, "self-test: a server will not work", s, err)
			continue
		}
		well = append(well, s)
	}
	faults += d.testMachine(ctx)
	if len(well) > 0 {
		d.warnOfNames()
	}
	if len(well) > 0 && d.service != nil {
		account := d.testAccount(ctx, well)
		if faults += account; account == 0 {
			defer d.testLockout(ctx)
		}
	}
	d.testGroups(ctx)
	if faults > 0 || ctx.Err() != nil {
		return
	}
	message := "self-test: all is well"
	if d.service == nil && d.needsLDAP() {
		message = "self-test: the servers answer; without a service_account, base_dn and log-ins are tried by the first user"
	}
	d.logger.Info(message, zap.String("domain", d.netBIOS()), zap.String("dns_domain", d.dns()), zap.Strings("servers", addresses(well)))
}

// needsLDAP reports whether anything is asked of the servers by LDAP: not where all
// log-ins are decided otherwise, nobody is looked up, and the domain's name is written down.
func (d *Directory) needsLDAP() bool {
	_, judged := d.NTLMVerifier().(*Netlogon)
	switch d.PasswordVerifier().(type) {
	case nil, *Netlogon, *KerberosPassword:
		return d.service != nil || !judged || d.Domain == "" && d.named == ""
	}
	return true
}

func addresses(list []*server) []string {
	var all []string
	for _, s := range list {
		all = append(all, s.url.Addr())
	}
	return all
}

// testAccount looks at what needs the service account, and counts what will not
// work.
func (d *Directory) testAccount(ctx context.Context, servers []*server) (faults int) {
	tell := func(what string, err error) {
		if err != nil {
			faults++
			d.report(ctx, "self-test: "+what+" will not work", nil, err)
		}
	}
	if tell("the service account", d.testService(ctx)); faults == 0 {
		for _, s := range servers {
			err := d.testRelay(ctx, s)
			if tell("NTLM", err); err != nil && identity.KindOf(err).AboutAccount() {
				break // each try counts towards its lockout
			}
		}
		tell("NTLM by SMB", d.testSMB(ctx))
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
	if err := d.testRoot(s, root); err != nil {
		return err
	}
	return d.testPlain(ctx, s)
}

// testPlain finds out whether a server takes a bind without TLS and signing, where no
// other test does: one that does not says so before it looks at the password, [MS-ADTS]
// 5.1.1.1.1, and refuses relays likewise. So the name and the password are made
// up, and nobody's wrong passwords are counted.
func (d *Directory) testPlain(ctx context.Context, s *server) error {
	simple := d.ServiceAccount != nil && (d.ServiceAccount.Mechanism == "" || d.ServiceAccount.Mechanism == accountSimple)
	_, byBind := d.PasswordVerifier().(*Bind)
	_, byRelay := d.NTLMVerifier().(*Relay)
	if s.url.TLS || d.StartTLS || simple || !byBind && !byRelay {
		return nil
	}
	c, err := d.connect(ctx, s)
	if err != nil {
		return err
	}
	defer c.close()
	if _, err := simpleBind(ctx, c, "cn="+rand.Text(), identity.NewSecret(rand.Text())); identity.KindOf(err) == identity.KindSigningRequired {
		return err
	}
	return nil
}

func (d *Directory) testRoot(s *server, root rootDSE) error {
	if _, byRelay := d.NTLMVerifier().(*Relay); byRelay && len(root.sasl) > 0 && !slices.Contains(root.sasl, ldapsasl.Mechanism) {
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
