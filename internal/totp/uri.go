package totp

import (
	"encoding/base32"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pquerna/otp"
)

// Bounds of what a URI may say. A secret below 80 bits can be searched for, from a few
// codes that somebody saw; RFC 4226 4 asks for 128 and advises 160.
const (
	leastDigits = 6
	mostDigits  = 8
	leastPeriod = 15 * time.Second
	mostPeriod  = 5 * time.Minute
	leastSecret = 10 // bytes
	mostURI     = 2048
	// mostFactors is how many devices somebody may have: each makes guessing easier.
	mostFactors = 8
)

// What is wrong with a URI. The errors hold nothing of it: it is a secret.
var (
	ErrNotURI    = errors.New("not a URI that begins with otpauth://totp/")
	ErrHOTP      = errors.New("a URI of type hotp, which counts; only codes of the time are taken, otpauth://totp/")
	ErrParameter = errors.New("a parameter beside secret, issuer, algorithm, digits, period and image, or one twice")
	ErrSecret    = errors.New("a secret that is missing or not base32 (A to Z and 2 to 7)")
	ErrShort     = errors.New("a secret of fewer than 80 bits (16 characters of base32)")
	ErrAlgorithm = errors.New("an algorithm that is not SHA1, SHA256 or SHA512")
	ErrDigits    = errors.New("a number of digits that is not 6, 7 or 8")
	ErrPeriod    = errors.New("a period that is not a number of seconds from 15 to 300")
	ErrMany      = errors.New("more than eight values")
	ErrUneven    = errors.New("values whose codes have different numbers of digits, so that nobody can tell a password from the code behind it")
)

// ParseAll reads what a directory holds of somebody: a URI for each of his devices. One
// that is wrong is an error of all.
func ParseAll(uris []string) ([]*Factor, error) {
	if len(uris) > mostFactors {
		return nil, ErrMany
	}
	factors := make([]*Factor, len(uris))
	for i, uri := range uris {
		f, err := Parse(uri)
		if err != nil {
			return nil, err
		}
		if i > 0 && f.digits != factors[0].digits {
			return nil, ErrUneven
		}
		factors[i] = f
	}
	return factors, nil
}

// Parse reads a URI as authenticator programs do, and takes nothing that one of them
// might take for something else.
func Parse(uri string) (*Factor, error) {
	if len(uri) > mostURI {
		return nil, ErrNotURI
	}
	u, err := url.Parse(strings.TrimSpace(uri))
	if err != nil || u.Scheme != "otpauth" || u.User != nil || u.Fragment != "" || u.Opaque != "" {
		return nil, ErrNotURI
	}
	switch strings.ToLower(u.Host) {
	case "totp":
	case "hotp":
		return nil, ErrHOTP
	default:
		return nil, ErrNotURI
	}
	parameters, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, ErrParameter
	}
	for name, values := range parameters {
		switch name {
		case "secret", "issuer", "algorithm", "digits", "period", "image":
		default:
			return nil, ErrParameter
		}
		if len(values) > 1 {
			return nil, ErrParameter
		}
	}
	f := &Factor{algorithm: otp.AlgorithmSHA1, digits: leastDigits, period: 30 * time.Second}
	for _, read := range [...]func(url.Values) error{f.readSecret, f.readAlgorithm, f.readDigits, f.readPeriod} {
		if err := read(parameters); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// readSecret takes small letters, padding and the spaces in which secrets are shown.
func (f *Factor) readSecret(parameters url.Values) error {
	text := strings.ToUpper(strings.ReplaceAll(parameters.Get("secret"), " ", ""))
	text = strings.TrimRight(text, "=")
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(text)
	whole := !slices.Contains([]int{1, 3, 6}, len(text)%8) // RFC 4648 6: those end within a byte
	switch {
	case err != nil || !whole || text == "" || strings.ContainsAny(text, "\r\n"): // the decoder would skip those
		return ErrSecret
	case len(raw) < leastSecret:
		return ErrShort
	}
	f.secret = text
	return nil
}

func (f *Factor) readAlgorithm(parameters url.Values) error {
	if !parameters.Has("algorithm") {
		return nil
	}
	for _, known := range [...]otp.Algorithm{otp.AlgorithmSHA1, otp.AlgorithmSHA256, otp.AlgorithmSHA512} {
		if strings.EqualFold(parameters.Get("algorithm"), known.String()) {
			f.algorithm = known
			return nil
		}
	}
	return ErrAlgorithm
}

func (f *Factor) readDigits(parameters url.Values) error {
	n, err := numberOf(parameters, "digits", f.digits, leastDigits, mostDigits, ErrDigits)
	f.digits = n
	return err
}

func (f *Factor) readPeriod(parameters url.Values) error {
	const second = int(time.Second)
	n, err := numberOf(parameters, "period", int(f.period)/second, int(leastPeriod)/second, int(mostPeriod)/second, ErrPeriod)
	f.period = time.Duration(n) * time.Second
	return err
}

// numberOf is the number of a parameter, within its bounds, or the usual one where there is
// no such parameter.
func numberOf(parameters url.Values, name string, usual, least, most int, wrong error) (int, error) {
	if !parameters.Has(name) {
		return usual, nil
	}
	n, ok := number(parameters.Get(name))
	if !ok || n < least || n > most {
		return usual, wrong
	}
	return n, nil
}

// number reads one as it is written and no other way: no sign, no zero before it.
func number(text string) (int, bool) {
	n, err := strconv.Atoi(text)
	return n, err == nil && n < 1000 && strconv.Itoa(n) == text
}
