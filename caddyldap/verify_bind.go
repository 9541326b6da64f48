package caddyldap

import (
	"context"

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
		return nil, err
	}
	c, target, err := d.bindByName(ctx, targets, password)
	if err != nil {
		return nil, err
	}
	return d.whoisBound(ctx, c, name, target)
}

// bind connects and binds by name and password. Each bind has a connection of
// its own: a failed bind on a used one leaves the former identity on it.
func (d *Directory) bind(ctx context.Context, name string, password identity.Secret) (*conn, error) {
	var bound *conn
	err := d.servers.try(ctx, func(ctx context.Context, c *conn) error {
		c.open()
		_, err := askAlone(ctx, c, func(client *ldap.Conn) (*ldap.SimpleBindResult, error) {
			return client.SimpleBind(ldap.NewSimpleBindRequest(name, password.Reveal(), nil))
		})
		if err != nil {
			c.close()
			return diagnose(c.server, binding, err)
		}
		bound = c
		return nil
	})
	return bound, err
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
