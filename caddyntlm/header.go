package caddyntlm

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/session"
)

// scheme is an authentication scheme as the door sees it.
type scheme uint8

const (
	schemeNone      scheme = iota
	schemeNegotiate        // RFC 4559: with NTLM inside, one log-in a connection
	schemeNTLM             // [MS-NTHT]: one log-in a connection
	schemeBasic            // RFC 7617: one a request
	schemeForeign          // any other, never offered here
	schemeBearer           // RFC 6750: the key of a session
	schemeForm             // a name and a password on the log-in page, or in its JSON
	schemes
)

// String is the word of the configuration and the log.
func (s scheme) String() string {
	return [...]string{"", "negotiate", "ntlm", "basic", "other", "bearer", "form"}[s]
}

// Limits of tokens once decoded. They bound what a stranger can make the
// parsers and the controllers read.
const (
	maxNegotiate    = 4 << 10  // Type 1: names of a workstation and a domain
	maxAuthenticate = 32 << 10 // Type 3: target information comes back in it
	maxBasic        = 4 << 10
	maxSPNEGO       = 64 << 10 // Negotiate: an Active Directory ticket reaches 48 KB
)

// credential is what one Authorization header says.
type credential struct {
	scheme   scheme
	message  []byte          // the NTLM message; of Negotiate the token, until that is unwrapped
	name     identity.Name   // Basic
	password identity.Secret // Basic
	token    session.Token   // Bearer; none where it is no key of this server
}

var (
	errSeveralHeaders = errors.New("more than one Authorization header")
	errNoScheme       = errors.New("no scheme in the Authorization header")
	errNoColon        = errors.New("no colon between name and password")
)

// parseAuthorization reads the Authorization headers of a request, RFC 9110
// 11.6.2. KindMalformed and KindOversize mean that a header cannot be decoded;
// KindBadToken that it can and makes no sense. The scheme is set as soon as it
// is known, also beside an error.
func parseAuthorization(headers []string) (credential, error) {
	switch len(headers) {
	case 0:
		return credential{}, nil
	case 1:
	default:
		return credential{}, identity.Fail(identity.KindMalformed, errSeveralHeaders)
	}
	word, rest, _ := strings.Cut(headers[0], " ")
	if !isToken(word) {
		return credential{}, identity.Fail(identity.KindMalformed, errNoScheme)
	}
	token := strings.TrimLeft(rest, " ")
	switch {
	case strings.EqualFold(word, "Negotiate"):
		message, err := decodeToken(token, maxSPNEGO)
		return credential{scheme: schemeNegotiate, message: message}, err
	case strings.EqualFold(word, "NTLM"):
		return parseNTLM(token)
	case strings.EqualFold(word, "Basic"):
		return parseBasic(token)
	case strings.EqualFold(word, "Bearer"):
		key, _ := session.ParseToken(token)
		return credential{scheme: schemeBearer, token: key}, nil
	}
	return credential{scheme: schemeForeign}, nil
}

// isToken reports whether word is a token, RFC 9110 5.6.2.
func isToken(word string) bool {
	notInToken := func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	}
	return word != "" && !strings.ContainsFunc(word, notInToken)
}

func parseNTLM(token string) (credential, error) {
	message, err := decodeToken(token, maxAuthenticate)
	return credential{scheme: schemeNTLM, message: message}, err
}

// parseBasic reads name:password. The name ends at the first colon. Bytes that
// are no UTF-8, which the challenge asks for, are taken as ISO-8859-1, which
// older clients send (RFC 7617 2.1).
func parseBasic(token string) (credential, error) {
	c := credential{scheme: schemeBasic}
	raw, err := decodeToken(token, maxBasic)
	if err != nil {
		return c, err
	}
	pair := string(raw)
	if !utf8.Valid(raw) {
		pair = fromLatin1(raw)
	}
	name, password, ok := strings.Cut(pair, ":")
	if !ok {
		return c, identity.Fail(identity.KindBadToken, errNoColon)
	}
	c.name, c.password = identity.ParseName(name), identity.NewSecret(password)
	return c, nil
}

// decodeToken decodes base64 with padding (RFC 4648 4), and nothing else: no
// spaces, no line ends, no URL alphabet, nothing behind it, and no bits in the
// padding (RFC 4648 3.5), so that no token has two spellings.
func decodeToken(token string, limit int) ([]byte, error) {
	if len(token) > base64.StdEncoding.EncodedLen(limit) {
		return nil, identity.Fail(identity.KindOversize, fmt.Errorf("token of %d characters", len(token)))
	}
	if strings.ContainsAny(token, "\r\n") { // the decoder would skip them
		return nil, identity.Fail(identity.KindMalformed, base64.CorruptInputError(0))
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(token)
	if err != nil {
		return nil, identity.Fail(identity.KindMalformed, err)
	}
	if len(raw) > limit {
		return nil, identity.Fail(identity.KindOversize, fmt.Errorf("token of %d bytes", len(raw)))
	}
	return raw, nil
}

func fromLatin1(raw []byte) string {
	runes := make([]rune, len(raw))
	for i, b := range raw {
		runes[i] = rune(b)
	}
	return string(runes)
}
