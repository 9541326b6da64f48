package netlogon

import "errors"

// What stops a channel from being opened, or ends one.
var (
	// ErrNoAES is a controller that does not agree to AES and sealing.
	ErrNoAES = errors.New("the controller does not agree to AES and a sealed channel")
	// ErrWeakChallenge is a challenge of the controller's that no controller would
	// draw: all zero, of one repeated byte, or our own.
	ErrWeakChallenge = errors.New("the controller's challenge is not random")
	// ErrServerCredential is a controller that does not know the machine's password.
	ErrServerCredential = errors.New("the controller does not prove that it knows the machine's password")
	// ErrDowngrade is an agreement that was changed on the way.
	ErrDowngrade = errors.New("what was agreed with the controller is not what it agreed to")
	// ErrToken is a bind's answer that is no Netlogon token.
	ErrToken = errors.New("the controller answers the bind with no Netlogon token")
	// ErrSignature is an answer that was changed on the way or is another's.
	ErrSignature = errors.New("the signature of the controller's answer is wrong")
	// ErrSequence is an answer out of its turn: repeated, held back, or our own.
	ErrSequence = errors.New("the controller's answer is out of sequence")
	// ErrMalformed is an answer that cannot be read.
	ErrMalformed = errors.New("the controller's answer cannot be read")
	// ErrSecret is a machine password that could not be had.
	ErrSecret = errors.New("the machine account's password")
	// ErrConfig is a name that cannot be used.
	ErrConfig = errors.New("the secure channel's configuration")
	// ErrNoMapper is an endpoint mapper to which there is no connection.
	ErrNoMapper = errors.New("the endpoint mapper")
	// ErrBusy is more log-ins at a time than a Client takes.
	ErrBusy = errors.New("too many log-ins wait for the secure channel")
	// ErrClosed is a Client after its Close.
	ErrClosed = errors.New("the secure channel is closed")
)

// Log-ins that are refused whatever the controller says to them.
var (
	// ErrNotV2 is a log-in that does not carry a name and an NTLMv2 response. It is
	// not sent.
	ErrNotV2 = errors.New("the log-in has no user or no NTLMv2 response")
	// ErrGuest is a yes to the guest account.
	ErrGuest = errors.New("the controller let the user in as guest")
	// ErrNobody is a yes that names nobody.
	ErrNobody = errors.New("the controller said yes and named nobody")
	// ErrLMKey is a yes to an LM response.
	ErrLMKey = errors.New("the controller accepted an LM response")
	// ErrNoSessionKey is a yes without a session key, by which alone a message
	// integrity code can be checked.
	ErrNoSessionKey = errors.New("the controller gave no session key")
)

// A ChannelError is a channel that could not be opened: nobody's password but the
// machine's can be to blame.
type ChannelError struct {
	Server string // as Config has it
	Err    error
}

func (e *ChannelError) Error() string {
	text := "opening the secure channel to " + e.Server + ": " + e.Err.Error()
	var status *StatusError
	if errors.As(e.Err, &status) && status.Status.Cure() != "" {
		text += "; " + status.Status.Cure()
	}
	return text
}

func (e *ChannelError) Unwrap() error { return e.Err }
