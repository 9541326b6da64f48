package caddyldap

import (
	"context"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/netlogon"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// logonWitness is the evidence in a Principal whom a controller has let in over
// the secure channel.
type logonWitness struct {
	directory *Directory
	logon     *netlogon.Validation
	verifier  string // its name
	server    string
}

// Close implements io.Closer: nothing is held.
func (*logonWitness) Close() error { return nil }

// of implements attested.
func (w *logonWitness) of() *Directory { return w.directory }

// proveLogon makes the Principal of a controller's yes. What it says alone tells
// who that is; a domain that the client wrote and that is another one is refused,
// as whois does.
func (d *Directory) proveLogon(v *netlogon.Validation, p identity.Proof) (*identity.Principal, error) {
	if err := d.checkLogonDomain(v); err != nil {
		return nil, err
	}
	claimed := p.Claimed.Domain
	if claimed != "" && !d.isOwn(claimed) && !strings.EqualFold(claimed, v.LogonDomainName) && !strings.EqualFold(claimed, v.DNSLogonDomainName) {
		return nil, d.foreign(claimed)
	}
	p.SID = v.SID()
	p.Evidence = &logonWitness{directory: d, logon: v, verifier: p.Verifier, server: p.Server}
	return identity.Prove(p), nil
}

// checkLogonDomain refuses users of a trusted domain, whom a controller lets in
// too: OTHER\alice is not EXAMPLE\alice.
func (d *Directory) checkLogonDomain(v *netlogon.Validation) error {
	own := strings.EqualFold(v.LogonDomainName, d.netBIOS())
	if dns := d.dns(); dns != "" && v.DNSLogonDomainName != "" {
		own = own && strings.EqualFold(v.DNSLogonDomainName, dns)
	}
	if k := d.domain.known(); !k.sid.IsZero() {
		own = own && v.LogonDomainID == k.sid
	}
	if own {
		return nil
	}
	return &identity.Error{
		Kind: identity.KindRealm, Err: fmt.Errorf("%s is of the domain %s (%s), and this directory is of %s (%s)", v, v.LogonDomainName, v.DNSLogonDomainName, d.netBIOS(), d.dns()),
		Hint: "users of another domain need a directory of their own here; where the domain has other names than those, write domain and dns_domain",
	}
}

// resolve implements attested.
func (w *logonWitness) resolve(ctx context.Context) (*identity.Identity, error) {
	d := w.directory
	if d.service == nil {
		if err := d.tellable(); err != nil {
			return nil, err
		}
		return w.told(), nil
	}
	key := cacheKey{sid: w.logon.SID(), dn: "log-in over Netlogon", verifier: w.verifier, reading: d.reading.print}
	return d.lookUp(ctx, key, func(ctx context.Context, c *conn, root rootDSE) (*ldap.Entry, error) {
		return d.accountOf(ctx, c, root, w.logon.SID())
	})
}

// told is the identity that the controller's answer tells of, where nobody can
// look names up; as with tickets, groups are SIDs.
func (w *logonWitness) told() *identity.Identity {
	d, v := w.directory, w.logon
	a := identity.Account{
		Directory: d.name, Home: v.LogonDomainName, Domain: v.LogonDomainName, DNSDomain: strings.ToLower(v.DNSLogonDomainName),
		SID: v.SID(), SAM: v.EffectiveName, DisplayName: v.FullName, UPN: v.UPN,
		Verifier: w.verifier, Server: w.server, At: d.now(), ByToken: true, Details: d.untold(v.FullName),
	}
	if a.DNSDomain == "" {
		a.DNSDomain = d.dns()
	}
	if a.UPN == "" && a.DNSDomain != "" {
		a.UPN = a.SAM + "@" + a.DNSDomain // the implicit one, [MS-ADTS] 5.1.1.1.1
	}
	for _, sid := range append(v.Groups(), identity.SIDEveryone, identity.SIDAuthenticatedUsers) {
		a.Groups = append(a.Groups, identity.Group{SID: sid})
	}
	return identity.New(a, policy.FoldDN)
}

var _ attested = (*logonWitness)(nil)
