package caddyldap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ldapsasl"
)

// What Active Directory and Samba were seen to write.
const (
	saidData    = "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data %s, v1db1"
	saidNTLM    = "8009030C: LdapErr: DSID-0C0904DC, comment: AcceptSecurityContext error, data %s, v1db1"
	saidBinding = "80090346: LdapErr: DSID-0C090597, comment: AcceptSecurityContext error, data 80090346, v4563"
	saidSigning = "00002028: LdapErr: DSID-0C090259, comment: The server requires binds to turn on integrity checking if SSL\\TLS are not already active on the connection, data 0, v4563"
)

func TestDiagnoseAnswers(t *testing.T) {
	for _, c := range []struct {
		at   stage
		code uint16
		text string
		want identity.Kind
		hint string
	}{
		{binding, 49, fmt.Sprintf(saidData, "52e"), identity.KindBadCredentials, ""},
		{relaying, 49, fmt.Sprintf(saidNTLM, "52e"), identity.KindBadCredentials, ""},
		{binding, 49, fmt.Sprintf(saidData, "525"), identity.KindBadCredentials, ""},
		{binding, 49, fmt.Sprintf(saidData, "530"), identity.KindLogonHours, "hours"},
		{binding, 49, fmt.Sprintf(saidData, "531"), identity.KindWorkstation, "userWorkstations"},
		{binding, 49, fmt.Sprintf(saidData, "532"), identity.KindPasswordExpired, "expired"},
		{binding, 49, fmt.Sprintf(saidData, "533"), identity.KindDisabled, "disabled"},
		{binding, 49, fmt.Sprintf(saidData, "701"), identity.KindAccountExpired, "expired"},
		{binding, 49, fmt.Sprintf(saidData, "773"), identity.KindMustChange, "pwdLastSet"},
		{binding, 49, fmt.Sprintf(saidData, "775"), identity.KindLocked, "locked"},
		{relaying, 49, fmt.Sprintf(saidNTLM, "52f"), identity.KindRestricted, "Protected Users"},
		{relaying, 49, fmt.Sprintf(saidNTLM, "57"), identity.KindBadToken, "MIC"},
		{relaying, 49, fmt.Sprintf(saidNTLM, "791"), identity.KindNTLMBlocked, "policy"},
		{relaying, 49, saidBinding, identity.KindChannelBinding, "channel binding"},
		{relaying, 49, "80090346: LdapErr: DSID-0C090597, comment: AcceptSecurityContext error, data 0, v4563", identity.KindChannelBinding, "channel binding"},
		{binding, 49, "", identity.KindBadCredentials, ""},
		{binding, 49, fmt.Sprintf(saidData, "ffffffffffffffff"), identity.KindBadCredentials, ""},
		{binding, 8, saidSigning, identity.KindSigningRequired, "over TLS"},
		{relaying, 8, "SASL:[GSS-SPNEGO]: Sign or Seal are required.", identity.KindSigningRequired, "over TLS"},
		{relaying, 53, "SASL:[GSS-SPNEGO]: Sign or Seal are not allowed if TLS is used", identity.KindClientSigning, "negotiate"},
		{relaying, 14, "", identity.KindClientSigning, "negotiate"},
		{relaying, 7, "", identity.KindProtocol, "verify bind"},
		{binding, 51, "", identity.KindBusy, "another"},
		{relaying, 52, "", identity.KindBusy, "another"},
		{searching, 51, "", identity.KindBusy, "another"},
		{binding, 34, "invalid DN", identity.KindBadCredentials, "distinguished"},
		{searching, 32, "", identity.KindProtocol, "base_dn"},
		{searching, 10, "", identity.KindProtocol, "never followed"},
		{binding, 80, "", identity.KindProtocol, "log"},
		{searching, 49, "", identity.KindProtocol, "log"},
	} {
		s := &server{url: URL{TLS: true, Host: "dc1.example.test", Port: "636"}, tls: new(tls.Config)}
		for _, err := range []error{
			&ldapsasl.Result{Code: c.code, Message: c.text},
			ldap.NewError(c.code, errors.New(c.text)),
		} {
			checkDiagnosis(t, s, c.at, err, c.want, c.hint)
		}
	}
}

func TestDiagnoseSigningInTheClear(t *testing.T) {
	s := &server{url: URL{Host: "dc1", Port: "389"}}
	checkDiagnosis(t, s, binding, ldap.NewError(8, errors.New(saidSigning)), identity.KindSigningRequired, "write ldaps://")
}

func TestDiagnoseSilence(t *testing.T) {
	s := &server{url: URL{TLS: true, Host: "dc1.example.test", Port: "636"}, tls: new(tls.Config)}
	op := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	verify := func(err error) error { return &tls.CertificateVerificationError{Err: err} }
	for _, c := range []struct {
		name string
		err  error
		want identity.Kind
		hint string
	}{
		{"refused", op(syscall.ECONNREFUSED), identity.KindUnavailable, "nothing listens"},
		{"no route", op(syscall.EHOSTUNREACH), identity.KindUnavailable, "cannot be reached"},
		{"no such name", op(&net.DNSError{Err: "no such host", Name: "dc1"}), identity.KindUnavailable, "does not resolve"},
		{"no descriptors", op(syscall.EMFILE), identity.KindUnavailable, "open files"},
		{"deadline", context.DeadlineExceeded, identity.KindTimeout, "in time"},
		{"hung up", io.ErrUnexpectedEOF, identity.KindUnavailable, "closed the connection"},
		{"notice", ldapsasl.ErrNotice, identity.KindUnavailable, "closed the connection"},
		{"reset", op(syscall.ECONNRESET), identity.KindUnavailable, "closed the connection"},
		{"garbage", fmt.Errorf("%w: tag", ldapsasl.ErrMalformed), identity.KindProtocol, "proper LDAP"},
		{"library", ldap.NewError(ldap.ErrorNetwork, errors.New("ldap: response channel closed")), identity.KindUnavailable, "lost"},
		{"unknown authority", verify(x509.UnknownAuthorityError{}), identity.KindTLS, "trust_pool"},
		{"other host", verify(x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{"dc2.example.test"}}, Host: "dc1.example.test"}), identity.KindTLS, "dc2.example.test, not for dc1.example.test"},
		{"expired", verify(x509.CertificateInvalidError{Reason: x509.Expired}), identity.KindTLS, "renew it"},
		{"not TLS", tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, identity.KindTLS, "636"},
		{"alert", tls.AlertError(70), identity.KindTLS, "TLS 1.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			checkDiagnosis(t, s, dialing, c.err, c.want, c.hint)
			if !unanswered(diagnose(s, dialing, c.err)) {
				t.Error("counts as an answer")
			}
		})
	}
}

func checkDiagnosis(t *testing.T, s *server, at stage, err error, want identity.Kind, hint string) {
	t.Helper()
	got := diagnose(s, at, err)
	e, ok := errors.AsType[*identity.Error](got)
	if !ok || e.Kind != want || !strings.Contains(e.Hint, hint) || (hint == "") != (e.Hint == "") {
		t.Errorf("stage %d, %v: got %v with hint %q, want %v and %q", at, err, got, e.Hint, want, hint)
	}
	if e.Server != s.url.Addr() {
		t.Errorf("got server %q, want %q", e.Server, s.url.Addr())
	}
	if again := diagnose(s, at, got); again != got {
		t.Errorf("diagnosed twice: %v", again)
	}
}
