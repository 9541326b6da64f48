package smb2

import (
	"context"
	"net"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// openUnsigned opens a pipe in a null session, so that no signature comes before
// what a test is about.
func openUnsigned(ctx context.Context, nc net.Conn) (*Pipe, error) {
	p := &Pipe{c: newConn(nc, nil)}
	err := p.c.within(ctx, func() error {
		if err := p.c.negotiate(); err != nil {
			return err
		}
		if _, err := p.c.logOnAnonymous(); err != nil {
			return err
		}
		if err := p.connect("dc1"); err != nil {
			return err
		}
		return p.create("netlogon")
	})
	if err != nil {
		_ = nc.Close()
		return nil, err
	}
	return p, nil
}

// logOnAnonymous establishes a null session, which has no key: nothing of it is
// signed.
func (c *conn) logOnAnonymous() (setupAnswer, error) {
	_, s, err := c.converse(new(nobody))
	if err == nil && s.flags&sessionGuest != 0 {
		err = c.fail(SessionSetup, ErrGuest)
	}
	return s, err
}

// nobody is the client of an anonymous log-on, [MS-NLMP] 3.1.5.1.2: no name, no
// NT response, a byte of zero for the LM response.
type nobody struct{ asked ntlm.Flags }

func (*nobody) SessionKey() ntlm.Key     { return ntlm.Key{} }
func (*nobody) SessionFlags() ntlm.Flags { return 0 }

func (n *nobody) Negotiate() []byte {
	n.asked = ntlm.NegotiateUnicode | ntlm.RequestTarget | ntlm.NegotiateNTLM | ntlm.NegotiateAlwaysSign |
		ntlm.NegotiateExtendedSessionSecurity | ntlm.Negotiate128 | ntlm.Negotiate56
	msg, err := (&ntlm.Negotiate{Flags: n.asked}).Marshal()
	if err != nil {
		panic("smb2: a NEGOTIATE_MESSAGE without names does not marshal: " + err.Error())
	}
	return msg
}

func (n *nobody) Authenticate(challenge []byte) ([]byte, error) {
	ch, err := ntlm.ParseChallenge(challenge)
	if err != nil {
		return nil, err
	}
	flags := ch.Flags&n.asked | ntlm.NegotiateAnonymous
	return (&ntlm.Authenticate{LMResponse: []byte{0}, Flags: flags}).Marshal()
}
