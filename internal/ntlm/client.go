package ntlm

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"
)

// Client is the client's side of one exchange: Negotiate, Authenticate, then
// SessionKey. It speaks NTLMv2 and nothing older. The fields are set before
// Negotiate. A Client is not safe for concurrent use.
type Client struct {
	User        string // sAMAccountName, or a UPN with an empty Domain
	Domain      string // NetBIOS or DNS name; empty lets the server choose
	Workstation string
	Password    string

	// ChannelBinding is what ChannelBindings returns for the TLS connection;
	// nil sends none.
	ChannelBinding *[16]byte
	// TargetName is the SPN of the service, as in HTTP/intranet.example.com;
	// empty sends none.
	TargetName string
	// Flags are asked for besides the usual ones. NegotiateSign or
	// NegotiateSeal makes the client choose the session key. Browsers ask for
	// neither, and a log-on relayed over TLS must not.
	Flags Flags
	// Version is sent where both sides agree to send one; nil sends none.
	Version *Version
	// Rand yields challenges and keys; nil means crypto/rand.
	Rand io.Reader
	// Now is the time of the response where the server sends none. Its zero
	// value sends the time 0, which controllers refuse only if they check it.
	Now time.Time

	negotiate []byte
	flags     Flags
	key       Key
	done      bool
}

// clientFlags is what every Client asks for, [MS-NLMP] 3.1.5.1.1.
const clientFlags = NegotiateUnicode | NegotiateOEM | RequestTarget | NegotiateNTLM | NegotiateAlwaysSign |
	NegotiateExtendedSessionSecurity | NegotiateTargetInfo | Negotiate128 | Negotiate56

// Negotiate starts the exchange, or a new one, and returns its first message.
func (c *Client) Negotiate() []byte {
	flags := clientFlags | c.Flags&^(NegotiateOEMDomainSupplied|NegotiateOEMWorkstationSupplied|NegotiateVersion)
	if flags&(NegotiateSign|NegotiateSeal) != 0 {
		// Without one of these a key exchange is asked for in vain, and some
		// servers refuse a client that then sends no key.
		flags |= NegotiateKeyExch
	}
	if c.Version != nil {
		flags |= NegotiateVersion
	}
	msg, err := (&Negotiate{Flags: flags, Version: c.Version}).Marshal()
	if err != nil {
		panic("ntlm: a NEGOTIATE_MESSAGE without names does not marshal: " + err.Error())
	}
	c.negotiate, c.done, c.key, c.flags = msg, false, Key{}, 0
	return msg
}

// Authenticate answers the server's challenge, [MS-NLMP] 3.1.5.1.2. The message
// carries a MIC where the server sent a timestamp, and an LMv2 response where
// it did not.
func (c *Client) Authenticate(challenge []byte) ([]byte, error) {
	if c.negotiate == nil || c.done {
		return nil, ErrOutOfOrder
	}
	c.done = true
	ch, err := ParseChallenge(challenge)
	if err != nil {
		return nil, err
	}
	if !ch.Flags.Has(NegotiateNTLM) {
		return nil, errors.New("the server does not agree to NTLM")
	}
	m, base, err := c.answer(ch)
	if err != nil {
		return nil, err
	}
	if err := c.exchangeKey(m, base); err != nil {
		return nil, err
	}
	msg, err := m.Marshal()
	if err != nil {
		return nil, err
	}
	if m.MIC != nil {
		mic := MIC(c.key, c.negotiate, challenge, msg)
		copy(msg[authenticateMICAt:], mic[:])
	}
	return msg, nil
}

// answer builds the message but for session key and MIC, and returns the
// session base key.
func (c *Client) answer(ch *Challenge) (*Authenticate, Key, error) {
	c.flags = c.agreed(ch.Flags)
	m := &Authenticate{Domain: c.Domain, User: c.User, Workstation: c.Workstation, Flags: c.flags}
	if c.flags.Has(NegotiateVersion) {
		m.Version = c.Version
	}
	var nonce [8]byte
	if err := c.random(nonce[:]); err != nil {
		return nil, Key{}, err
	}
	hash := NTOWFv2(c.User, c.Domain, NTOWFv1(c.Password))
	stamp, stamped := ch.TargetInfo.Timestamp()
	if stamped {
		m.MIC = new([16]byte)
		m.LMResponse = make([]byte, v1ResponseLen)
	} else {
		if !c.Now.IsZero() {
			stamp = FiletimeOf(c.Now)
		}
		lm := LMv2Response(hash, ch.ServerChallenge, nonce)
		m.LMResponse = lm[:]
	}
	blob, err := clientBlob(stamp, nonce, c.attributes(ch.TargetInfo, stamped))
	if err != nil {
		return nil, Key{}, err
	}
	proof := NTProofStr(hash, ch.ServerChallenge, blob)
	m.NTResponse = append(proof[:], blob...)
	return m, SessionBaseKey(hash, proof), nil
}

// agreed reduces the server's flags to what was asked for, and to one
// character set.
func (c *Client) agreed(server Flags) Flags {
	asked, err := ParseNegotiate(c.negotiate)
	if err != nil {
		return 0
	}
	f := server & (asked.Flags | TargetTypeDomain | TargetTypeServer)
	if f.Has(NegotiateUnicode) {
		f &^= NegotiateOEM
	}
	return f
}

// attributes adds the client's own to those of the server, [MS-NLMP] 3.1.5.1.2.
func (c *Client) attributes(pairs AVPairs, mic bool) AVPairs {
	if mic {
		flags := pairs.Flags() | AVFlagMIC
		pairs = pairs.Set(AVFlags, []byte{byte(flags), byte(flags >> 8), byte(flags >> 16), byte(flags >> 24)})
	}
	if c.ChannelBinding != nil {
		pairs = pairs.Set(AVChannelBindings, c.ChannelBinding[:])
	}
	if c.TargetName != "" {
		pairs = pairs.SetText(AVTargetName, c.TargetName)
	}
	return pairs
}

// exchangeKey settles the session key, [MS-NLMP] 3.1.5.1.2.
func (c *Client) exchangeKey(m *Authenticate, base Key) error {
	c.key = KeyExchangeKey(base)
	if !exchangesKey(m.Flags) {
		return nil
	}
	var exported Key
	if err := c.random(exported[:]); err != nil {
		return err
	}
	wrapped := WrapSessionKey(c.key, exported)
	m.EncryptedSessionKey, c.key = wrapped[:], exported
	return nil
}

func (c *Client) random(b []byte) error {
	r := c.Rand
	if r == nil {
		r = rand.Reader
	}
	if _, err := io.ReadFull(r, b); err != nil {
		return fmt.Errorf("random bytes for NTLM: %w", err)
	}
	return nil
}

// SessionKey returns the exported session key. It is zero before Authenticate.
func (c *Client) SessionKey() Key { return c.key }

// SessionFlags returns what both sides agreed on. They are zero before
// Authenticate.
func (c *Client) SessionFlags() Flags { return c.flags }

// Format prints the account and redacts the rest.
func (c Client) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "ntlm.Client{User:%q Domain:%q Password:%s}", c.User, c.Domain, redacted)
}
