package caddyldap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ldapsasl"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// The ways in which a service account binds.
const (
	accountSimple   = "simple"
	accountNTLM     = "ntlm"
	accountKerberos = "kerberos"
)

// account is how the service account proves itself.
type account interface {
	// evidence reads anew what the account proves itself with, so that a file
	// that changes is noticed. Its text shows in no error.
	evidence() (identity.Secret, error)
	// bind binds a connection of which nothing was used yet. It does not close
	// it, whatever comes of it; after success the LDAP library has it.
	bind(ctx context.Context, c *conn, evidence identity.Secret) error
}

func (d *Directory) newAccount() account {
	a := d.ServiceAccount
	switch {
	case a.Mechanism == accountKerberos:
		return &kerberosAccount{directory: d, config: a}
	case a.Mechanism == accountNTLM:
		return &ntlmAccount{password{a}, d}
	}
	return &simpleAccount{password{a}, d}
}

// password is evidence that stands in the configuration or where it points to.
type password struct{ config *ServiceAccount }

// evidence implements account.
func (p password) evidence() (identity.Secret, error) {
	return ReadSecret("service_account "+p.config.Name, p.config.Secret)
}

// ReadSecret is a secret as a configuration writes it, or as it stands now in the
// file or the variable that it points to. whose begins its errors.
func ReadSecret(whose, text string) (identity.Secret, error) {
	if strings.Contains(text, "{file.") || strings.Contains(text, "{env.") {
		source := "its secret"
		if strings.HasPrefix(text, "{") && strings.IndexByte(text, '}') == len(text)-1 {
			source = text
			if err := unreadable(text); err != nil {
				return identity.Secret{}, fmt.Errorf("%s: %s: %w", whose, source, err)
			}
		}
		read, err := caddy.NewReplacer().ReplaceOrErr(text, true, true)
		if err != nil {
			return identity.Secret{}, fmt.Errorf("%s: %s is empty, or cannot be read", whose, source)
		}
		text = strings.TrimRight(read, "\r\n")
	}
	secret := identity.NewSecret(text)
	if secret.Blank() {
		return identity.Secret{}, fmt.Errorf("%s: its secret is blank", whose)
	}
	return secret, nil
}

// unreadable says why the file behind {file.PATH} cannot be opened: a placeholder would
// only be empty, and Caddy's own log have the reason.
func unreadable(placeholder string) error {
	path, ok := strings.CutPrefix(placeholder, "{file.")
	if !ok {
		return nil
	}
	f, err := os.Open(strings.TrimSuffix(path, "}"))
	if err != nil {
		return err
	}
	return f.Close()
}

// simpleAccount binds by name and password.
type simpleAccount struct {
	password
	directory *Directory
}

// bind implements account.
func (a *simpleAccount) bind(ctx context.Context, c *conn, evidence identity.Secret) error {
	took, err := simpleBind(ctx, c, a.name(), evidence)
	if err == nil {
		a.directory.pace.note(took, false) // until a user's password is judged
	}
	return err
}

// name is as for users, and a DN as it stands.
func (a *simpleAccount) name() string {
	if checkDN(a.config.Name) == nil {
		return a.config.Name
	}
	return bindName(identity.ParseName(a.config.Name), a.directory.netBIOS(), a.directory.dns())
}

// ntlmAccount binds by NTLMv2 in SASL GSS-SPNEGO, with the channel binding of
// the connection: no password crosses it, and a controller that enforces channel
// binding is content. It asks for no signing, which TLS stands for.
type ntlmAccount struct {
	password
	directory *Directory
}

var errNoNTLMAnswer = errors.New("the controller ended the bind before it was answered")

// bind implements account.
func (a *ntlmAccount) bind(ctx context.Context, c *conn, evidence identity.Secret) error {
	client := a.directory.asClient(evidence)
	client.ChannelBinding, client.Now = c.binding(), a.directory.now()
	err := c.bounded(ctx, func() error {
		bind := ldapsasl.NewBind(c.top)
		challenge, done, err := bind.Step(client.Negotiate())
		if err != nil {
			return err
		}
		if done || !ntlm.IsMessage(challenge) {
			return &identity.Error{Kind: identity.KindProtocol, Server: c.server.url.Addr(), Hint: hintMechanism, Err: errNoChallenge}
		}
		answer, err := client.Authenticate(challenge)
		if err != nil {
			return identity.Fail(identity.KindProtocol, err)
		}
		if _, done, err = bind.Step(answer); err == nil && !done {
			err = identity.Fail(identity.KindProtocol, errNoNTLMAnswer)
		}
		return err
	})
	if err != nil {
		return diagnose(c.server, relaying, err)
	}
	c.open()
	return nil
}

// evidenceFile reads a file that proves the account.
func evidenceFile(word, path string) (identity.Secret, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return identity.Secret{}, fmt.Errorf("service_account kerberos: %s: %w: does it exist, and may this program read it?", word, err)
	}
	return identity.NewSecret(string(raw)), nil
}

var (
	_ account = (*simpleAccount)(nil)
	_ account = (*ntlmAccount)(nil)
	_ account = (*kerberosAccount)(nil)
)
