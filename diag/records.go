package diag

import (
	"context"
	"fmt"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// records are what directories know of one user.
type records struct {
	name   identity.Name
	logIn  bool // even where a service account could look the user up
	secret func() (identity.Secret, error)

	typed bool
	given identity.Secret
	known map[string]record
}

// record is one directory's answer.
type record struct {
	id       *identity.Identity
	loggedIn bool
	err      error
}

// ask asks a directory, once.
func (r *records) ask(ctx context.Context, d *caddyldap.Directory) record {
	if known, ok := r.known[d.Key()]; ok {
		return known
	}
	var answer record
	if answer.loggedIn = r.logIn || !d.HasServiceAccount(); answer.loggedIn {
		answer.id, answer.err = r.enter(ctx, d)
	} else {
		answer.id, answer.err = d.Find(ctx, r.name)
	}
	if r.known == nil {
		r.known = make(map[string]record)
	}
	r.known[d.Key()] = answer
	return answer
}

// enter logs the user in.
func (r *records) enter(ctx context.Context, d *caddyldap.Directory) (*identity.Identity, error) {
	if d.PasswordVerifier() == nil && d.NTLMVerifier() == nil {
		return nil, &advice{fmt.Errorf("nobody logs in at %s by a password: its verify lines take tickets alone", d.Name()), "leave --log-in and passwords out; a service_account looks users up"}
	}
	if !r.typed {
		var err error
		if r.given, err = r.secret(); err != nil {
			return nil, err
		}
		r.typed = true
	}
	p, err := prove(ctx, d, r.name, r.given, d.PasswordVerifier() == nil)
	if err != nil {
		return nil, err
	}
	return d.Resolve(ctx, p)
}
