package caddyldap

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// readTLS says why a server's TLS is refused, and which word mends it.
func readTLS(s *server, err error) (identity.Kind, string, bool) {
	if hint := certificateHint(s, err); hint != "" {
		return identity.KindTLS, hint, true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return identity.KindTLS, hintNoTLS(s), true
	}
	if alert, ok := errors.AsType[tls.AlertError](err); ok {
		return identity.KindTLS, fmt.Sprintf("%s breaks off TLS (%v): it may speak nothing newer than TLS 1.1, or ask for a client certificate", s.url.Host, alert), true
	}
	if strings.Contains(err.Error(), "tls: ") {
		return identity.KindTLS, fmt.Sprintf("TLS with %s fails: it may have no certificate, or speak nothing newer than TLS 1.1", s.url.Host), true
	}
	return 0, "", false
}

func hintNoTLS(s *server) string {
	return fmt.Sprintf("%s does not answer with TLS: is %s the LDAPS port (636)? For plain ldap:// write starttls", s.url.Addr(), s.url.Port)
}

func certificateHint(s *server, err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "the authority behind the certificate is not known here: name its root in the block tls: trust_pool file /path/ca.pem"
	}
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		names := certificateNames(e.Certificate)
		if s.discovered {
			return fmt.Sprintf("the certificate is for %s, not for %s as DNS names the controller: have it issued anew for that name, or write a server line with server_name", names, e.Host)
		}
		return fmt.Sprintf("the certificate is for %s, not for %s: use one of its names on the server line, or say server_name", names, e.Host)
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if e.Reason == x509.Expired {
			return fmt.Sprintf("the certificate of %s has expired or is not yet valid: renew it, and compare the clocks", s.url.Host)
		}
		return fmt.Sprintf("the certificate of %s is not valid for a server: have it issued anew from a Domain Controller or Kerberos Authentication template", s.url.Host)
	}
	if _, ok := errors.AsType[x509.SystemRootsError](err); ok {
		return "this machine has no root certificates: install ca-certificates, or name a trust_pool"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Sprintf("the certificate of %s is refused: see the detail, and name its root with trust_pool", s.url.Host)
	}
	return ""
}

// certificateNames lists the names in a certificate, a few of them.
func certificateNames(c *x509.Certificate) string {
	if c == nil {
		return "nobody"
	}
	names := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return fmt.Sprintf("no host at all (its subject is %.100q, which counts for nothing)", c.Subject.CommonName)
	}
	const shown = 5
	if len(names) > shown {
		names = append(names[:shown], "…")
	}
	return strings.Join(names, ", ")
}
