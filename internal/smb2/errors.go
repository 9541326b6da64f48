package smb2

import (
	"errors"
	"fmt"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
)

// What can be wrong with a server or its answers. After any error that is not a
// StatusError the connection is of no more use.
var (
	// ErrMalformed is matched by every MalformedError.
	ErrMalformed = errors.New("malformed SMB2 message")
	// ErrSMB1 means that the server answers in SMB 1.
	ErrSMB1 = errors.New("the server speaks SMB 1 alone: enable SMB 2 on it")
	// ErrDialect means that there is no dialect in common.
	ErrDialect = errors.New("no SMB dialect in common")
	// ErrGuest means that the server let the client in as a guest: it may not
	// have looked at the password at all.
	ErrGuest = errors.New("the server logged the client on as a guest: turn guest access off there (Samba: map to guest = never)")
	// ErrNull means that the server let the client in as nobody.
	ErrNull = errors.New("the server logged the client on as anonymous: a null session proves nobody")
	// ErrUnsigned means that an answer is not signed and has to be.
	ErrUnsigned = errors.New("the server's answer is not signed: enable SMB signing on it")
	// ErrSignature means that an answer's signature is wrong.
	ErrSignature = errors.New("wrong signature of an SMB answer: it was changed on its way, or is another server's")
	// ErrEncryption means that the server wants encryption of a kind that
	// is not spoken here.
	ErrEncryption = errors.New("the server demands SMB encryption that this client cannot give: " +
		"let it offer SMB 3.1.1 with AES-128-GCM, or turn encryption off for the server and IPC$")
	// ErrDowngrade means that the server was asked for other dialects than
	// this client asked for, or answered otherwise: somebody between them
	// changed it.
	ErrDowngrade = errors.New("the SMB negotiation was changed on its way")
	// ErrCredits means that the server lets nothing more be asked.
	ErrCredits = errors.New("the server granted no credits: it takes no more requests of this connection")
	// ErrLegs means that the server says yes before it saw a proof, or wants more
	// than the one that NTLM has.
	ErrLegs = errors.New("the server's log-on is not of two legs, as NTLM's is")
	// ErrEnded means that a Relay was stepped after its end.
	ErrEnded = errors.New("SMB log-on stepped after its end")
	// ErrToken means that a token does not fit a request, or is empty.
	ErrToken = errors.New("a token that does not fit an SMB2 SESSION_SETUP")
)

// MalformedError says where an answer departs from [MS-SMB2], or from the
// request that it should answer. It matches ErrMalformed and never quotes
// content.
type MalformedError struct {
	Message string // as [MS-SMB2] names it
	Field   string // likewise
	Reason  string
}

// Error gives message, field and reason.
func (e *MalformedError) Error() string {
	return fmt.Sprintf("malformed SMB2 message: %s: %s: %s", e.Message, e.Field, e.Reason)
}

// Is makes errors.Is match ErrMalformed.
func (e *MalformedError) Is(target error) bool { return target == ErrMalformed }

func malformed(message, field, format string, args ...any) *MalformedError {
	return &MalformedError{Message: message, Field: field, Reason: fmt.Sprintf(format, args...)}
}

// StatusError is a server's no, well-formed: errors.Is finds its Status.
type StatusError struct {
	Command Command
	Status  ntstatus.Status
}

// Error names the request and the status.
func (e *StatusError) Error() string { return fmt.Sprintf("SMB2 %v: %v", e.Command, e.Status) }

// Unwrap gives the status.
func (e *StatusError) Unwrap() error { return e.Status }
