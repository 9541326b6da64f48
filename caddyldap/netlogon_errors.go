package caddyldap

import (
	"context"
	"errors"
	"fmt"

	"github.com/caddy-ntlm/caddy-ntlm/internal/dcerpc"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/netlogon"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
	"github.com/caddy-ntlm/caddy-ntlm/internal/smb2"
)

// explainNetlogon gives what went wrong at a controller its kind and its cure.
// Whatever is about the channel is a technical failure: no user's password is to
// blame.
func explainNetlogon(server, account string, err error) *identity.Error {
	e := &identity.Error{Server: server, Err: err}
	channel, opening := errors.AsType[*netlogon.ChannelError](err)
	status, refused := errors.AsType[*netlogon.StatusError](err)
	switch {
	case errors.Is(err, netlogon.ErrSecret):
		e.Kind, e.Hint = identity.KindSecureChannel, "mend the secret of verify netlogon "+account+": its file or variable cannot be read now"
	case refused && (opening || status.Status == ntstatus.AccessDenied):
		e.Kind, e.Hint = readMachineStatus(status.Status, account)
		e.Err = fmt.Errorf("secure channel broken: %w", err)
	case refused:
		e.Kind, e.Hint = readLogonStatus(status.Status)
		e.Proven = provenByStatus(status.Status)
	case opening:
		e.Kind, e.Hint = readOpening(channel, account)
	default:
		e.Kind, e.Hint = readLogonFault(err)
	}
	return e
}

// readMachineStatus is what a controller says of the machine account.
func readMachineStatus(s ntstatus.Status, account string) (identity.Kind, string) {
	switch s {
	case ntstatus.AccessDenied:
		return identity.KindSecureChannel, "the machine account's password is wrong, or the account is disabled: set it anew (samba-tool user setpassword '" + account + "', Set-ADAccountPassword) and write the same into the secret of verify netlogon; nothing else may change it"
	case ntstatus.NoTrustSAMAccount:
		return identity.KindSecureChannel, "the domain has no machine account " + account + ", or has disabled it: create it (samba-tool computer create, New-ADComputer), enable it (samba-tool user enable '" + account + "', Enable-ADAccount), or correct the name behind verify netlogon; a domain word that is not the domain's NetBIOS name does this too"
	case ntstatus.TimeDifferenceAtDC:
		return identity.KindClock, "the clocks of this machine and of the controller differ too much: set this one by NTP"
	case ntstatus.DowngradeDetected:
		return identity.KindSecureChannel, "the controller sees less than AES asked for: look for what changes RPC between this machine and the controller"
	case ntstatus.NoLogonServers, ntstatus.NetlogonNotStarted:
		return identity.KindUnavailable, "the controller's Netlogon service is not running: start it"
	}
	return identity.KindSecureChannel, s.Cure()
}

// readLogonStatus is what a controller says of a log-in, [MS-ERREF] 2.3.1.
func readLogonStatus(s ntstatus.Status) (identity.Kind, string) {
	if kind, ok := accountStatuses[uint32(s)]; ok {
		return kind, ""
	}
	switch s {
	case ntstatus.LogonFailure, ntstatus.NoSuchUser, ntstatus.WrongPassword, ntstatus.NoSuchDomain:
		return identity.KindBadCredentials, ""
	case ntstatus.LogonTypeNotGranted:
		return identity.KindRestricted, "the account has not the right to access this computer from the network"
	case ntstatus.NTLMBlocked:
		return identity.KindNTLMBlocked, s.Cure()
	case ntstatus.NoLogonServers, ntstatus.TrustedDomainFailure:
		return identity.KindUnavailable, "the controller cannot reach the user's domain: look at the trusts"
	case ntstatus.NetlogonNotStarted:
		return identity.KindUnavailable, "the controller's Netlogon service is not running: start it"
	case ntstatus.InsufficientResources, ntstatus.InsufficientServerResources, ntstatus.IOTimeout:
		return identity.KindBusy, "the controller is overloaded, or waits for another domain's"
	}
	return identity.KindProtocol, s.Cure()
}

const hintNetlogonPorts = "are port 135 and the ports above 49152 (TCP) of the domain controllers open to this machine, or at least port 445? rpcclient or Test-NetConnection shows it"

// readOpening is why no channel could be opened, where the controller has not said.
func readOpening(e *netlogon.ChannelError, account string) (identity.Kind, string) {
	nak, isNak := errors.AsType[*dcerpc.Nak](e)
	piped, isPiped := errors.AsType[*smb2.StatusError](e)
	switch {
	case isPiped:
		return readPipeStatus(piped, account)
	case errors.Is(e, netlogon.ErrServerCredential):
		return identity.KindSecureChannel, "what answers does not know the password of " + account + ": it is no domain controller, or one that has not heard of the latest password"
	case errors.Is(e, netlogon.ErrNoAES):
		return identity.KindSecureChannel, "the controller is older than AES: only controllers since Windows Server 2008 R2 can be used"
	case errors.Is(e, netlogon.ErrConfig):
		return identity.KindSecureChannel, "a name cannot be used: look at domain and at the account behind verify netlogon"
	case errors.Is(e, netlogon.ErrDowngrade), errors.Is(e, netlogon.ErrWeakChallenge), errors.Is(e, netlogon.ErrSignature), errors.Is(e, netlogon.ErrSequence):
		return identity.KindSecureChannel, hintChanged
	case isNak:
		return identity.KindSecureChannel, "the controller refuses the sealed connection: " + nak.Error()
	case errors.Is(e, context.DeadlineExceeded):
		return identity.KindTimeout, hintNetlogonPorts
	case errors.Is(e, dcerpc.ErrNoEndpoint):
		return identity.KindUnavailable, "the server's endpoint mapper knows no Netlogon: is it a domain controller, and is its Netlogon service running?"
	case errors.Is(e, dcerpc.ErrProtocol), errors.Is(e, netlogon.ErrToken), errors.Is(e, netlogon.ErrMalformed):
		return identity.KindProtocol, "what answers does not speak RPC properly: is it a domain controller?"
	case isFault(e):
		return identity.KindUnavailable, hintFault
	}
	return identity.KindUnavailable, hintNetlogonPorts
}

// readPipeStatus is why there is no named pipe, where the endpoint mapper cannot be
// reached.
func readPipeStatus(s *smb2.StatusError, account string) (identity.Kind, string) {
	switch s.Status {
	case ntstatus.LogonFailure:
		return identity.KindSecureChannel, "port 135 cannot be reached, and over port 445 the name or the password of " + account + " is refused: see that the secret of verify netlogon is the account's password"
	case ntstatus.NoLogonServers, ntstatus.InsufficientResources, ntstatus.InsufficientServerResources:
		return identity.KindUnavailable, hintNetlogonPorts
	}
	return identity.KindSecureChannel, "port 135 cannot be reached, and over port 445 the controller does not open " + `\PIPE\netlogon` + " to " + account + ": open port 135 and those above 49152 to this machine"
}

// readLogonFault is everything else: a yes that lets nobody in, and a broken
// connection.
func readLogonFault(err error) (identity.Kind, string) {
	switch {
	case errors.Is(err, netlogon.ErrGuest):
		return identity.KindGuestMapped, "the controller maps unknown users to the guest account: disable that account"
	case errors.Is(err, netlogon.ErrNobody):
		return identity.KindMismatch, ""
	case errors.Is(err, netlogon.ErrLMKey):
		return identity.KindNTLMv1, "the controller accepts LM: set its LmCompatibilityLevel to 5"
	case errors.Is(err, netlogon.ErrNotV2):
		return identity.KindBadToken, ""
	case errors.Is(err, netlogon.ErrBusy):
		return identity.KindBusy, "more log-ins than the secure channel takes wait for the controller"
	case errors.Is(err, netlogon.ErrNoSessionKey), errors.Is(err, netlogon.ErrMalformed), errors.Is(err, dcerpc.ErrProtocol):
		return identity.KindProtocol, ""
	case errors.Is(err, netlogon.ErrSignature), errors.Is(err, netlogon.ErrSequence):
		return identity.KindSecureChannel, hintChanged
	case isFault(err):
		return identity.KindUnavailable, hintFault
	case errors.Is(err, netlogon.ErrConfig):
		return identity.KindSecureChannel, "a name cannot be used: look at domain and at the account behind verify netlogon"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return identity.KindTimeout, hintNetlogonPorts
	}
	return identity.KindUnavailable, hintNetlogonPorts
}

// isFault reports whether the other end answered with an RPC fault, which nothing
// protects on the way.
func isFault(err error) bool {
	_, ok := errors.AsType[*dcerpc.Fault](err)
	return ok
}

// The hints of what answers, and not as it should.
const (
	hintChanged = "something between this machine and the controller changes or repeats RPC"
	hintFault   = "the controller answers, and does not do what it is asked: its event log may say why; a policy there (RPC filters, Restrict Unauthenticated RPC clients) or something on the way refuses calls"
)

// decided reports whether a controller, or the log-in itself, has settled the
// matter, so that no other controller is asked.
func decided(e *identity.Error) bool {
	if errors.Is(e.Err, netlogon.ErrBusy) || errors.Is(e.Err, netlogon.ErrNotV2) || errors.Is(e.Err, netlogon.ErrLMKey) {
		return true
	}
	return e.Kind.AboutAccount() || e.Kind == identity.KindNTLMBlocked
}

// cannotServe reports whether the controller, and not one log-in, is to blame: no
// channel could be opened, and there was time to. A log-in that is not answered may be one of a trusted
// domain that hangs, and must not take the controller away from everybody.
func cannotServe(e *identity.Error) bool {
	_, opening := errors.AsType[*netlogon.ChannelError](e.Err)
	return opening
}
