package caddyldap

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/netlogon"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
)

// A controller is asked about domain and user as the client wrote them, since the
// client's answer is made with both, [MS-NLMP] 3.3.2. There are controllers that
// do not know user@corp.example so, where corp.example is a suffix of the forest and
// no domain: Samba says that there is no such user.

// foreignSuffix reports whether a name is a UPN with a suffix that is not the
// domain's.
func (d *Directory) foreignSuffix(name identity.Name) bool {
	_, suffix, isUPN := name.UPN()
	return isUPN && name.Domain == "" && !d.isOwn(suffix)
}

// askedAs is the name that a controller is asked about a typed one, where we are the
// client, and the account that it must be, if that is known. The service account
// looks up whose a UPN with another suffix is. A name that nobody has is asked as it
// was typed, so that the answer is the controller's.
func (n *Netlogon) askedAs(ctx context.Context, typed identity.Name) (asked identity.Name, expected identity.SID, err error) {
	d, asked := n.directory, typed
	if _, _, isUPN := typed.UPN(); typed.Domain == "" && !isUPN {
		asked.Domain = d.netBIOS()
	}
	if d.service == nil || !d.foreignSuffix(typed) {
		return asked, expected, nil
	}
	var e *ldap.Entry
	err = d.service.do(ctx, func(c *conn, root rootDSE) (err error) {
		e, err = d.findTyped(ctx, c, root, typed)
		return err
	})
	if err != nil || e == nil {
		return asked, expected, err
	}
	expected, err = sidOf(e)
	sam := value(e, "sAMAccountName")
	switch {
	case err != nil:
		return asked, expected, err
	case sam == "" || expected.IsZero():
		return asked, expected, identity.Fail(identity.KindMismatch, fmt.Errorf("%s shows no sAMAccountName or no SID", e.DN))
	}
	return identity.Name{Domain: d.netBIOS(), User: sam}, expected, nil
}

// somebodyElse is the error where the controller lets in another account than the one
// that has the typed name.
func (n *Netlogon) somebodyElse(asked identity.Name, expected identity.SID, p *identity.Principal) error {
	return &identity.Error{
		Kind: identity.KindMismatch, Server: p.Server(), Err: fmt.Errorf("%s is %s in the directory, and the controller lets %s in", asked, expected, p.SID()),
		Hint: "do the servers of the directory belong to one domain, and have they the same news?",
	}
}

// wantOwnSuffix adds to a controller's word that there is no such user what can
// be done where the name is a UPN with another suffix.
func (d *Directory) wantOwnSuffix(name identity.Name, err error) error {
	e, ok := err.(*identity.Error)
	status, refused := errors.AsType[*netlogon.StatusError](err)
	if !ok || !refused || status.Status != ntstatus.NoSuchUser || e.Hint != "" || !d.foreignSuffix(name) {
		return err
	}
	hinted := *e
	hinted.Hint = "the name is a UPN whose suffix is not the domain's, which not every controller knows here: log in as " + d.netBIOS() + `\user or with the domain's DNS name behind the @; with a service_account, Basic looks such names up`
	return &hinted
}
