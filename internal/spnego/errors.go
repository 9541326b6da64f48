package spnego

import (
	"errors"
	"fmt"
	"strings"
)

// What can be wrong with a negotiation. ErrUnprotected and ErrOutOfOrder leave it
// where it is; the others end it.
var (
	// ErrMalformed is matched by every MalformedError.
	ErrMalformed = errors.New("malformed SPNEGO token")
	// ErrNoMechanism is matched by every NoMechanismError.
	ErrNoMechanism = errors.New("no mechanism in common")
	// ErrRejected means that the client ended the negotiation.
	ErrRejected = errors.New("the client rejected the negotiation")
	// ErrMIC means that the mechListMIC is wrong, or missing where it is
	// required: somebody may have changed the list of mechanisms on its way.
	ErrMIC = errors.New("wrong mechListMIC")
	// ErrUnprotected means that the mechanism is complete and a mechListMIC
	// should be exchanged, but Complete was given no Integrity to do it with.
	// The negotiation is where it was: the caller ends it by
	// CompleteUnprotected or by Reject.
	ErrUnprotected = errors.New("no key to check the mechListMIC with")
	// ErrUnexpected means that the token is none that belongs here.
	ErrUnexpected = errors.New("a token out of place")
	// ErrOutOfOrder means that the caller made a call that does not belong
	// here, as any call after the end.
	ErrOutOfOrder = errors.New("SPNEGO negotiation stepped out of order")
)

// MalformedError says where a token departs from RFC 4178 or from the encoding
// rules. It matches ErrMalformed. It names the field and never quotes its
// content.
type MalformedError struct {
	Field  string // as RFC 4178 names it
	Offset int    // byte of the token where the fault is
	Reason string
}

// Error gives field, offset and reason.
func (e *MalformedError) Error() string {
	return fmt.Sprintf("malformed SPNEGO token: %s at byte %d: %s", e.Field, e.Offset, e.Reason)
}

// Is makes errors.Is match ErrMalformed.
func (e *MalformedError) Is(target error) bool { return target == ErrMalformed }

func malformed(field string, offset int, format string, args ...any) *MalformedError {
	return &MalformedError{Field: field, Offset: offset, Reason: fmt.Sprintf(format, args...)}
}

// NoMechanismError means that the client offers nothing that the server takes.
// It matches ErrNoMechanism.
type NoMechanismError struct {
	Offered []OID // what the client offers, its preferred one first
}

// Error names what the client offers.
func (e *NoMechanismError) Error() string {
	names := make([]string, len(e.Offered))
	for i, o := range e.Offered {
		names[i] = o.Name()
	}
	return fmt.Sprintf("no mechanism in common: the client offers %s", strings.Join(names, ", "))
}

// Is makes errors.Is match ErrNoMechanism.
func (e *NoMechanismError) Is(target error) bool { return target == ErrNoMechanism }
