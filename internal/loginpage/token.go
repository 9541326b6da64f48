package loginpage

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
)

// A form that logs somebody in or out must have been filled in on our own page: a
// stranger's page could post one too, and log a visitor in as the stranger. Before a
// log-in there is no session to bind it to, so the page sets a random cookie that no
// other site can read, nor write where its name begins with __Host-, and the form
// carries the same value in another shape. Nothing is kept on the server, so it works
// over reloads and on any node.
//
// The value stays over log-ins: a second tab whose page is older still works, and
// nobody but the browser knew it before either.

// secretSize is 256 bits.
const secretSize = 32

// NewCookie is the value of a new cookie.
func NewCookie() string {
	var secret [secretSize]byte
	_, _ = rand.Read(secret[:]) // never fails: crypto/rand ends the program instead
	return encode(secret[:])
}

// ValidCookie reports whether a value may be a cookie of ours: what is not is replaced.
func ValidCookie(cookie string) bool {
	secret, ok := unencode(cookie, secretSize)
	return ok && len(secret) == secretSize
}

// NewToken is a form's proof that it belongs to a cookie, another text each time: a
// page that is compressed with what a stranger writes beside it would tell by its
// length what stays the same.
func NewToken(cookie string) string {
	var token [2 * secretSize]byte
	_, _ = rand.Read(token[:secretSize])
	print := sha256.Sum256([]byte(cookie))
	subtle.XORBytes(token[secretSize:], token[:secretSize], print[:])
	return encode(token[:])
}

// Fits reports whether a form's token belongs to the cookie beside it.
func Fits(cookie, token string) bool {
	raw, ok := unencode(token, 2*secretSize)
	if !ok || !ValidCookie(cookie) {
		return false
	}
	print := sha256.Sum256([]byte(cookie))
	subtle.XORBytes(raw[secretSize:], raw[secretSize:], raw[:secretSize])
	return subtle.ConstantTimeCompare(raw[secretSize:], print[:]) == 1
}

// FromHere reports whether a POST comes from a page of this origin, or from no page at
// all: browsers say where a request comes from, in Sec-Fetch-Site (Fetch Metadata) or in
// Origin (RFC 6454 7.3), and programs say neither. Those have no cookie of a victim to
// abuse; a form of theirs needs its token as any other.
func FromHere(r *http.Request) bool {
	return r.Host != "" && http.NewCrossOriginProtection().Check(r) == nil
}

func encode(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

func unencode(text string, size int) ([]byte, bool) {
	if len(text) != base64.RawURLEncoding.EncodedLen(size) {
		return nil, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return raw, err == nil && len(raw) == size
}
