package krb

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// Context is the security context of an accepted request, from the service's
// side. It signs and checks the mechListMIC of a negotiation, RFC 4121 4.2.6.1.
type Context struct {
	answer []byte
	key    types.EncryptionKey // the client's subkey, or the session key
	number uint64              // of our next message
	print  print               // of the request
	until  time.Time           // when nobody takes it any more
}

func newContext(request *messages.APReq, part *messages.EncTicketPart, sent *types.Authenticator) (*Context, error) {
	c := &Context{key: part.Key, number: uint64(uint32(sent.SeqNumber))}
	if len(sent.SubKey.KeyValue) > 0 {
		if len(sent.SubKey.KeyValue) != keyLengths[sent.SubKey.KeyType] {
			return nil, fmt.Errorf("%w: a subkey of %d bytes", ErrMalformed, len(sent.SubKey.KeyValue))
		}
		c.key = sent.SubKey
	}
	if !flag(request.APOptions.Bytes, optionMutual) {
		return c, nil
	}
	var err error
	c.answer, err = c.apRep(part, sent)
	return c, err
}

// apRep makes the AP-REP, which shows the client its own time: only who holds the
// service's key could read it, RFC 4120 3.2.4.
func (c *Context) apRep(part *messages.EncTicketPart, sent *types.Authenticator) ([]byte, error) {
	var octets [4]byte
	_, _ = rand.Read(octets[:])                                         // never fails: crypto/rand ends the program instead
	c.number = uint64(binary.BigEndian.Uint32(octets[:]) & (1<<30 - 1)) // below 2^30: some peers read it signed
	plain, err := writeEncAPRepPart(sent.CTime, sent.Cusec, c.number)
	if err != nil {
		return nil, err
	}
	sealed, err := seal(plain, part.Key, usageAPRep)
	if err != nil {
		return nil, err
	}
	raw, err := writeAPRep(sealed)
	if err != nil {
		return nil, err
	}
	return frame(tokenAPRep, raw), nil
}

// Flags of a MIC token, RFC 4121 4.2.2.
const (
	micFromAcceptor   = 1
	micAcceptorSubkey = 4
	micHeader         = 16
)

// Single tells the accepted request from all others, by what the client sealed in it, and
// says until when an acceptor with the same clock could take it for its time.
func (c *Context) Single() (name string, until time.Time) {
	return hex.EncodeToString(c.print[:]), c.until
}

// Signs reports whether messages can be signed. With RC4 they have another form,
// RFC 4757 7.2, which is not built.
func (c *Context) Signs() bool { return c.key.KeyType != etypeRC4 }

// Reply is the GSS-API token with the AP-REP; nil where the client asked for no
// proof that the service is the right one.
func (c *Context) Reply() []byte { return c.answer }

// GetMIC signs a message to the client.
func (c *Context) GetMIC(message []byte) ([]byte, error) {
	header := micHead(micFromAcceptor, c.number)
	c.number++
	sum, err := checksum(c.key, append(bytes.Clone(message), header...), usageAcceptorSign)
	if err != nil {
		return nil, err
	}
	return append(header, sum...), nil
}

// VerifyMIC checks the client's signature of a message.
func (c *Context) VerifyMIC(message, mic []byte) error {
	if len(mic) <= micHeader || !bytes.Equal(mic[:2], []byte{4, 4}) || !bytes.Equal(mic[3:8], bytes.Repeat([]byte{0xff}, 5)) {
		return fmt.Errorf("%w: not a MIC token", ErrMalformed)
	}
	// We assert no subkey of our own, and a message of ours is not the client's.
	if mic[2]&(micFromAcceptor|micAcceptorSubkey) != 0 {
		return fmt.Errorf("%w: a MIC token with flags %#x", ErrForged, mic[2])
	}
	if !hasChecksum(c.key, append(bytes.Clone(message), mic[:micHeader]...), mic[micHeader:], usageInitiatorSign) {
		return fmt.Errorf("%w: a wrong MIC", ErrForged)
	}
	return nil
}

func micHead(flags byte, number uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{4, 4, flags, 0xff, 0xff, 0xff, 0xff, 0xff}, number)
}
