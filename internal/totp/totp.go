// Package totp checks the codes of a second factor, RFC 6238, and remembers in a store
// what of them is spent.
//
//   - uri.go: what an otpauth:// URI says
//   - totp.go: the codes of a factor, and a code as it is typed
//   - check.go: whether a code is right, and spending it
//   - record.go: what is remembered of somebody
package totp

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
)

// Factor is a secret that makes a code of the time. It shows nothing of itself in any
// format.
type Factor struct {
	secret    string // base32 in capitals, without padding
	algorithm otp.Algorithm
	digits    int
	period    time.Duration
}

// Digits is how many digits its codes have.
func (f *Factor) Digits() int { return f.digits }

// Format implements fmt.Formatter and hides the secret from every verb.
func (*Factor) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte("[redacted]")) }

// MarshalText hides the secret from encoders.
func (*Factor) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

// span is the time in which a code is due, from its begin to before its end, in Unix
// seconds. Steps of factors with different periods compare by it.
type span struct{ begin, end int64 }

// skew is how many steps a clock may be off, either way, RFC 6238 5.2.
const skew = 1

// Code is the code of the step in which a moment is, RFC 6238 4.2.
func (f *Factor) Code(at time.Time) (string, error) { return f.code(f.step(at)) }

func (f *Factor) step(at time.Time) int64 { return at.Unix() / int64(f.period/time.Second) }

func (f *Factor) code(step int64) (string, error) {
	if step < 0 {
		return "", errors.New("no codes before 1970")
	}
	return hotp.GenerateCodeCustom(f.secret, uint64(step), hotp.ValidateOpts{Digits: otp.Digits(f.digits), Algorithm: f.algorithm})
}

// find gives the last of the steps around a moment that have the code. It takes as long
// for a wrong one.
func (f *Factor) find(code string, at time.Time) (found span, ok bool, err error) {
	period := int64(f.period / time.Second)
	for step := f.step(at) - skew; step <= f.step(at)+skew; step++ {
		right, err := f.code(step)
		if err != nil {
			return span{}, false, err
		}
		if subtle.ConstantTimeCompare([]byte(right), []byte(code)) == 1 {
			found, ok = span{step * period, (step + 1) * period}, true
		}
	}
	return found, ok, nil
}

// clean is a code as it is meant: without the spaces that programs show in it, and with
// the full-width digits of a Japanese or Chinese keyboard as digits. ok is false for what
// no factor has for a code.
func clean(typed string) (code string, ok bool) {
	var b strings.Builder
	for _, r := range typed {
		switch {
		case unicode.IsSpace(r):
			continue
		case r >= '０' && r <= '９':
			r += '0' - '０'
		case r < '0' || r > '9':
			return "", false
		}
		b.WriteRune(r)
		if b.Len() > mostDigits {
			return "", false
		}
	}
	return b.String(), b.Len() >= leastDigits
}

// Split parts what was typed as a password into the password and the code behind it, of
// so many digits. ok is false where there is no code: the last characters are not all
// digits, or nothing is before them.
func Split(typed string, digits int) (password, code string, ok bool) {
	at := len(typed) - digits
	if digits <= 0 || at <= 0 || strings.Trim(typed[at:], "0123456789") != "" {
		return typed, "", false
	}
	return typed[:at], typed[at:], true
}
