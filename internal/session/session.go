// Package session keeps log-ins that outlive their connections: a browser's, known by
// a cookie, and a program's, known by a key. Whoever shows the token is who logged in.
// The token is random and is kept nowhere; what is kept, is under its hash, so that
// nobody who reads the store can use what is in it.
//
//   - session.go: tokens and what they are found by
//   - record.go: what is kept of a session, and its bytes
//   - book.go: opened, used, changed
//   - end.go: ended, listed
//   - owner.go: the list of an account's sessions
//
// The clock and the store are handed in. What a session says of its user is bytes that
// the caller makes and reads.
package session

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
)

// tokenSize is 256 bits: nobody guesses one.
const tokenSize = 32

// Token opens a session. It prints as "[redacted]"; Reveal is the one way in.
type Token struct{ text string }

func newToken() Token {
	var raw [tokenSize]byte
	_, _ = rand.Read(raw[:]) // never fails: crypto/rand ends the program instead
	return Token{base64.RawURLEncoding.EncodeToString(raw[:])}
}

// ParseToken takes what a client shows, and refuses what this package never made.
func ParseToken(text string) (Token, error) {
	if len(text) != base64.RawURLEncoding.EncodedLen(tokenSize) {
		return Token{}, ErrNone
	}
	if raw, err := base64.RawURLEncoding.Strict().DecodeString(text); err != nil || len(raw) != tokenSize {
		return Token{}, ErrNone
	}
	return Token{text}, nil
}

// Reveal is the token itself, for the client that it is given to.
func (t Token) Reveal() string { return t.text }

// IsZero reports whether there is no token.
func (t Token) IsZero() bool { return t.text == "" }

// ID is what the session is kept under. A look-up by a hash compares nothing with the
// secret, so that its time tells nothing of it.
func (t Token) ID() ID { return sha256.Sum256([]byte(t.text)) }

const redacted = "[redacted]"

// String hides the token.
func (Token) String() string { return redacted }

// GoString hides the token.
func (Token) GoString() string { return redacted }

// Format hides the token from every verb.
func (Token) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText hides the token from encoders.
func (Token) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// ID is the hash of a token. It opens nothing.
type ID [sha256.Size]byte

// name is the ID in a store.
func (id ID) name() string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// parseID reads the name of a session in a store.
func parseID(name string) (id ID, err error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(name)
	if err != nil || len(raw) != len(id) {
		return id, ErrNone
	}
	return ID(raw), nil
}

// HandleLength is how many characters a handle has.
const HandleLength = 12

// Handle is what administrators call a session: the beginning of its ID.
func (id ID) Handle() string { return id.name()[:HandleLength] }

// ErrNone says that there is no such session: it has ended, or never was, or it is not
// to be used like this.
var ErrNone = errors.New("no such session")

// Errors that match ErrNone too.
var (
	// ErrForm is a cookie's token shown as a key, or a key's as a cookie.
	ErrForm = fmt.Errorf("%w: a key is no cookie, nor a cookie a key", ErrNone)
	// ErrHost is a token of another host.
	ErrHost = fmt.Errorf("%w: it is another host's", ErrNone)
	// ErrOver is a session that was not used for too long, or is as old as one may be.
	ErrOver = fmt.Errorf("%w: it is over", ErrNone)
)
