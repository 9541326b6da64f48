package caddyldap

import (
	"context"
	"errors"
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
	if err := checkTyped(name, password); err != nil {
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
	p, err := d.bindWho(ctx, targets, name, password, d.bind)
	if errors.Is(err, errOtherName) {
		p, err = d.bindWho(ctx, targets, name, password, d.bindAnew)
	}
	return p, err
}

func (d *Directory) bindWho(ctx context.Context, targets []bindTarget, name identity.Name, password identity.Secret, bind binder) (*identity.Principal, error) {
	c, target, err := d.bindByName(ctx, targets, password, bind)
	if err != nil && target.found {
		return nil, err // the name is somebody's
	}
	if err != nil {
		return nil, wantLoginName(name, d.loginNames(), err)
	}
	return d.whoisBound(ctx, c, name, target)
}

// binder binds by name and password, on a connection that is the caller's
// afterwards, and says how long the server took to judge them.
type binder func(ctx context.Context, name string, password identity.Secret) (bound *conn, took time.Duration, err error)

// bind may use a connection on which others have bound before. The result of the
// bind alone says whether the password is right: where it is wrong the
// connection is closed, since there are servers that leave the former identity
// on it.
func (d *Directory) bind(ctx context.Context, name string, password identity.Secret) (bound *conn, took time.Duration, err error) {
	return d.bindBy(ctx, name, password, func(ctx context.Context, act act) error {
		return d.servers.tryAgain(ctx, d.spare, act)
	})
}

// bindAnew binds on a new connection.
func (d *Directory) bindAnew(ctx context.Context, name string, password identity.Secret) (bound *conn, took time.Duration, err error) {
	return d.bindBy(ctx, name, password, d.servers.try)
}

func (d *Directory) bindBy(ctx context.Context, name string, password identity.Secret, try func(context.Context, act) error) (bound *conn, took time.Duration, err error) {
	err = try(ctx, func(ctx context.Context, c *conn) (err error) {
		if took, err = simpleBind(ctx, c, name, password); err != nil {
			c.close()
			return err
		}
		bound = c
		return nil
	})
	return bound, took, err
}

// simpleBind is RFC 4513 5.1.3. It asks for what a password policy has to say.
func simpleBind(ctx context.Context, c *conn, name string, password identity.Secret) (took time.Duration, err error) {
	if c.client == nil {
		c.open()
	}
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
