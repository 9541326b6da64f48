package caddyldap

import (
	"context"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

func init() {
	caddy.RegisterModule(Bind{})
}

// Bind decides by an LDAP simple bind with the name and password of the user.
type Bind struct {
	directory *Directory
}

// CaddyModule returns the Caddy module information.
func (Bind) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: Namespace + "." + nameBind, New: func() caddy.Module { return new(Bind) }}
}

// Attach implements Verifier.
func (b *Bind) Attach(d *Directory) error {
	b.directory = d
	return nil
}

// VerifyPassword implements identity.PasswordVerifier.
func (b *Bind) VerifyPassword(ctx context.Context, name identity.Name, password identity.Secret) (*identity.Principal, error) {
	p, err := b.verify(ctx, name, password)
	return p, claimedBy(name, err)
}

func (b *Bind) verify(ctx context.Context, name identity.Name, password identity.Secret) (*identity.Principal, error) {
	if password.Blank() {
		return nil, identity.Fail(identity.KindEmptyPassword, nil)
	}
	if err := name.Check(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, overall)
	defer cancel()
	d := b.directory
	if err := d.nameDomain(ctx); err != nil {
		return nil, err
	}
	targets, err := d.bindTargets(ctx, name)
	if err != nil {
		return nil, wantLoginName(name, d.loginNames(), err)
	}
	c, target, err := d.bindByName(ctx, targets, password)
	if err != nil && target.found {
		return nil, err // the name is somebody's
	}
	if err != nil {
		return nil, wantLoginName(name, d.loginNames(), err)
	}
	return d.whoisBound(ctx, c, name, target)
}

// bind connects and binds by name and password, and says how long the server
// took to judge them. Each bind has a connection of its own: a failed bind on a
// used one leaves the former identity on it.
func (d *Directory) bind(ctx context.Context, name string, password identity.Secret) (bound *conn, took time.Duration, err error) {
	err = d.servers.try(ctx, func(ctx context.Context, c *conn) (err error) {
		if took, err = simpleBind(ctx, c, name, password); err != nil {
			c.close()
			return err
		}
		bound = c
		return nil
	})
	return bound, took, err
}

// simpleBind is RFC 4513 5.1.3, on a connection of which nothing was used yet. It
// asks for what a password policy has to say.
func simpleBind(ctx context.Context, c *conn, name string, password identity.Secret) (took time.Duration, err error) {
	c.open()
	began := time.Now()
	result, err := askAlone(ctx, c, func(client *ldap.Conn) (*ldap.SimpleBindResult, error) {
		return client.SimpleBind(ldap.NewSimpleBindRequest(name, password.Reveal(), []ldap.Control{ldap.NewControlBeheraPasswordPolicy()}))
	})
	return time.Since(began), diagnose(c.server, binding, checkPolicy(result, err))
}

// claimedBy notes in an error what the client said its name was.
func claimedBy(name identity.Name, err error) error {
	if err == nil {
		return nil
	}
	e, ok := err.(*identity.Error)
	if !ok {
		e = identity.Fail(identity.KindOf(err), err)
	}
	noted := *e
	noted.Claimed = name
	return &noted
}

// Interface guards.
var (
	_ Verifier                  = (*Bind)(nil)
	_ identity.PasswordVerifier = (*Bind)(nil)
)
