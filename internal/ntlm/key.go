package ntlm

import "fmt"

// redacted stands for a secret wherever one would be printed.
const redacted = "[redacted]"

// Key is a secret of sixteen bytes: a password hash or a session key. It
// assigns to and from [16]byte, and prints as "[redacted]" under every verb and
// in every text encoding.
type Key [16]byte

// String redacts the key.
func (Key) String() string { return redacted }

// GoString redacts the key.
func (Key) GoString() string { return redacted }

// Format redacts the key under every verb.
func (Key) Format(s fmt.State, _ rune) { _, _ = fmt.Fprint(s, redacted) }

// MarshalText redacts the key in JSON and in structured logs.
func (Key) MarshalText() ([]byte, error) { return []byte(redacted), nil }
