package diag

import (
	"context"
	"errors"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// prove logs somebody in at a directory, by a bind with the password or by NTLM as
// a browser does.
func prove(ctx context.Context, d *caddyldap.Directory, name identity.Name, secret identity.Secret, byNTLM bool) (*identity.Principal, error) {
	if !byNTLM {
		v := d.PasswordVerifier()
		if v == nil {
			return nil, &advice{errors.New("no verifier of this directory takes passwords"), "say --ntlm"}
		}
		return v.VerifyPassword(ctx, name, secret)
	}
	v := d.NTLMVerifier()
	if v == nil {
		return nil, &advice{errors.New("no verifier of this directory takes NTLM"), "leave --ntlm out"}
	}
	client := &ntlm.Client{Domain: name.Domain, User: name.User, Password: secret.Reveal()}
	x, err := v.StartNTLM(ctx, client.Negotiate(), nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = x.Close() }()
	answer, err := client.Authenticate(x.Challenge())
	if err != nil {
		return nil, err
	}
	return x.Finish(ctx, answer)
}
