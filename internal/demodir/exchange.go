package demodir

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// ntlmPending is an NTLM exchange whose challenge is out.
type ntlmPending struct {
	server    ntlm.Server
	challenge *ntlm.Challenge
	sicily    bool // and by which kind of bind it goes on
}

// challenge answers a Type 1 and keeps the exchange for the next leg.
func (c *conn) challenge(negotiate []byte, sicily bool) ([]byte, error) {
	p := &ntlmPending{sicily: sicily, server: ntlm.Server{
		NetBIOSDomain: c.cfg.Domain,
		NetBIOSName:   hostShort,
		DNSDomain:     c.cfg.DNSDomain,
		DNSName:       c.tree.hostName(),
		Now:           time.Now,
		Version:       &ntlm.Version{Major: 10, Build: 20348, Revision: 15},
	}}
	message, err := p.server.Challenge(negotiate)
	if err != nil {
		return nil, err
	}
	if p.challenge, err = ntlm.ParseChallenge(message); err != nil {
		return nil, err
	}
	c.exchange = p
	return message, nil
}

// outcome is what a Type 3 came to.
type outcome struct {
	who        *account
	data       string // Windows error code of a failure
	flags      ntlm.Flags
	gone       bool // the connection ends without an answer
	badBinding bool // the channel binding is missing or another connection's
}

// failure is what a log-in that is over is answered, whatever carried it.
func (c *conn) failure(o outcome) (res result, failed bool) {
	switch {
	case o.data != "":
		return logonFailed(o.data), true
	case c.cfg.BadBindings, o.badBinding:
		return resultBadBindings, true
	}
	return result{}, false
}

// finish decides on a Type 3. The domain that it names proves nothing and is
// not looked at, and a log-in of nobody succeeds: so do controllers.
func (c *conn) finish(p *ntlmPending, authenticate []byte) outcome {
	message, err := ntlm.ParseAuthenticate(authenticate)
	if err != nil {
		return outcome{data: dataInvalidParameter}
	}
	if message.Anonymous() {
		return outcome{who: c.tree.anonymous, flags: message.Flags}
	}
	who := c.tree.accountByName(message.User)
	if who == nil && c.cfg.GuestMap {
		return outcome{who: c.tree.guest, flags: message.Flags}
	}
	_, err = p.server.Check(authenticate, func(string, string) ([16]byte, bool) {
		if who == nil || who.noPassword {
			return [16]byte{}, false
		}
		return who.hash, true
	})
	if p.foreign(message) || errors.Is(err, ntlm.ErrMIC) || errors.Is(err, ntlm.ErrMalformed) {
		return outcome{data: dataInvalidParameter}
	}
	data, alive := c.judge(who, err == nil)
	if data == "" && (c.cfg.Bindings || c.cfg.SentBindings && sendsBinding(message)) && !c.isBound(message) {
		return outcome{badBinding: true, gone: !alive}
	}
	return outcome{who: who, data: data, flags: message.Flags, gone: !alive}
}

// sendsBinding reports whether a client sent a channel binding, which
// LdapEnforceChannelBinding 1 then compares.
func sendsBinding(m *ntlm.Authenticate) bool {
	response, err := m.V2()
	if err != nil {
		return false
	}
	_, sent := response.AVPairs.ChannelBindings()
	return sent
}

// isBound compares the client's channel binding with the connection's,
// tls-server-end-point of RFC 5929 4, as LdapEnforceChannelBinding 2 does.
func (c *conn) isBound(m *ntlm.Authenticate) bool {
	response, err := m.V2()
	if err != nil || !c.secure {
		return false
	}
	hash := sha256.Sum256(c.certs.server.Leaf.Raw) // its signature is of ECDSA with SHA-256
	got, ok := response.AVPairs.ChannelBindings()
	return ok && got == ntlm.ChannelBindings(append([]byte("tls-server-end-point:"), hash[:]...))
}

// foreign reports whether a response answers another challenge than this
// exchange's: it carries a time, and another one than was sent. A controller
// says so before it looks at the password.
func (p *ntlmPending) foreign(m *ntlm.Authenticate) bool {
	response, err := m.V2()
	if err != nil {
		return false
	}
	sent, _ := p.challenge.TargetInfo.Get(ntlm.AVTimestamp)
	got, ok := response.AVPairs.Get(ntlm.AVTimestamp)
	return ok && !bytes.Equal(sent, got)
}

// samePassword compares a simple bind's password.
func (a *account) samePassword(password []byte) bool {
	return !a.noPassword && string(password) == a.Password
}

// isAnonymous reports whether nobody stands behind the log-in.
func (a *account) isAnonymous() bool { return a == nil || a.sid == identity.SIDAnonymous }
