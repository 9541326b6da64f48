package caddyldap

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/go-ldap/ldap/v3"
	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// activeDirectory is LDAP_CAP_ACTIVE_DIRECTORY_OID, [MS-ADTS] 3.1.1.3.4.3.1.
const activeDirectory = "1.2.840.113556.1.4.800"

// rootDSE is what a server says about itself, and about whoever is bound.
type rootDSE struct {
	base     string   // defaultNamingContext, else the first of namingContexts
	contexts []string // namingContexts
	config   string   // configurationNamingContext
	host     string   // dnsHostName
	ad       bool     // Active Directory, or Samba
	sasl     []string
	token    []identity.SID // tokenGroups: the security context of the connection
}

// readRoot reads the rootDSE, [MS-ADTS] 3.1.1.3.2. Nobody need be bound.
func readRoot(ctx context.Context, c *conn) (rootDSE, error) {
	e, err := c.entry(ctx, "", "tokenGroups", "defaultNamingContext", "namingContexts",
		"configurationNamingContext", "dnsHostName", "supportedCapabilities", "supportedSASLMechanisms")
	if err != nil || e == nil {
		return rootDSE{}, err
	}
	r := rootDSE{
		base:     value(e, "defaultNamingContext"),
		contexts: e.GetEqualFoldAttributeValues("namingContexts"),
		config:   value(e, "configurationNamingContext"),
		host:     value(e, "dnsHostName"),
		ad:       slices.Contains(e.GetEqualFoldAttributeValues("supportedCapabilities"), activeDirectory),
		sasl:     e.GetEqualFoldAttributeValues("supportedSASLMechanisms"),
	}
	if r.base == "" && len(r.contexts) > 0 {
		r.base = r.contexts[0]
	}
	if !slices.ContainsFunc(r.contexts, func(dn string) bool { return strings.EqualFold(dn, r.base) }) {
		r.contexts = append([]string{r.base}, r.contexts...)
	}
	r.token, err = sids(e, "tokenGroups")
	return r, err
}

func value(e *ldap.Entry, attribute string) string { return e.GetEqualFoldAttributeValue(attribute) }

// sids reads an attribute of binary SIDs.
func sids(e *ldap.Entry, attribute string) ([]identity.SID, error) {
	raw := e.GetEqualFoldRawAttributeValues(attribute)
	list := make([]identity.SID, 0, len(raw))
	for _, b := range raw {
		sid, err := identity.SIDFromBytes(b)
		if err != nil {
			return nil, identity.Fail(identity.KindProtocol, err)
		}
		list = append(list, sid)
	}
	return list, nil
}

// knownDomain is what never changes about a domain.
type knownDomain struct {
	netBIOS string
	dns     string
	sid     identity.SID
}

// whole reports whether there is nothing left to learn.
func (k knownDomain) whole() bool { return k.netBIOS != "" && k.dns != "" && !k.sid.IsZero() }

// domainFacts are learnt on the first connection on which somebody is bound who
// may read them, and kept.
type domainFacts struct {
	facts atomic.Pointer[knownDomain]
	root  atomic.Pointer[string] // the DNS name in defaultNamingContext, which everybody may read
	other atomic.Bool            // the servers are no Active Directory
}

// note keeps what a rootDSE shows to somebody who is not bound.
func (f *domainFacts) note(root rootDSE) {
	f.other.Store(!root.ad && root.base != "")
	if dns := dnsFromDN(root.base); dns != "" && root.ad {
		f.root.Store(&dns)
	}
}

func (f *domainFacts) known() knownDomain {
	if k := f.facts.Load(); k != nil {
		return *k
	}
	return knownDomain{}
}

// learn reads the domain's names from its crossRef object, [MS-ADTS] 6.1.1.2.1.1.1.3,
// and its SID. What the account bound may not read stays unknown, until
// somebody comes who may.
func (d *Directory) learn(ctx context.Context, c *conn, root rootDSE) error {
	before, k := d.domain.facts.Load(), d.domain.known()
	if k.whole() || !root.ad {
		return nil
	}
	refs, err := c.search(ctx, root.config, ldap.ScopeWholeSubtree,
		"(&(objectClass=crossRef)(nCName="+ldap.EscapeFilter(root.base)+"))", 2, "nETBIOSName", "dnsRoot")
	if err != nil && !isResult(err) {
		return err
	}
	if len(refs) == 1 {
		k.netBIOS, k.dns = value(refs[0], "nETBIOSName"), value(refs[0], "dnsRoot")
	}
	head, err := c.entry(ctx, root.base, "objectSid")
	if err != nil && !isResult(err) {
		return err
	}
	if head != nil {
		if own, err := sids(head, "objectSid"); err == nil && len(own) == 1 {
			k.sid = own[0]
		}
	}
	if (before == nil || k != *before) && d.domain.facts.CompareAndSwap(before, &k) {
		d.compareNames(k)
	}
	return nil
}

// compareNames warns of a configured name that the domain does not have.
func (d *Directory) compareNames(k knownDomain) {
	if configured, hint := d.wrongNetBIOS(k); configured != "" {
		d.log().Warn("the domain has another NetBIOS name", zap.String("configured", configured), zap.String("domain", k.netBIOS), zap.String("hint", hint))
	}
	if k.netBIOS != "" && d.DNSDomain != "" && k.dns != "" && !strings.EqualFold(d.dnsDomain, k.dns) {
		d.log().Warn("the domain has another DNS name", zap.String("configured", d.DNSDomain), zap.String("domain", k.dns),
			zap.String("hint", "write dns_domain "+k.dns))
	}
}

// wrongNetBIOS is the configured NetBIOS name where the domain has another one.
func (d *Directory) wrongNetBIOS(k knownDomain) (configured, hint string) {
	if k.netBIOS == "" || d.Domain == "" || strings.EqualFold(d.Domain, k.netBIOS) {
		return "", ""
	}
	return d.Domain, "bare names bind as " + d.Domain + `\user and will fail; write domain ` + k.netBIOS
}

// netBIOS is the domain of bare names: as configured, as the controller says,
// or the NAME where that can be a NetBIOS name. It may be empty.
func (d *Directory) netBIOS() string {
	if d.Domain != "" {
		return d.Domain
	}
	if k := d.domain.known(); k.netBIOS != "" {
		return k.netBIOS
	}
	if len(d.named) <= maxNetBIOS && !strings.ContainsAny(d.named, `. \/:*?"<>|,@`) {
		return d.named
	}
	return ""
}

// dns is the domain's DNS name, which may be unknown.
func (d *Directory) dns() string {
	if d.dnsDomain != "" {
		return d.dnsDomain
	}
	if k := d.domain.known(); k.dns != "" {
		return k.dns
	}
	if root := d.domain.root.Load(); root != nil {
		return *root
	}
	return ""
}

// nameDomain finds out what a bare name needs to bind with, where neither the
// configuration nor a former connection says it.
func (d *Directory) nameDomain(ctx context.Context) error {
	if d.netBIOS() != "" || d.dns() != "" || d.domain.root.Load() != nil {
		return nil
	}
	return d.readRoot(ctx)
}

// isActive reports whether the servers are Active Directory, by asking one where
// that is not known yet.
func (d *Directory) isActive(ctx context.Context) (bool, error) {
	if d.domain.root.Load() == nil && d.domain.facts.Load() == nil && !d.domain.other.Load() {
		if err := d.readRoot(ctx); err != nil {
			return false, err
		}
	}
	return !d.domain.other.Load(), nil
}

// readRoot notes what a server shows to somebody who is not bound.
func (d *Directory) readRoot(ctx context.Context) error {
	return d.servers.try(ctx, func(ctx context.Context, c *conn) error {
		defer c.close()
		c.open()
		root, err := readRoot(ctx, c)
		if err == nil {
			d.domain.note(root)
		}
		return diagnose(c.server, searching, err)
	})
}

// around is what is known of the domain, as it is needed to name the groups of
// one of its accounts: where the domain's own SID could not be read, the
// account's says it.
func (d *Directory) around(account identity.SID) knownDomain {
	k := d.domain.known()
	if k.sid.IsZero() {
		k.sid = account.Domain()
	}
	if k.netBIOS == "" {
		k.netBIOS = d.netBIOS()
	}
	return k
}

// domainOf names the domain of a SID. A directory without SIDs is one domain.
func (k knownDomain) domainOf(sid identity.SID) string {
	switch domain := sid.Domain(); {
	case sid.IsZero():
		return k.netBIOS
	case domain == identity.SIDBuiltin:
		return policy.Builtin
	case !domain.IsZero() && domain == k.sid:
		return k.netBIOS
	}
	return ""
}
