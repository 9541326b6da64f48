package identity

import "fmt"

// Secret is a password. It prints as "[redacted]" through every verb and
// encoder, so that no log line, error or JSON document can carry it by
// accident. Reveal is the one way in.
type Secret struct{ text string }

// NewSecret wraps a password.
func NewSecret(text string) Secret { return Secret{text: text} }

// Reveal is the password itself.
func (s Secret) Reveal() string { return s.text }

// Blank reports whether the password is empty or holds only spaces and tabs:
// a simple bind with such a one is answered "success" as anonymous
// (RFC 4513 5.1.2).
func (s Secret) Blank() bool {
	for _, r := range s.text {
		if r != ' ' && r != '\t' && r != '\r' && r != '\n' {
			return false
		}
	}
	return true
}

const redacted = "[redacted]"

// String hides the password.
func (Secret) String() string { return redacted }

// GoString hides the password.
func (Secret) GoString() string { return redacted }

// Format hides the password from every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText hides the password from encoders.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
