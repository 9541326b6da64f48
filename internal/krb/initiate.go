package krb

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/chksumtype"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// Initiation is the client's side of one authentication to a service.
type Initiation struct {
	// Token is the GSS-API token with the AP-REQ, RFC 4121 4.1.
	Token []byte

	key  types.EncryptionKey
	sent types.Authenticator
}

// Flags of the GSS-API context, RFC 4121 4.1.1.1: mutual authentication, and
// neither integrity nor confidentiality, which TLS below gives.
const (
	gssMutual  = 2
	gssContext = gssMutual
)

// Initiate gets a ticket for a service, such as ldap/dc1.example.com, and makes
// the token for it. binding is the MD5 of the channel bindings, RFC 4121 4.1.1.2;
// nil binds to no channel.
func (c *Credential) Initiate(ctx context.Context, spn string, binding *[16]byte) (*Initiation, error) {
	return guard(ctx, func() (*Initiation, error) {
		cl, err := c.open()
		if err != nil {
			return nil, err
		}
		defer cl.Destroy()
		ticket, key, err := cl.GetServiceTicket(spn)
		if err != nil {
			return nil, fmt.Errorf("getting a ticket for %s: %w", spn, failure(err))
		}
		return initiate(cl.Credentials.Domain(), cl.Credentials.CName(), ticket, key, binding)
	})
}

// initiate makes the token of the client that is named.
func initiate(realm string, name types.PrincipalName, ticket messages.Ticket, key types.EncryptionKey, binding *[16]byte) (*Initiation, error) {
	sent, err := types.NewAuthenticator(realm, name)
	if err != nil {
		return nil, err
	}
	sent.Cksum = types.Checksum{CksumType: chksumtype.GSSAPI, Checksum: contextChecksum(binding)}
	number, err := rand.Int(rand.Reader, big.NewInt(1<<30)) // below 2^30: RFC 4121 errata, some peers read it signed
	if err != nil {
		return nil, err
	}
	sent.SeqNumber = number.Int64()
	request, err := messages.NewAPReq(ticket, key, sent)
	if err != nil {
		return nil, err
	}
	types.SetFlag(&request.APOptions, flags.APOptionMutualRequired)
	raw, err := request.Marshal()
	if err != nil {
		return nil, err
	}
	return &Initiation{Token: frame(tokenAPReq, raw), key: key, sent: sent}, nil
}

// contextChecksum is the checksum field of RFC 4121 4.1.1.
func contextChecksum(binding *[16]byte) []byte {
	sum := make([]byte, 24)
	binary.LittleEndian.PutUint32(sum, 16)
	if binding != nil {
		copy(sum[4:], binding[:])
	}
	binary.LittleEndian.PutUint32(sum[20:], gssContext)
	return sum
}

// Finish checks the service's answer, a GSS-API token with an AP-REP or the
// AP-REP alone: it must show the time that only the holder of the service's key
// could read, RFC 4120 3.2.5.
func (i *Initiation) Finish(answer []byte) error {
	_, err := guard(context.Background(), func() (struct{}, error) { return struct{}{}, i.finish(answer) })
	return err
}

func (i *Initiation) finish(answer []byte) error {
	raw, err := unframe(tokenAPRep, answer)
	if err != nil {
		return err
	}
	var reply messages.APRep
	if err := reply.Unmarshal(raw); err != nil {
		return fmt.Errorf("%w: AP-REP: %w", ErrMalformed, err)
	}
	plain, err := crypto.DecryptEncPart(reply.EncPart, i.key, keyusage.AP_REP_ENCPART)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrImpostor, err)
	}
	var part messages.EncAPRepPart
	if err := part.Unmarshal(plain); err != nil {
		return fmt.Errorf("%w: AP-REP: %w", ErrMalformed, err)
	}
	if part.Cusec != i.sent.Cusec || part.CTime.Unix() != i.sent.CTime.Unix() {
		return fmt.Errorf("%w: it answers another request", ErrImpostor)
	}
	return nil
}

// failure sorts an error of the library, which tells its kinds apart in text
// alone.
func failure(err error) error {
	text := err.Error()
	has := func(words ...string) bool {
		for _, word := range words {
			if strings.Contains(text, word) {
				return true
			}
		}
		return false
	}
	kind := ErrRefused
	switch {
	case errors.Is(err, ErrMalformed), errors.Is(err, ErrCredential):
		return err
	case has("KRB_AP_ERR_SKEW", "clock skew"):
		kind = ErrClock
	case has("KDC_ERR_S_PRINCIPAL_UNKNOWN", "KDC_ERR_PRINCIPAL_NOT_UNIQUE", "KDC_ERR_MUST_USE_USER2USER"):
		kind = ErrNoService
	case has("communication error with KDC", "Networking_Error", "no KDC SRV records", "error resolving KDC") && !has("KDC_Error"):
		kind = ErrUnreachable
	}
	return fmt.Errorf("%w: %w", kind, err)
}
