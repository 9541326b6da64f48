// Package ntstatus names the status codes that SMB and Netlogon answer with,
// [MS-ERREF] 2.3.1.
package ntstatus

import "fmt"

// Status is an NTSTATUS, [MS-ERREF] 2.3. It is an error, so that errors.Is finds
// it in what a client returns. Success is one too: whoever makes an error of a
// Status asks Failed, or compares, first.
type Status uint32

// What a controller says of a log-on, and of the account that asks it.
const (
	Success                      Status = 0x00000000
	Pending                      Status = 0x00000103
	BufferOverflow               Status = 0x80000005
	NotImplemented               Status = 0xC0000002
	InvalidInfoClass             Status = 0xC0000003
	InvalidParameter             Status = 0xC000000D
	EndOfFile                    Status = 0xC0000011
	MoreProcessingRequired       Status = 0xC0000016
	AccessDenied                 Status = 0xC0000022
	ObjectNameNotFound           Status = 0xC0000034
	NoLogonServers               Status = 0xC000005E
	InvalidAccountName           Status = 0xC0000062
	NoSuchUser                   Status = 0xC0000064
	WrongPassword                Status = 0xC000006A
	LogonFailure                 Status = 0xC000006D
	AccountRestriction           Status = 0xC000006E
	InvalidLogonHours            Status = 0xC000006F
	InvalidWorkstation           Status = 0xC0000070
	PasswordExpired              Status = 0xC0000071
	AccountDisabled              Status = 0xC0000072
	InsufficientResources        Status = 0xC000009A
	PipeNotAvailable             Status = 0xC00000AC
	PipeDisconnected             Status = 0xC00000B0
	IOTimeout                    Status = 0xC00000B5
	NotSupported                 Status = 0xC00000BB
	BadNetworkName               Status = 0xC00000CC
	NoSuchDomain                 Status = 0xC00000DF
	InternalError                Status = 0xC00000E5
	NameTooLong                  Status = 0xC0000106
	TimeDifferenceAtDC           Status = 0xC0000133
	PipeBroken                   Status = 0xC000014B
	LogonTypeNotGranted          Status = 0xC000015B
	NoTrustSAMAccount            Status = 0xC000018B
	TrustedDomainFailure         Status = 0xC000018C
	TrustedRelationshipFailure   Status = 0xC000018D
	NetlogonNotStarted           Status = 0xC0000192
	AccountExpired               Status = 0xC0000193
	UserSessionDeleted           Status = 0xC0000203
	InsufficientServerResources  Status = 0xC0000205
	PasswordMustChange           Status = 0xC0000224
	AccountLockedOut             Status = 0xC0000234
	NetworkSessionExpired        Status = 0xC000035C
	DowngradeDetected            Status = 0xC0000388
	AuthenticationFirewallFailed Status = 0xC0000413
	NTLMBlocked                  Status = 0xC0000418
)

// Name gives the name in [MS-ERREF], or "" for a status that is not here.
func (s Status) Name() string { return known[s].name }

// Means says in words what a log-in's status means; empty where nothing is known.
func (s Status) Means() string { return known[s].means }

// Cure is what the administrator can do about it; empty where nothing is known.
func (s Status) Cure() string { return known[s].cure }

// Failed reports whether the severity is that of an error, [MS-ERREF] 2.3.
func (s Status) Failed() bool { return s>>30 == 3 }

// String gives name and number, as STATUS_LOGON_FAILURE (0xC000006D).
func (s Status) String() string {
	if name := s.Name(); name != "" {
		return fmt.Sprintf("%s (0x%08X)", name, uint32(s))
	}
	return fmt.Sprintf("NTSTATUS 0x%08X", uint32(s))
}

// Error is String.
func (s Status) Error() string { return s.String() }
