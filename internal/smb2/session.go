package smb2

import (
	"errors"
	"fmt"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
	"github.com/caddy-ntlm/caddy-ntlm/internal/spnego"
)

// Account is who opens a pipe: a user, or a computer under its name with the $.
type Account struct {
	User     string // sAMAccountName, or a UPN with an empty Domain
	Domain   string // NetBIOS or DNS name
	Password string
}

// errNoName keeps a forgotten name from opening a null session.
var errNoName = errors.New("an account without a name")

// Format prints the account and redacts the password.
func (a Account) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "smb2.Account{User:%q Domain:%q Password:[redacted]}", a.User, a.Domain)
}

// logon is a client of NTLM: Authenticate answers a challenge.
type logon interface {
	Negotiate() []byte
	Authenticate(challenge []byte) ([]byte, error)
	SessionKey() ntlm.Key
	SessionFlags() ntlm.Flags
}

// logOn establishes the session as an account, with NTLMv2, and from then on
// signs: each request, and each answer must be. The last answer of the log-on
// is signed with the session's own key: it shows that the server knows the
// password too, or asked a controller that does.
func (c *conn) logOn(server string, account Account) (setupAnswer, error) {
	if account.User == "" {
		return setupAnswer{}, errNoName
	}
	client := &ntlm.Client{
		User:       account.User,
		Domain:     account.Domain,
		Password:   account.Password,
		TargetName: "cifs/" + server,
		Flags:      ntlm.NegotiateSign, // which gives the session a key of its own
		Now:        time.Now(),
	}
	a, s, err := c.converse(client)
	if err != nil {
		return s, err
	}
	if err := s.somebody(); err != nil {
		return s, c.fail(SessionSetup, err)
	}
	sign := &signer{key: signingKey(c.said.dialect, client.SessionKey(), c.preauth), algorithm: c.said.signing}
	if err := sign.verify(a.msg); err != nil {
		return s, c.fail(SessionSetup, err)
	}
	c.signer = sign
	if c.said.dialect == SMB311 && c.said.cipher == cipherAESGCM {
		c.agreed = newSealer(cipherKeys(client.SessionKey(), c.preauth))
	}
	return s, nil
}

// encrypt turns encryption on, where a server demands it.
func (c *conn) encrypt(command Command) error {
	if c.agreed == nil {
		return c.fail(command, fmt.Errorf("%w (the dialect is %v)", ErrEncryption, c.said.dialect))
	}
	c.sealer = c.agreed
	return nil
}

// converse does the legs of a log-on: NTLM alone, within SPNEGO.
func (c *conn) converse(client logon) (answer, setupAnswer, error) {
	offer := spnego.NegTokenInit{MechTypes: spnego.NewMechTypeList(spnego.NTLMSSP), MechToken: client.Negotiate()}
	first, err := offer.Marshal()
	if err != nil {
		return answer{}, setupAnswer{}, err
	}
	a, s, err := c.setup(first)
	if err != nil {
		return answer{}, setupAnswer{}, err
	}
	if a.status != ntstatus.MoreProcessingRequired {
		return answer{}, setupAnswer{}, c.fail(SessionSetup, fmt.Errorf("%w: it said yes before it saw a proof", ErrLegs))
	}
	reply, err := spnego.ParseResp(s.token)
	if err != nil {
		return answer{}, setupAnswer{}, c.fail(SessionSetup, err)
	}
	if c.heed != nil {
		if err := c.heed(reply.ResponseToken); err != nil {
			return answer{}, setupAnswer{}, c.fail(SessionSetup, err)
		}
	}
	proof, err := client.Authenticate(reply.ResponseToken)
	if err != nil {
		return answer{}, setupAnswer{}, c.fail(SessionSetup, err)
	}
	mic, err := mechListMIC(client, offer.MechTypes)
	if err != nil {
		return answer{}, setupAnswer{}, c.fail(SessionSetup, err)
	}
	second, err := (&spnego.NegTokenResp{ResponseToken: proof, MechListMIC: mic}).Marshal()
	if err != nil {
		return answer{}, setupAnswer{}, err
	}
	a, s, err = c.setup(second)
	if err == nil && a.status != ntstatus.Success {
		err = c.fail(SessionSetup, fmt.Errorf("%w: it asks for more after the last message: %v", ErrLegs, a.status))
	}
	return a, s, err
}

// mechListMIC signs the list of mechanisms, RFC 4178 5: Samba asks for one more leg
// where a client that can sign does not. The server's own is not looked at: the
// signature of its SMB message covers it.
func mechListMIC(client logon, list spnego.MechTypeList) ([]byte, error) {
	if !client.SessionFlags().Has(ntlm.NegotiateSign) {
		return nil, nil
	}
	out, err := ntlm.NewChannel(client.SessionFlags(), client.SessionKey(), ntlm.ClientToServer)
	if err != nil {
		return nil, err
	}
	mic := out.Sign(list.DER())
	return mic[:], nil
}
