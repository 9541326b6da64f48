package caddyldap

import (
	"context"
	"errors"
	"io"
	"net"
	"os"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
	"github.com/caddy-ntlm/caddy-ntlm/internal/smb2"
)

// unreachableError is a controller to whose port 445 there is no connection.
type unreachableError struct{ error }

// Unwrap gives what the operating system says.
func (e *unreachableError) Unwrap() error { return e.error }

// explainSMB gives what went wrong at a controller its kind and its cure.
func explainSMB(server string, err error) *identity.Error {
	if known, ok := errors.AsType[*identity.Error](err); ok {
		e := *known
		e.Server = server
		return &e
	}
	e := &identity.Error{Server: server, Err: err}
	if status, refused := errors.AsType[*smb2.StatusError](err); refused {
		e.Kind, e.Hint = readSMBStatus(status)
		e.Proven = status.Command == smb2.SessionSetup && provenByStatus(status.Status)
	} else {
		e.Kind, e.Hint = readSMBFault(err)
	}
	return e
}

const (
	hintSMBPort  = "is port 445 (TCP) of the domain controllers open to this machine? smbclient -L or Test-NetConnection shows it"
	hintNoSMB    = "what answers there does not speak SMB 2 or 3 properly: is it a domain controller?"
	hintUnsigned = "a controller signs its yes: somebody else answers in its place, or SMB signing is switched off there"
)

// readSMBStatus is a controller's no, [MS-ERREF] 2.3.1.
func readSMBStatus(s *smb2.StatusError) (identity.Kind, string) {
	if s.Command != smb2.SessionSetup {
		return identity.KindProtocol, hintNoSMB
	}
	switch s.Status {
	case ntstatus.AccessDenied:
		return identity.KindChannelBinding, "the controller asks over SMB for what a relay cannot give: it compares the name of the service (SmbServerNameHardeningLevel), or wants encryption; write verify netlogon"
	case ntstatus.InvalidParameter:
		return identity.KindBadToken, ""
	case ntstatus.NotSupported:
		return identity.KindNTLMBlocked, "the controller takes no NTLM over SMB: allow it for this server in the domain's policy, or use Kerberos"
	}
	return readLogonStatus(s.Status)
}

// readSMBFault is everything else: a yes that lets nobody in, and a broken
// connection.
func readSMBFault(err error) (identity.Kind, string) {
	switch {
	case errors.Is(err, smb2.ErrGuest), errors.Is(err, smb2.ErrNull):
		return identity.KindGuestMapped, "the controller lets in whom it does not know: disable the guest account and guest access there"
	case errors.Is(err, smb2.ErrUnsigned), errors.Is(err, smb2.ErrSignature):
		return identity.KindProtocol, hintUnsigned
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return identity.KindTimeout, hintSMBPort
	case errors.Is(err, context.Canceled):
		return identity.KindUnavailable, ""
	case isLost(err):
		return identity.KindUnavailable, hintSMBPort
	}
	return identity.KindProtocol, hintNoSMB
}

// isLost reports whether there is no connection, or no longer.
func isLost(err error) bool {
	_, never := errors.AsType[*unreachableError](err)
	_, network := errors.AsType[net.Error](err)
	return never || network || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// settledSMB reports whether a controller, or the log-in itself, has settled the
// matter, so that no other controller is asked.
func settledSMB(e *identity.Error) bool {
	switch e.Kind {
	case identity.KindNTLMBlocked, identity.KindBadToken, identity.KindChannelBinding:
		return true
	}
	return e.Kind.AboutAccount()
}

// unreachable reports whether the controller, and not one log-in, is to blame.
func unreachable(e *identity.Error) bool {
	_, ok := errors.AsType[*unreachableError](e.Err)
	return ok
}
