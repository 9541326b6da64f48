package caddyldap

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// fromWhoAmI finds the account that a server without tokenGroups has let in, by
// its answer to Who am I (RFC 4532). Where it has none, a simple bind has
// proven the name that was typed, and that is searched. An NTLM exchange has
// not proven the name in it, so there it is the end.
func (w *witness) fromWhoAmI(ctx context.Context, claimed identity.Name, verifier string) (*ldap.Entry, error) {
	who, err := ask(ctx, w.conn, func(client *ldap.Conn) (*ldap.WhoAmIResult, error) { return client.WhoAmI(nil) })
	switch {
	case err == nil:
		return w.fromAuthzID(ctx, who.AuthzID)
	case !isResult(err):
		return nil, err
	case verifier != nameBind:
		return nil, &identity.Error{
			Kind: identity.KindMismatch, Err: errors.New("the server says neither tokenGroups nor who is bound"),
			Hint: "the server cannot say whom it let in by NTLM: write verify bind alone",
		}
	}
	if w.bound != "" {
		return w.read(ctx, w.bound)
	}
	return w.found(w.directory.find(ctx, w.conn, w.root, claimed))
}

// fromAuthzID reads an authzId, RFC 4513 5.2.1.8: dn:… or u:….
func (w *witness) fromAuthzID(ctx context.Context, authzID string) (*ldap.Entry, error) {
	form, text, _ := strings.Cut(authzID, ":")
	switch {
	case text == "":
		return nil, identity.Fail(identity.KindGuestMapped, errors.New("the server says that nobody is bound"))
	case strings.EqualFold(form, "dn"):
		return w.read(ctx, text)
	case strings.EqualFold(form, "u"):
		name := identity.ParseName(text)
		if name.Domain != "" && !w.directory.isOwn(name.Domain) {
			return nil, identity.Fail(identity.KindNotFound, fmt.Errorf("the server let in %.300q, who is not of this directory's domain", text))
		}
		return w.found(w.directory.find(ctx, w.conn, w.root, name))
	}
	return nil, identity.Fail(identity.KindProtocol, fmt.Errorf("the server says %.300q is bound", authzID))
}

// read reads the entry of whoever was let in. Many a directory of Unix lets a
// user read less than that, and the service account more.
func (w *witness) read(ctx context.Context, dn string) (*ldap.Entry, error) {
	var e *ldap.Entry
	err := w.look(ctx, func(c *conn, _ rootDSE) (err error) {
		e, err = c.entry(ctx, dn, w.directory.reading.account...)
		return err
	})
	return w.found(e, err)
}

// look looks something up: on the connection of whoever was let in in Active
// Directory, where everybody may read what is needed; elsewhere on the service
// account's, where there is one.
func (w *witness) look(ctx context.Context, act func(*conn, rootDSE) error) error {
	if w.root.ad || w.directory.service == nil {
		return diagnose(w.conn.server, searching, act(w.conn, w.root))
	}
	return w.directory.service.do(ctx, act)
}

func (w *witness) found(e *ldap.Entry, err error) (*ldap.Entry, error) {
	if err == nil && e == nil {
		return nil, notFound()
	}
	return e, err
}

func notFound() error {
	return &identity.Error{
		Kind: identity.KindNotFound, Err: errors.New("no entry for the account"),
		Hint: "base_dn leaves the account out, or the account that searches may not read it",
	}
}
