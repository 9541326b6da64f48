package caddyldap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ldapsasl"
)

// stage is what was being done when a server answered or failed to: the same
// code means different things.
type stage uint8

const (
	dialing   stage = 1 << iota // connecting and TLS
	binding                     // a simple bind
	relaying                    // a SASL GSS-SPNEGO bind
	searching                   // anything after a bind
)

// diagnose turns whatever went wrong with a server into a Kind, and into a
// hint for whoever has to mend it. An error that has its kind already keeps it.
func diagnose(s *server, at stage, err error) error {
	if err == nil {
		return nil
	}
	var e *identity.Error
	if errors.As(err, &e) {
		return err
	}
	e = &identity.Error{Server: s.url.Addr(), Err: err}
	code, text, answered := resultOf(err)
	switch {
	case answered:
		e.Kind, e.Hint = read(at, s.tls != nil, code, text)
		e.Err = &answer{at: at, code: code, text: text}
		_, data := adCodes(text)
		e.Proven = at == binding && code == ldap.LDAPResultInvalidCredentials && provenByData(data)
	default:
		e.Kind, e.Hint = readTransport(s, err)
	}
	return e
}

// answer is a server's own answer other than success.
type answer struct {
	at   stage
	code uint16 // RFC 4511 4.1.9
	text string // diagnosticMessage
}

// Error implements error.
func (a *answer) Error() string {
	return fmt.Sprintf("LDAP result %d (%s): %.512q", a.code, ldap.LDAPResultCodeMap[a.code], a.text)
}

// resultOf is the server's own answer in an error, where it gave one.
func resultOf(err error) (code uint16, text string, ok bool) {
	var result *ldapsasl.Result
	if errors.As(err, &result) {
		return result.Code, result.Message, true
	}
	var other *ldap.Error
	if errors.As(err, &other) && other.ResultCode < ldap.ErrorNetwork {
		if other.Err != nil {
			text = other.Err.Error()
		}
		return other.ResultCode, text, true
	}
	return 0, "", false
}

// adCodes finds the two numbers in what Active Directory writes beside a result
// code: "80090308: LdapErr: DSID-0C0903A9, comment: …, data 52e, v1db1" holds
// an HRESULT or Win32 code, and after "data" a Win32 code, [MS-ERREF] 2.2.
func adCodes(text string) (lead, data uint64) {
	if first, _, ok := strings.Cut(text, ":"); ok && len(first) == 8 {
		lead, _ = strconv.ParseUint(first, 16, 32)
	}
	if _, after, ok := strings.Cut(text, "data "); ok {
		number, _, _ := strings.Cut(after, ",")
		data, _ = strconv.ParseUint(strings.TrimSpace(number), 16, 32)
	}
	return lead, data
}

// read looks an answer up, the most telling part first.
func read(at stage, secure bool, code uint16, text string) (identity.Kind, string) {
	lead, data := adCodes(text)
	if code == ldap.LDAPResultInvalidCredentials {
		for _, number := range [...]uint64{data, lead} {
			if r, ok := credentialReadings[number]; ok {
				return r.kind, r.hint
			}
		}
	}
	for _, r := range resultReadings {
		if r.code == code && r.at&at != 0 && (!r.plainOnly || !secure) {
			return r.kind, r.hint
		}
	}
	if at&(binding|relaying) != 0 && code == ldap.LDAPResultInvalidCredentials {
		return identity.KindBadCredentials, ""
	}
	return identity.KindProtocol, "the server answers with a result code that has no place here; ask its own log"
}

// readTransport is for the server that gave no LDAP answer at all.
func readTransport(s *server, err error) (identity.Kind, string) {
	if kind, hint, ok := readTLS(s, err); ok {
		return kind, hint
	}
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return identity.KindUnavailable, ""
	case errors.As(err, &dns) && s.discovered:
		return identity.KindUnavailable, fmt.Sprintf("DNS names %s as a controller and has no address for it: check its A and AAAA records, and that this machine asks the domain's DNS servers", s.url.Host)
	case errors.As(err, &dns):
		return identity.KindUnavailable, fmt.Sprintf("%s does not resolve: check the name on the server line, and that this machine asks the domain's DNS servers", s.url.Host)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return identity.KindTimeout, fmt.Sprintf("%s does not answer in time: a firewall that drops packets to port %s, or an overloaded server", s.url.Host, s.url.Port)
	case errors.Is(err, syscall.ECONNREFUSED) && s.discovered && s.url.TLS:
		return identity.KindUnavailable, fmt.Sprintf("nothing listens on %s: is LDAPS enabled on it? Write starttls where the controllers of discover have none", s.url.Addr())
	case errors.Is(err, syscall.ECONNREFUSED):
		return identity.KindUnavailable, fmt.Sprintf("nothing listens on %s: is the directory service running, and is LDAPS enabled on it?", s.url.Addr())
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return identity.KindUnavailable, "this machine is out of file descriptors: raise the limit of open files (LimitNOFILE)"
	case errors.Is(err, ldapsasl.ErrMalformed):
		return identity.KindProtocol, fmt.Sprintf("what answers on %s does not speak proper LDAP", s.url.Addr())
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, ldapsasl.ErrNotice), errors.Is(err, net.ErrClosed):
		if s.url.TLS && (s.url.Port == "389" || s.url.Port == "3268") {
			return identity.KindTLS, hintNoTLS(s)
		}
		return identity.KindUnavailable, fmt.Sprintf("%s closed the connection", s.url.Addr())
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return identity.KindUnavailable, fmt.Sprintf("%s cannot be reached", s.url.Addr())
	}
	if ldap.IsErrorWithCode(err, ldap.ErrorNetwork) {
		return identity.KindUnavailable, fmt.Sprintf("the connection to %s was lost", s.url.Addr())
	}
	return identity.KindProtocol, fmt.Sprintf("what answers on %s does not speak proper LDAP", s.url.Addr())
}
