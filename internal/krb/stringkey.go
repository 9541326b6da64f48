package krb

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/types"
)

// Iterations of the functions that make keys of passwords: those that RFC 3962 4
// and RFC 8009 4 have where none are named. Fewer would help whoever listens to
// guess, and a KDC that nobody knows yet must not keep us busy with more.
const (
	leastIterationsSHA1 = 4096
	leastIterationsSHA2 = 32768
	mostIterations      = 1 << 18
)

// key makes the user's key by the first entry of PA-ETYPE-INFO2, RFC 4120
// 5.2.7.5, that is accepted.
func (l *Login) key(padata types.PADataSequence) (types.EncryptionKey, error) {
	var none types.EncryptionKey
	for _, pa := range padata {
		if pa.PADataType != paETypeInfo2 {
			continue
		}
		var info types.ETypeInfo2
		if err := info.Unmarshal(pa.PADataValue); err != nil {
			return none, fmt.Errorf("%w: ETYPE-INFO2: %w", ErrMalformed, err)
		}
		for _, e := range info {
			if slices.Contains(acceptedEtypes(), e.EType) {
				return l.keyBy(e)
			}
		}
	}
	return none, fmt.Errorf("%w: the KDC names none of AES for this account", ErrEtype)
}

func (l *Login) keyBy(e types.ETypeInfo2Entry) (types.EncryptionKey, error) {
	var none types.EncryptionKey
	etype, err := crypto.GetEtype(e.EType)
	if err != nil {
		return none, fmt.Errorf("%w: %w", ErrEtype, err)
	}
	least := uint32(leastIterationsSHA1)
	if e.EType == etypeAES128SHA2 || e.EType == etypeAES256SHA2 {
		least = leastIterationsSHA2
	}
	iterations := least
	if len(e.S2KParams) > 0 {
		if len(e.S2KParams) != 4 {
			return none, fmt.Errorf("%w: s2kparams of %d bytes", ErrMalformed, len(e.S2KParams))
		}
		iterations = binary.BigEndian.Uint32(e.S2KParams)
	}
	if iterations < least || iterations > mostIterations {
		return none, fmt.Errorf("%w: %d iterations to make a key of a password, where %d to %d are proper", ErrUnproven, iterations, least, mostIterations)
	}
	salt := e.Salt
	if salt == "" {
		salt = l.Realm + l.User
	}
	value, err := etype.StringToKey(l.Password, salt, hex.EncodeToString(binary.BigEndian.AppendUint32(nil, iterations)))
	return types.EncryptionKey{KeyType: e.EType, KeyValue: value}, err
}
