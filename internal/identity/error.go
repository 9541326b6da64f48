package identity

import "errors"

// Error is a failure with its Kind. The text is for the administrator's log,
// never for the client.
type Error struct {
	Kind Kind
	// Server is the controller that was asked, host:port, where one was.
	Server string
	// Claimed is the name that the client wrote, where it wrote one.
	Claimed Name
	// Proven says that the controller has found the password right, and refuses for
	// another reason: whoever sent it may be told which.
	Proven bool
	// Hint is the cure, one sentence for the administrator, or empty.
	Hint string
	// Err is what happened, in detail.
	Err error
}

// Error gives the kind and the detail, not the hint.
func (e *Error) Error() string {
	text := e.Kind.String()
	if e.Server != "" {
		text = e.Server + ": " + text
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap gives the detail.
func (e *Error) Unwrap() error { return e.Err }

// Fail makes an error of a kind; err, the detail, may be nil.
func Fail(kind Kind, err error) *Error { return &Error{Kind: kind, Err: err} }

// KindOf is the kind of the first Error in err's chain, KindInternal without
// one.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return KindInternal
}
