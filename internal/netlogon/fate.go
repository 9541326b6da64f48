package netlogon

import (
	"errors"

	"github.com/caddy-ntlm/caddy-ntlm/internal/dcerpc"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
)

// fate is what becomes of a channel after a log-in.
type fate int

const (
	keep  fate = iota // it serves the next
	drop              // it is closed
	rekey             // it is closed, and a new one may do better
)

// after says which, by the log-in's error.
func after(err error) fate {
	var status *StatusError
	var fault *dcerpc.Fault
	switch {
	case err == nil:
		return keep
	case errors.As(err, &status):
		if status.Status == ntstatus.AccessDenied {
			return rekey
		}
		return keep
	case errors.Is(err, ErrNotV2), errors.Is(err, ErrGuest), errors.Is(err, ErrNobody), errors.Is(err, ErrLMKey), errors.Is(err, ErrNoSessionKey):
		return keep
	case errors.Is(err, ErrMalformed):
		return drop
	case errors.As(err, &fault) && (fault.Status == dcerpc.FaultOperation || fault.Status == dcerpc.FaultProcedure):
		return drop // it does not have the call, and a new channel will not
	}
	return rekey
}
