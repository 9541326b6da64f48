package caddyldap

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/netlogon"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// isHome holds somebody whom a controller has let in to the SID of the machine's own
// domain, where LDAP has not told that. What a controller of a trusted domain says of
// its users comes to us unchanged but for the SIDs, [MS-PAC] 4.1.2.2: the names of the
// domain and of the account may be those of ours. Where our domain was sent with the
// log-in its own controller has decided.
func (n *Netlogon) isHome(ctx context.Context, v *netlogon.Validation, sent string) error {
	d := n.directory
	if !d.domain.known().sid.IsZero() || sent != "" && d.isOwn(sent) {
		return nil
	}
	home, err := n.home(ctx)
	if err != nil {
		return err
	}
	if home == v.LogonDomainID {
		return nil
	}
	return &identity.Error{
		Kind: identity.KindRealm, Err: fmt.Errorf("%s is of another domain than this machine, though its controller calls that %s", v, v.LogonDomainName),
		Hint: "a controller of a trusted domain gives its users the names of this one: look at that domain",
	}
}

// homePause is how long a refusal is remembered: each may be a wrong password of the
// machine account's.
const homePause = time.Minute

// home is the SID of the machine's own domain, by a log-in of the machine account
// itself. It is asked once.
func (n *Netlogon) home(ctx context.Context) (identity.SID, error) {
	m := n.machine
	select {
	case m.learning <- struct{}{}:
		defer func() { <-m.learning }()
	case <-ctx.Done():
		return identity.SID{}, identity.Fail(identity.KindTimeout, context.Cause(ctx))
	}
	if !m.domain.IsZero() {
		return m.domain, nil
	}
	if n.directory.now().Before(m.refusedUntil) {
		return identity.SID{}, m.refused
	}
	v, err := n.logOnSelf(ctx)
	if err != nil && !identity.KindOf(err).AboutAccount() {
		return identity.SID{}, err
	}
	if err == nil && !n.isSelf(v) {
		err = fmt.Errorf("it is %s to the controller", v)
	}
	if err != nil {
		m.refusedUntil = n.directory.now().Add(homePause)
		m.refused = &identity.Error{
			Kind: identity.KindSecureChannel, Err: fmt.Errorf("the SID of the domain by a log-in of %s: %w", n.Account, err),
			Hint: "until the machine account can log in by NTLM itself, users write the domain before their names; or write a service_account line",
		}
		return identity.SID{}, m.refused
	}
	m.domain = v.LogonDomainID
	return m.domain, nil
}

// logOnSelf logs the machine account in. We are both sides of the exchange.
func (n *Netlogon) logOnSelf(ctx context.Context) (*netlogon.Validation, error) {
	secret, err := n.machine.secret()
	if err != nil {
		return nil, identity.Fail(identity.KindSecureChannel, err)
	}
	x, message, err := n.dialogue(n.itself(string(secret)))
	if err != nil {
		return nil, err
	}
	v, _, err := n.logOn(ctx, x.logon(message))
	return v, err
}

// itself is the machine account as a client.
func (n *Netlogon) itself(secret string) *ntlm.Client {
	return &ntlm.Client{User: n.Account, Domain: n.directory.netBIOS(), Workstation: n.computer(), Password: secret}
}

// isSelf reports whether a controller has let in the machine account.
func (n *Netlogon) isSelf(v *netlogon.Validation) bool {
	return strings.EqualFold(v.EffectiveName, n.Account) && strings.EqualFold(v.LogonDomainName, n.directory.netBIOS())
}

// learn takes the SID of the domain from a log-in that somebody else has made of the
// machine account, unless it is being asked for now.
func (n *Netlogon) learn(v *netlogon.Validation) {
	m := n.machine
	select {
	case m.learning <- struct{}{}:
		if m.domain.IsZero() && n.isSelf(v) {
			m.domain = v.LogonDomainID
		}
		<-m.learning
	default:
	}
}
