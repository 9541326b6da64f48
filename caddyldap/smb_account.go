package caddyldap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// A yes over SMB names nobody: who was let in is the account that the controller
// found by the name in the client's message. So that another reader of the message
// comes to the same one, only what can be read in one way is taken.

// domainNames are what the domain is called, by its own word where that is known.
type domainNames struct{ netBIOS, dns string }

func (n domainNames) has(domain string) bool {
	folded := identity.Fold(domain)
	return domain != "" && (folded == identity.Fold(n.netBIOS) || folded == identity.Fold(n.dns))
}

// ownNames asks what the domain is called, of a directory that has a service
// account. A NAME or a domain word that the domain does not have is none of
// them: it may be a trusted domain's.
func (d *Directory) ownNames(ctx context.Context) (n domainNames, err error) {
	err = d.service.do(ctx, func(c *conn, root rootDSE) error {
		if !root.ad {
			return misconfigured(c.server, "verify smb is for domain controllers: write verify bind for this server", "%s is no Active Directory", c.server.url.Addr())
		}
		n = domainNames{netBIOS: cmp.Or(d.domain.known().netBIOS, d.netBIOS()), dns: dnsFromDN(root.base)}
		return nil
	})
	return n, err
}

// qualified is a typed name as a log-in carries it.
func (n domainNames) qualified(typed identity.Name) identity.Name {
	if _, _, isUPN := typed.UPN(); typed.Domain != "" || !isUPN {
		typed.Domain = n.netBIOS
	}
	return typed
}

// ofDomain refuses a name of another domain: a controller says yes to OTHER\alice
// with the password of its own alice, or of OTHER's.
func (d *Directory) ofDomain(own domainNames, name identity.Name) error {
	if name.Domain == "" || own.has(name.Domain) {
		return nil
	}
	return d.foreign(name.Domain)
}

// isController holds a challenge against the domain: a server that is in another
// one, or in none, would judge accounts of its own. It keeps mistakes out, and
// nobody who answers in a controller's place.
func (n domainNames) isController(ch *ntlm.Challenge) error {
	domain := ch.TargetInfo.NbDomainName()
	if !ch.Flags.Has(ntlm.TargetTypeServer) && (domain == "" || n.has(domain)) {
		return nil
	}
	return &identity.Error{
		Kind: identity.KindProtocol, Err: fmt.Errorf("what answers on port %s is of the domain %.64q, and not a controller of %s", portSMB, domain, n.netBIOS),
		Hint: "each server line has to name a controller of the domain, on whose port 445 that controller answers too",
	}
}

// judges holds a challenge against the domain, and where a log-in names none its sender
// against the domain's controllers: an empty domain is whoever's that judges, and a
// member of the domain has accounts of its own.
func (s *SMB) judges(ctx context.Context, own domainNames, ch *ntlm.Challenge, domain string) error {
	if err := own.isController(ch); err != nil || domain != "" {
		return err
	}
	computer := identity.Fold(ch.TargetInfo.NbComputerName())
	if _, known := s.judging.Load(computer); known {
		return nil
	}
	is, err := s.directory.hasController(ctx, computer)
	switch {
	case err != nil:
		return err
	case is:
		s.judging.Store(computer, true)
		return nil
	}
	return &identity.Error{
		Kind: identity.KindProtocol, Err: fmt.Errorf("what answers on port %s is %.64q, and no controller of %s to the directory: who names no domain is somebody of its own there", portSMB, computer, own.netBIOS),
		Hint: "each server line has to name a controller of the domain, on whose port 445 that controller answers too; or log in as " + own.netBIOS + `\user`,
	}
}

// uacPartialSecrets is a bit of userAccountControl, of a read-only controller's account,
// [MS-ADTS] 2.2.16.
const uacPartialSecrets = 0x4000000

// hasController reports whether a computer is a controller by its account.
func (d *Directory) hasController(ctx context.Context, computer string) (is bool, err error) {
	err = d.service.do(ctx, func(c *conn, root rootDSE) error {
		entries, err := c.search(ctx, root.base, ldap.ScopeWholeSubtree, "(sAMAccountName="+ldap.EscapeFilter(computer+"$")+")", 2, "userAccountControl")
		is = len(entries) == 1 && number(entries[0], "userAccountControl")&(uacServerTrust|uacPartialSecrets) != 0
		return err
	})
	return is, err
}

var (
	errCharset = errors.New("the message is not of the character set that was agreed on")
	errHalf    = errors.New("a name that is not of whole characters")
	errOEM     = errors.New("a name in an OEM character set that is not of ASCII alone")
)

// readAlike refuses a message whose names a controller may read otherwise than we
// do: it goes by what was negotiated, [MS-NLMP] 2.2.2.5, or by the message, and has
// an OEM character set of its own.
func readAlike(ch *ntlm.Challenge, m *ntlm.Authenticate) error {
	wide := m.Flags.Has(ntlm.NegotiateUnicode)
	switch {
	case wide != ch.Flags.Has(ntlm.NegotiateUnicode):
		return identity.Fail(identity.KindBadToken, errCharset)
	case strings.ContainsRune(m.Domain+m.User, utf8.RuneError): // half of a surrogate pair, which some pass over
		return identity.Fail(identity.KindBadName, errHalf)
	case !wide && !identity.IsPlain(m.Domain+m.User):
		return &identity.Error{
			Kind: identity.KindBadName, Err: errOEM,
			Hint: "this client writes names without Unicode, and the controller may read another name than we do: let it use Basic over TLS, or write verify netlogon",
		}
	}
	return nil
}

// namedWitness is the evidence in a Principal of an account that was found by the
// name which a controller said yes to.
type namedWitness struct {
	directory *Directory
	sid       identity.SID
	verifier  string // its name
}

// Close implements io.Closer: nothing is held.
func (*namedWitness) Close() error { return nil }

// of implements attested.
func (w *namedWitness) of() *Directory { return w.directory }

// resolve implements attested.
func (w *namedWitness) resolve(ctx context.Context) (*identity.Identity, error) {
	d := w.directory
	key := cacheKey{sid: w.sid, dn: "log-in by name", verifier: w.verifier, reading: d.reading.print}
	return d.lookUp(ctx, key, func(ctx context.Context, c *conn, root rootDSE) (*ldap.Entry, error) {
		return d.accountOf(ctx, c, root, w.sid)
	})
}

// proveNamed makes the Principal of a controller's yes to a name. It is looked up
// anew for each log-in: a name may be another account's by now. The proof lacks
// whom it is of.
func (d *Directory) proveNamed(ctx context.Context, name identity.Name, p identity.Proof) (*identity.Principal, error) {
	err := d.service.do(ctx, func(c *conn, root rootDSE) (err error) {
		p.SID, err = d.sidOfName(ctx, c, root, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	p.Evidence = &namedWitness{directory: d, sid: p.SID, verifier: p.Verifier}
	return identity.Prove(p), nil
}

// sidOfName finds the account that a controller finds by a name of its domain: by
// sAMAccountName, or by a UPN that is written in the account. An implicit UPN
// is not taken, since it may be written in an account of another domain of the
// forest, which goes first.
func (d *Directory) sidOfName(ctx context.Context, c *conn, root rootDSE, name identity.Name) (identity.SID, error) {
	attribute, literal := "sAMAccountName", ldap.EscapeFilter(name.User)
	filter := "(sAMAccountName=" + literal + ")"
	if _, _, isUPN := name.UPN(); isUPN && name.Domain == "" {
		attribute, filter = "userPrincipalName", "(|"+filter+"(userPrincipalName="+literal+"))"
	}
	entries, err := c.search(ctx, root.base, ldap.ScopeWholeSubtree, filter, 2, d.reading.account...)
	switch {
	case errors.Is(err, errLimit) || len(entries) > 1:
		return identity.SID{}, identity.Fail(identity.KindAmbiguous, fmt.Errorf("several accounts have the name %.300q", name.User))
	case err != nil:
		return identity.SID{}, err
	case len(entries) == 0 || !isAccount(entries[0]) || identity.Fold(value(entries[0], attribute)) != identity.Fold(name.User):
		return identity.SID{}, &identity.Error{
			Kind: identity.KindNotFound, Err: fmt.Errorf("the controller lets in %.300q, and no account has exactly this %s", name.User, attribute),
			Hint: "log in as " + d.netBIOS() + `\user with the sAMAccountName; or the service account may not read the account`,
		}
	}
	sid, err := sidOf(entries[0])
	switch {
	case err != nil:
		return sid, err
	case sid.IsZero():
		return sid, notFound()
	case sid.IsNobody():
		return sid, guestMapped(sid)
	}
	return sid, nil
}

var _ attested = (*namedWitness)(nil)
