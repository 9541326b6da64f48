package krb

import (
	"encoding/binary"
	"fmt"

	"github.com/jcmturner/gokrb5/v8/types"
)

// Types of authorization data, RFC 4120 7.5.4.
const (
	adIfRelevant      = 1
	adMandatoryForKDC = 8
	adWin2KPAC        = 128
)

// checkCritical refuses authorization data that is not known here and must not be
// passed over, RFC 4120 5.2.6: it restricts what the ticket is good for. Data that
// is for KDCs alone, 5.2.6.4, restricts nothing here.
func checkCritical(data types.AuthorizationData) error {
	for _, entry := range data {
		if entry.ADType != adIfRelevant && entry.ADType != adMandatoryForKDC {
			return fmt.Errorf("%w: authorization data of type %d, which must not be passed over and is not known here", ErrMalformed, entry.ADType)
		}
	}
	return nil
}

// pacIn is the PAC in a ticket's authorization data, or nil. Two are an error:
// which of them is believed must not be the reader's choice.
func pacIn(data types.AuthorizationData) ([]byte, error) {
	if err := checkCritical(data); err != nil {
		return nil, err
	}
	var pac []byte
	for _, entry := range data {
		if entry.ADType != adIfRelevant {
			continue
		}
		var inner types.AuthorizationData
		if err := inner.Unmarshal(entry.ADData); err != nil {
			return nil, fmt.Errorf("%w: authorization data: %w", ErrMalformed, err)
		}
		for _, e := range inner {
			if e.ADType != adWin2KPAC {
				continue
			}
			if pac != nil {
				return nil, fmt.Errorf("%w: two of them in one ticket", ErrPAC)
			}
			pac = e.ADData
		}
	}
	return pac, nil
}

// CheckPAC checks the server's signature of a PAC, [MS-PAC] 2.8.1: signed is the
// PAC with the bytes of both signatures zero, kind the type of the checksum. Only
// the KDC and the service itself can make one, with the key of the ticket.
func (t *Ticket) CheckPAC(signed []byte, kind int32, sum []byte) error {
	want, ok := checksumOf[t.key.KeyType]
	switch {
	case !ok || kind != want:
		return fmt.Errorf("%w: its signature is of type %d, and one of the ticket's key is of %d", ErrPAC, kind, want)
	case !hasChecksum(t.key, signed, sum, usagePAC):
		return fmt.Errorf("%w: its signature is wrong", ErrPAC)
	}
	return nil
}

// checksumGSS is the type of the checksum field, RFC 4121 4.1.1.
const checksumGSS = 0x8003

// binding reads the channel bindings out of an authenticator's checksum field,
// RFC 4121 4.1.1. Zeros are none.
func binding(sum types.Checksum) (*[16]byte, error) {
	switch {
	case sum.CksumType != checksumGSS || len(sum.Checksum) < 24:
		return nil, fmt.Errorf("%w: a checksum of type %#x with %d bytes where GSS-API has its own", ErrMalformed, sum.CksumType, len(sum.Checksum))
	case binary.LittleEndian.Uint32(sum.Checksum) != 16:
		return nil, fmt.Errorf("%w: channel bindings of %d bytes", ErrMalformed, binary.LittleEndian.Uint32(sum.Checksum))
	}
	b := [16]byte(sum.Checksum[4:20])
	if b == ([16]byte{}) {
		return nil, nil
	}
	return &b, nil
}
