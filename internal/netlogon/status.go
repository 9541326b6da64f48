package netlogon

import "github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"

// A StatusError is a no of the controller's, sealed where the channel was.
type StatusError struct {
	Call   string // the method of [MS-NRPC]
	Status ntstatus.Status
	// Authoritative is false where another controller might know better,
	// [MS-NRPC] 3.5.4.5.1. It is a no all the same.
	Authoritative bool
}

func (e *StatusError) Error() string {
	text := e.Call + ": " + e.Status.String()
	if means := e.Status.Means(); means != "" {
		text += ": " + means
	}
	return text
}
