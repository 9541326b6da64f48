package ntlm

import (
	"errors"
	"fmt"
)

// What can be wrong with an exchange. Each is a verdict on the message at hand;
// this package has no technical failures but an empty source of randomness.
var (
	// ErrMalformed is matched by every MalformedError.
	ErrMalformed = errors.New("malformed NTLM message")
	// ErrAVPair is matched by a MalformedError about a list of AV_PAIR; such
	// an error matches ErrMalformed too.
	ErrAVPair = errors.New("malformed AV_PAIR list")
	// ErrNotV2 means that the response is none of NTLMv2.
	ErrNotV2 = errors.New("response is not NTLMv2")
	// ErrAnonymous means that the client asked for an anonymous log-on.
	ErrAnonymous = errors.New("anonymous log-on")
	// ErrWrongResponse means that the response was not made with the
	// password, or that the user is unknown.
	ErrWrongResponse = errors.New("wrong response")
	// ErrMIC means that the message integrity code is wrong, or missing where
	// the client says that it is there.
	ErrMIC = errors.New("wrong message integrity code")
	// ErrOutOfOrder means that an exchange was stepped out of order or a
	// second time. Its state is unchanged or gone, never advanced.
	ErrOutOfOrder = errors.New("NTLM exchange stepped out of order")
)

// MalformedError says where a message departs from [MS-NLMP]. It matches
// ErrMalformed. It names the field and never quotes its content.
type MalformedError struct {
	Field  string // as [MS-NLMP] names it
	Offset int    // byte of the message, or of the AV_PAIR list, where the fault is
	Reason string

	avPair bool
}

// Error gives field, offset and reason.
func (e *MalformedError) Error() string {
	return fmt.Sprintf("malformed NTLM message: %s at byte %d: %s", e.Field, e.Offset, e.Reason)
}

// Is makes errors.Is match ErrMalformed and, for a fault in a list of AV_PAIR,
// ErrAVPair.
func (e *MalformedError) Is(target error) bool {
	return target == ErrMalformed || e.avPair && target == ErrAVPair
}

func malformed(field string, offset int, format string, args ...any) *MalformedError {
	return &MalformedError{Field: field, Offset: offset, Reason: fmt.Sprintf(format, args...)}
}

func malformedPair(field string, offset int, format string, args ...any) *MalformedError {
	e := malformed(field, offset, format, args...)
	e.avPair = true
	return e
}
