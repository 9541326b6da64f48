package identity

import (
	"context"
	"time"
)

// The seam between the door and the records office. The door holds these
// interfaces from the moment the configuration is loaded and never learns which
// verifier stands behind one.

// PasswordVerifier decides by name and password.
type PasswordVerifier interface {
	// VerifyPassword asks a controller. Its errors are *Error.
	VerifyPassword(ctx context.Context, name Name, password Secret) (*Principal, error)
}

// NTLMVerifier decides by an NTLM exchange.
type NTLMVerifier interface {
	// StartNTLM takes a client's NEGOTIATE_MESSAGE, byte for byte as it came,
	// and what the log-in is held to. Its errors are *Error.
	StartNTLM(ctx context.Context, negotiate []byte, channel *Channel) (NTLMExchange, error)
}

// SigningVerifier is an NTLMVerifier that serves clients which ask for signing too,
// as those of Windows do under Negotiate.
type SigningVerifier interface {
	NTLMVerifier
	TakesSigning() bool
}

// KeyedVerifier is an NTLMVerifier whose exchanges are SigningExchanges: it comes to
// know the session key.
type KeyedVerifier interface {
	NTLMVerifier
	KnowsKey() bool
}

// NTLMExchange is one handshake of one client. Finish or Close ends it, and
// whoever started it must call one of them; a second Finish is an error.
type NTLMExchange interface {
	// Challenge is the CHALLENGE_MESSAGE for the client.
	Challenge() []byte
	// Finish takes the client's AUTHENTICATE_MESSAGE, byte for byte.
	Finish(ctx context.Context, authenticate []byte) (*Principal, error)
	// Close gives up and frees what the exchange holds. It may be called at
	// any time, from any goroutine, and more than once.
	Close() error
}

// SigningExchange is an NTLMExchange that has the session key once Finish has ended
// well.
type SigningExchange interface {
	NTLMExchange
	// Signs reports whether the client negotiated signing, so that GetMIC and
	// VerifyMIC work, each for one message.
	Signs() bool
	// GetMIC signs a message to the client, VerifyMIC checks one of its.
	GetMIC(message []byte) ([]byte, error)
	VerifyMIC(message, mic []byte) error
}

// TicketVerifier decides by a Kerberos ticket, and asks nobody for it.
type TicketVerifier interface {
	// VerifyTicket takes a GSS-API token with an AP-REQ, RFC 4121 4.1, and what
	// the log-in is held to. Its errors are *Error.
	VerifyTicket(ctx context.Context, token []byte, channel *Channel) (*Principal, TicketContext, error)
}

// NamedVerifier is a TicketVerifier that knows for which hosts clients can have
// tickets.
type NamedVerifier interface {
	TicketVerifier
	// ServiceHosts are the hosts of the services, without HTTP/ before them; nil
	// where they are not known.
	ServiceHosts() []string
}

// TicketContext is what a ticket has established, RFC 4121.
type TicketContext interface {
	// Reply is the GSS-API token with the AP-REP for the client; nil where it
	// asked for none.
	Reply() []byte
	// Signs reports whether GetMIC and VerifyMIC work.
	Signs() bool
	// GetMIC signs a message to the client, VerifyMIC checks one of its.
	GetMIC(message []byte) ([]byte, error)
	VerifyMIC(message, mic []byte) error
}

// SingleContext is a TicketContext of a request that may be known elsewhere: other
// nodes that have the keytab could accept the same one.
type SingleContext interface {
	TicketContext
	// Single tells the request from all others, and says until when somebody could
	// accept it again. It holds no secret.
	Single() (name string, until time.Time)
}

// Directory knows accounts and groups.
type Directory interface {
	// Key tells two directories apart: what a connection remembers is kept
	// under it, and two with one key are the same directory.
	Key() string
	// Resolve asks what the directory knows of somebody just proven, and
	// closes the principal.
	Resolve(ctx context.Context, p *Principal) (*Identity, error)
	// Refresh asks again. KindCannotRefresh where nothing can: no service
	// account.
	Refresh(ctx context.Context, id *Identity) (*Identity, error)
}

// AccountFinder is a Directory that knows which account a claimed name means before
// anything is proven, so that wrong passwords are counted by account and not by
// spelling.
type AccountFinder interface {
	Directory
	// FindAccount gives the account that the verifiers would take a name for. Where
	// nobody can be asked, or nobody has the name, the name itself stands for an
	// account, in one form for all spellings that are known to mean the same.
	FindAccount(ctx context.Context, name Name) Sought
}

// Sought is the account that a claimed name means, and what the domain does to it
// when too many passwords are wrong.
type Sought struct {
	// Account tells accounts of a directory apart: AccountKey of an account that is
	// known, another text where it is not.
	Account string
	// Threshold is at how many wrong passwords the domain locks the account,
	// lockoutThreshold of [MS-ADA1] 2.372 or of a password settings object; 0 is never,
	// or not known.
	Threshold int
	// Observation is how long the domain counts them, lockOutObservationWindow; 0 where
	// it is not known.
	Observation time.Duration
}

// FactorSource is a Directory that keeps the secrets of second factors in an attribute
// of accounts. They go into no Identity, so that no cache, session, rule or placeholder
// holds them; each is read where a code is checked, so that one that is removed or
// replaced counts at once.
type FactorSource interface {
	Directory
	// Conceal says, while the configuration loads, that an attribute holds secrets. It
	// is an error where nobody may read them, without a service account, and where the
	// configuration shows the attribute to anybody.
	Conceal(attribute string) error
	// EnrolmentOf reads the secrets of the account that the verifiers would take a name
	// for. A name that nobody has takes as long, and has none.
	EnrolmentOf(ctx context.Context, name Name, attribute string) (Enrolment, error)
	// Enrolment reads those of somebody who is known.
	Enrolment(ctx context.Context, id *Identity, attribute string) (Enrolment, error)
}

// Enrolment is what a directory holds of somebody's second factor.
type Enrolment struct {
	// Account is whose it is, as AccountKey; empty where nobody has the name.
	Account string
	// Secrets are the values of the attribute, in no order.
	Secrets []Secret
}
