package caddyldap

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// witness is the evidence in a Principal: the connection on which the
// controller let somebody in, and what it said about them there.
type witness struct {
	directory *Directory
	conn      *conn
	root      rootDSE
	person    person
	cached    *identity.Identity
	bound     string // the DN that a bind has proven, where it was by one
	meant     identity.Meant
	settled   bool //  all that was asked on the connection has been answered
}

// person is an account entry and the groups known so far.
type person struct {
	entry  *ldap.Entry
	sid    identity.SID
	groups []identity.Group
	whole  bool // groups lists all of them
}

// Close implements io.Closer.
func (w *witness) Close() error {
	if w.settled {
		w.directory.spare.put(w.conn)
		return nil
	}
	w.conn.close()
	return nil
}

// whois asks a controller whom it has let in by NTLM on a connection, and makes the
// Principal. It takes the connection over, whatever comes of it.
//
// What the client wrote decides nothing, but a domain in it that is not this
// directory's is refused: OTHER\alice with alice's password passes at many a
// controller, and whoever that is, they do not claim to be our alice.
func (d *Directory) whois(ctx context.Context, c *conn, claimed identity.Name, meant identity.Meant) (*identity.Principal, error) {
	return (&witness{directory: d, conn: c, meant: meant}).prove(ctx, claimed, nameRelay)
}

// whoisBound is whois after a bind by a typed name. Where that stood for a DN,
// the DN says whose directory it is of, and not the beginning of it before a
// backslash, which escapes a letter there.
func (d *Directory) whoisBound(ctx context.Context, c *conn, typed identity.Name, target bindTarget) (*identity.Principal, error) {
	w := &witness{directory: d, conn: c}
	if target.dn {
		w.bound = target.name
	}
	return w.prove(ctx, typed, nameBind)
}

// errOtherName is that a server has let in somebody by another name than the
// typed one, on a connection on which others have bound before.
var errOtherName = errors.New("somebody by another name than was typed is on a connection that has served others")

// named reports whether the person has the name that a password was tried with.
// A server takes more names than those: there it says no of somebody who is the
// right one.
func (w *witness) named(typed identity.Name) bool {
	var sam, upn, dn string
	if id, e := w.cached, w.person.entry; id != nil {
		sam, upn, dn = id.SAM, id.UPN, id.DN
	} else {
		sam, upn, dn = w.directory.loginName(e), value(e, "userPrincipalName"), e.DN
	}
	if w.bound != "" {
		return policy.FoldDN(w.bound) == policy.FoldDN(dn)
	}
	user, _, isUPN := typed.UPN()
	switch name := identity.Fold(typed.User); {
	case name == identity.Fold(sam):
		return true
	case isUPN:
		return name == identity.Fold(upn) || identity.Fold(user) == identity.Fold(sam)
	}
	return false
}

// prove makes the Principal, or closes the connection.
func (w *witness) prove(ctx context.Context, claimed identity.Name, verifier string) (*identity.Principal, error) {
	c := w.conn
	err := w.ask(ctx, claimed, verifier)
	if err == nil && c.reused && !w.named(claimed) {
		err = errOtherName
	}
	if err != nil {
		c.close()
		return nil, diagnose(c.server, searching, err)
	}
	return identity.Prove(identity.Proof{
		SID: w.person.sid, Claimed: claimed, Verifier: verifier, Server: c.server.url.Addr(), Meant: w.meant, Evidence: w,
	}), nil
}

func (w *witness) ask(ctx context.Context, claimed identity.Name, verifier string) (err error) {
	if w.root, err = readRoot(ctx, w.conn); err != nil {
		return err
	}
	if err := w.directory.learn(ctx, w.conn, w.root); err != nil {
		return err
	}
	if w.bound == "" && claimed.Domain != "" && !w.directory.isOwn(claimed.Domain) {
		return w.directory.foreign(claimed.Domain)
	}
	if len(w.root.token) > 0 {
		d := w.directory
		if w.cached = d.cache.recallContext(w.root.token, verifier, d.reading.print, d.limit()); w.cached != nil {
			w.person.sid = w.cached.SID
			return nil
		}
		w.person, err = w.directory.fromToken(ctx, w.conn, w.root)
		return err
	}
	w.person.entry, err = w.fromWhoAmI(ctx, claimed, verifier)
	if err != nil {
		return err
	}
	w.person.sid, err = sidOf(w.person.entry)
	if err == nil && w.person.sid.IsNobody() {
		return guestMapped(w.person.sid)
	}
	return err
}

// fromToken finds who stands behind a security context: one search names its
// SIDs, and exactly one of them is an account. The order of the SIDs is not
// relied on.
func (d *Directory) fromToken(ctx context.Context, c *conn, root rootDSE) (person, error) {
	for _, sid := range root.token {
		if sid.IsNobody() {
			return person{}, guestMapped(sid)
		}
	}
	entries, err := bySIDs(ctx, c, root.base, root.token, d.reading.names)
	if err != nil {
		return person{}, err
	}
	var p person
	for _, sid := range root.token {
		e := entries[sid]
		if e == nil || !isAccount(e) {
			continue
		}
		if p.entry != nil && p.sid != sid {
			return person{}, identity.Fail(identity.KindAmbiguous, fmt.Errorf("%s and %s are both in the security context", p.sid, sid))
		}
		p.entry, p.sid = e, sid
	}
	if p.entry == nil {
		return person{}, &identity.Error{
			Kind: identity.KindNotFound, Err: errors.New("no account of this domain is in the security context: " + sidList(root.token)),
			Hint: "the account is of another domain, which needs a directory of its own here, or may not read its own entry",
		}
	}
	p.groups, p.whole = d.groupsOf(root.token, p.sid, entries), true
	return p, nil
}

// foreign is the error of a name that claims another domain.
func (d *Directory) foreign(domain string) error {
	return &identity.Error{
		Kind: identity.KindMismatch,
		Err:  fmt.Errorf("the client claims domain %.64q, and the controller's is %s", domain, d.netBIOS()),
		Hint: "log in as " + d.netBIOS() + `\user, or without a domain; where the domain has another NetBIOS name than that, write domain`,
	}
}

func guestMapped(sid identity.SID) error {
	return &identity.Error{
		Kind: identity.KindGuestMapped, Err: fmt.Errorf("the controller let the client in as %s", sid),
		Hint: "the controller maps unknown users to the guest account: disable that account",
	}
}

func sidList(list []identity.SID) string {
	const shown = 3
	text := ""
	for i, sid := range list {
		if i == shown {
			return text + "…"
		}
		text += sid.String() + " "
	}
	return text
}

func sidOf(e *ldap.Entry) (identity.SID, error) {
	own, err := sids(e, "objectSid")
	if err != nil || len(own) == 0 {
		return identity.SID{}, err
	}
	return own[0], nil
}
