package caddyldap

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/netlogon"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

func init() {
	caddy.RegisterModule(new(Netlogon))
}

// Netlogon decides as a member server of Windows does: the challenge is its own,
// and a controller judges the answer over the secure channel of a machine account,
// [MS-NRPC]. It takes clients that ask for signing, and checks the message
// integrity code itself. Nothing of it is LDAP.
type Netlogon struct {
	// The machine account in the domain, such as WEB01$.
	Account string `json:"account"`
	// Its password; {file.*} and {env.*} are read anew for each channel.
	Secret string `json:"secret"`

	directory *Directory
	machine   *machine
	voice     *secretSource // ours among the machine's
}

// CaddyModule returns the Caddy module information.
func (*Netlogon) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: Namespace + "." + nameNetlogon, New: func() caddy.Module { return new(Netlogon) }}
}

// CheckStatic says what is wrong with the words, without reading a file.
func (n *Netlogon) CheckStatic() error {
	computer, machine := strings.CutSuffix(n.Account, "$")
	switch {
	case n.Account == "":
		return errors.New("netlogon: which machine account? write verify netlogon WEB01$ {file./run/secrets/web01}")
	case !machine && strings.HasSuffix(n.Secret, "$"): // and the first word may be a password
		return errors.New("netlogon: the machine account stands first, and then its secret: write verify netlogon WEB01$ {file./run/secrets/web01}")
	case strings.ContainsAny(n.Account, `\@/`):
		return fmt.Errorf("netlogon %s: the name alone, without its domain: write WEB01$", n.Account)
	case !machine:
		return fmt.Errorf("netlogon %s: the name of a machine account ends in $: create one with samba-tool computer create or New-ADComputer, and write %s$", n.Account, n.Account)
	case !isNetBIOSName(computer):
		return fmt.Errorf("netlogon %s: before the $ stands a NetBIOS name of at most %d ASCII characters", n.Account, maxNetBIOS)
	case identity.NewSecret(n.Secret).Blank():
		return fmt.Errorf("netlogon %s: no secret; write verify netlogon %s {file./run/secrets/web01}", n.Account, n.Account)
	}
	return nil
}

// isNetBIOSName reports whether a name is one in every OEM character set.
func isNetBIOSName(name string) bool {
	return name != "" && len(name) <= maxNetBIOS &&
		!strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`\/:*?"<>|,@`, r) })
}

// Attach implements Verifier.
func (n *Netlogon) Attach(d *Directory) error {
	if err := n.CheckStatic(); err != nil {
		return err
	}
	configured := d.Domain
	if configured == "" && isNetBIOSName(d.named) && !strings.Contains(d.named, ".") {
		configured = d.named
	}
	if configured == "" {
		return fmt.Errorf("netlogon %s: the channel is opened by the domain's NetBIOS name: write domain EXAMPLE in the directory's block", n.Account)
	}
	n.directory, n.voice = d, &secretSource{whose: "verify netlogon " + n.Account, text: n.Secret}
	if _, err := n.voice.read(); err != nil {
		return err
	}
	var err error
	n.machine, err = enlist(n.Account, configured, n.voice)
	return err
}

// Cleanup implements caddy.CleanerUpper.
func (n *Netlogon) Cleanup() error {
	if n.machine == nil {
		return nil
	}
	return n.machine.dismiss(n.voice)
}

// computer is the machine's NetBIOS name.
func (n *Netlogon) computer() string { return strings.TrimSuffix(n.Account, "$") }

// StartNTLM implements identity.NTLMVerifier. Nobody is asked, and nothing but
// memory is held until the client has answered.
func (n *Netlogon) StartNTLM(_ context.Context, negotiate []byte, channel *identity.Channel) (identity.NTLMExchange, error) {
	return n.begin(negotiate, channel)
}

// TakesSigning implements identity.SigningVerifier.
func (*Netlogon) TakesSigning() bool { return true }

// KnowsKey implements identity.KeyedVerifier: the controller tells it.
func (*Netlogon) KnowsKey() bool { return true }

// VerifyPassword implements identity.PasswordVerifier: we are both sides of the
// exchange, and the controller sees no password.
func (n *Netlogon) VerifyPassword(ctx context.Context, name identity.Name, password identity.Secret) (*identity.Principal, error) {
	p, err := n.verify(ctx, name, password)
	return p, claimedBy(name, err)
}

func (n *Netlogon) verify(ctx context.Context, name identity.Name, password identity.Secret) (*identity.Principal, error) {
	if err := checkTyped(name, password); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, overall)
	defer cancel()
	asked, expected, err := n.askedAs(ctx, name)
	if err != nil {
		return nil, err
	}
	x, message, err := n.dialogue(&ntlm.Client{User: asked.User, Domain: asked.Domain, Workstation: n.computer(), Password: password.Reveal()})
	if err != nil {
		return nil, err
	}
	p, err := x.judge(ctx, message, name)
	if err != nil || expected.IsZero() || p.SID() == expected {
		return p, err
	}
	_ = p.Close()
	return nil, n.somebodyElse(asked, expected, p)
}

// dialogue is an exchange of which both sides are ours, up to the client's answer.
func (n *Netlogon) dialogue(client *ntlm.Client) (*netlogonExchange, *ntlm.Authenticate, error) {
	x, err := n.begin(client.Negotiate(), nil)
	if err != nil {
		return nil, nil, err
	}
	answer, err := client.Authenticate(x.Challenge())
	if err != nil {
		return nil, nil, identity.Fail(identity.KindInternal, err)
	}
	message, err := ntlm.ParseAuthenticate(answer)
	if err != nil {
		return nil, nil, identity.Fail(identity.KindBadName, err)
	}
	return x, message, nil
}

// logOn has a controller decide, and gives the name of the one that has.
func (n *Netlogon) logOn(ctx context.Context, l *netlogon.Logon) (*netlogon.Validation, string, error) {
	ctx, cancel := context.WithTimeout(ctx, overall)
	defer cancel()
	d := n.directory
	if err := d.servers.await(ctx); err != nil {
		return nil, "", err
	}
	return n.machine.logOn(ctx, d, l)
}

// Interface guards.
var (
	_ Verifier                  = (*Netlogon)(nil)
	_ caddy.CleanerUpper        = (*Netlogon)(nil)
	_ identity.SigningVerifier  = (*Netlogon)(nil)
	_ identity.KeyedVerifier    = (*Netlogon)(nil)
	_ identity.PasswordVerifier = (*Netlogon)(nil)
)
