package krb

import (
	"encoding/binary"
	"fmt"

	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// Error codes of KDCs, RFC 4120 7.5.9 and RFC 6806 7.
const (
	CodeClientExpired      = 1  // KDC_ERR_NAME_EXP
	CodeClientUnknown      = 6  // KDC_ERR_C_PRINCIPAL_UNKNOWN
	CodeServiceUnknown     = 7  // KDC_ERR_S_PRINCIPAL_UNKNOWN
	CodeNeverValid         = 11 // KDC_ERR_NEVER_VALID
	CodePolicy             = 12 // KDC_ERR_POLICY
	CodeEtype              = 14 // KDC_ERR_ETYPE_NOSUPP
	CodePadataType         = 16 // KDC_ERR_PADATA_TYPE_NOSUPP
	CodeClientRevoked      = 18 // KDC_ERR_CLIENT_REVOKED
	CodeClientNotYet       = 21 // KDC_ERR_CLIENT_NOTYET
	CodeKeyExpired         = 23 // KDC_ERR_KEY_EXPIRED
	CodePreauthFailed      = 24 // KDC_ERR_PREAUTH_FAILED
	CodePreauthRequired    = 25 // KDC_ERR_PREAUTH_REQUIRED
	CodeServiceUnavailable = 29 // KDC_ERR_SVC_UNAVAILABLE
	CodeBadIntegrity       = 31 // KRB_AP_ERR_BAD_INTEGRITY
	CodeSkew               = 37 // KRB_AP_ERR_SKEW
	CodeWrongRealm         = 68 // KDC_ERR_WRONG_REALM
)

// Refusal is a KRB-ERROR, RFC 4120 5.9.1. Nobody vouches for it: whoever is on the
// way can write one.
type Refusal struct {
	KDC  string // host:port
	Code int32
	// Status is the NTSTATUS that Active Directory adds, [MS-KILE] 2.2.1; zero
	// without one.
	Status uint32
	Text   string
	// Service is whom a ticket was asked for; empty where the client's name and
	// password were in question.
	Service string

	judged bool
}

// Judged reports whether the KDC looked at the password.
func (r *Refusal) Judged() bool { return r.judged }

// Error implements error.
func (r *Refusal) Error() string {
	text := fmt.Sprintf("%s: %v: code %d", r.KDC, ErrRefused, r.Code)
	if r.Status != 0 {
		text += fmt.Sprintf(", NTSTATUS %#08x", r.Status)
	}
	if r.Text != "" {
		text += fmt.Sprintf(", %.200q", r.Text)
	}
	if r.Service != "" {
		text += ", asked for " + r.Service
	}
	return text
}

// Unwrap gives ErrRefused.
func (*Refusal) Unwrap() error { return ErrRefused }

// tagKRBError is the application tag of a KRB-ERROR, RFC 4120 5.9.1.
const tagKRBError = 0x7e

// refusalIn reads an answer where it is a KRB-ERROR; nil where it is none.
func refusalIn(answer []byte, kdc string) (*Refusal, error) {
	r, _, err := errorIn(answer, kdc)
	return r, err
}

func errorIn(answer []byte, kdc string) (*Refusal, []byte, error) {
	if len(answer) == 0 || answer[0] != tagKRBError {
		return nil, nil, nil
	}
	var e messages.KRBError
	if err := e.Unmarshal(answer); err != nil {
		return nil, nil, fmt.Errorf("%w: %s: KRB-ERROR: %w", ErrMalformed, kdc, err)
	}
	return &Refusal{KDC: kdc, Code: e.ErrorCode, Status: statusIn(e.EData), Text: e.EText}, e.EData, nil
}

// kerbErrTypeExtended is the type of the data with an NTSTATUS, [MS-KILE] 2.2.2.
const kerbErrTypeExtended = 3

// statusIn reads the NTSTATUS out of a KRB-ERROR's data: a KERB-EXT-ERROR,
// [MS-KILE] 2.2.1, in a KERB-ERROR-DATA from Windows and in a list of them from
// Samba. Other data gives zero.
func statusIn(data []byte) uint32 {
	var list types.PADataSequence
	if list.Unmarshal(data) != nil {
		var one types.PAData
		if one.Unmarshal(data) != nil {
			return 0
		}
		list = types.PADataSequence{one}
	}
	for _, pa := range list {
		if pa.PADataType == kerbErrTypeExtended && len(pa.PADataValue) == 12 {
			return binary.LittleEndian.Uint32(pa.PADataValue)
		}
	}
	return 0
}

// preauthentication reads what a KDC answers to a request without a password:
// how the account's key is made, and whether it asks for a proof of it first.
func preauthentication(answer []byte, kdc string) (padata types.PADataSequence, asked bool, err error) {
	refusal, data, err := errorIn(answer, kdc)
	switch {
	case err != nil:
		return nil, false, err
	case refusal != nil && refusal.Code != CodePreauthRequired:
		return nil, false, refusal
	case refusal != nil:
		if err := padata.Unmarshal(data); err != nil {
			return nil, false, fmt.Errorf("%w: %s: METHOD-DATA: %w", ErrMalformed, kdc, err)
		}
		return padata, true, nil
	}
	var reply messages.ASRep
	if err := reply.Unmarshal(answer); err != nil {
		return nil, false, fmt.Errorf("%w: %s: AS-REP: %w", ErrMalformed, kdc, err)
	}
	return reply.PAData, false, nil
}
