package netlogon

import "fmt"

// NTStatus is a controller's verdict, [MS-ERREF] 2.3.1. Anything but 0 is a no.
type NTStatus uint32

// The verdicts that a caller may tell apart. The first group is about the user who
// logs in, the second about the machine account and the channel, the third about
// the controller.
const (
	StatusLogonFailure       NTStatus = 0xC000006D
	StatusNoSuchUser         NTStatus = 0xC0000064
	StatusWrongPassword      NTStatus = 0xC000006A
	StatusAccountLockedOut   NTStatus = 0xC0000234
	StatusAccountDisabled    NTStatus = 0xC0000072
	StatusAccountExpired     NTStatus = 0xC0000193
	StatusPasswordExpired    NTStatus = 0xC0000071
	StatusPasswordMustChange NTStatus = 0xC0000224
	StatusInvalidLogonHours  NTStatus = 0xC000006F
	StatusInvalidWorkstation NTStatus = 0xC0000070
	StatusAccountRestriction NTStatus = 0xC000006E
	StatusNTLMBlocked        NTStatus = 0xC0000418

	StatusAccessDenied       NTStatus = 0xC0000022
	StatusNoTrustSAMAccount  NTStatus = 0xC000018B
	StatusTimeDifferenceAtDC NTStatus = 0xC0000133
	StatusDowngradeDetected  NTStatus = 0xC0000388

	StatusNoLogonServers     NTStatus = 0xC000005E
	StatusNetlogonNotStarted NTStatus = 0xC0000192
	StatusInvalidInfoClass   NTStatus = 0xC0000003
	StatusNotImplemented     NTStatus = 0xC0000002
)

// statuses gives each verdict the name of [MS-ERREF], what it means, and, where
// the administrator can do something, the cure.
var statuses = map[NTStatus]struct{ name, means, cure string }{
	StatusLogonFailure:       {"STATUS_LOGON_FAILURE", "user name or password is wrong", ""},
	StatusNoSuchUser:         {"STATUS_NO_SUCH_USER", "the domain has no such user", ""},
	StatusWrongPassword:      {"STATUS_WRONG_PASSWORD", "the password is wrong", ""},
	StatusAccountLockedOut:   {"STATUS_ACCOUNT_LOCKED_OUT", "the account is locked out", ""},
	StatusAccountDisabled:    {"STATUS_ACCOUNT_DISABLED", "the account is disabled", ""},
	StatusAccountExpired:     {"STATUS_ACCOUNT_EXPIRED", "the account has expired", ""},
	StatusPasswordExpired:    {"STATUS_PASSWORD_EXPIRED", "the password has expired", ""},
	StatusPasswordMustChange: {"STATUS_PASSWORD_MUST_CHANGE", "the password must be changed first", ""},
	StatusInvalidLogonHours:  {"STATUS_INVALID_LOGON_HOURS", "the account may not log in at this hour", ""},
	StatusInvalidWorkstation: {"STATUS_INVALID_WORKSTATION", "the account may not log in from this workstation", ""},
	StatusAccountRestriction: {"STATUS_ACCOUNT_RESTRICTION", "a restriction forbids the log-in: Protected Users, or an authentication policy", ""},
	StatusNTLMBlocked:        {"STATUS_NTLM_BLOCKED", "NTLM is blocked in the domain", "allow NTLM for this server in the domain's policy, or use Kerberos"},

	StatusAccessDenied:       {"STATUS_ACCESS_DENIED", "the machine account's password is wrong, or the channel is no longer known", "give the password that the domain has for the machine account"},
	StatusNoTrustSAMAccount:  {"STATUS_NO_TRUST_SAM_ACCOUNT", "the domain has no such machine account", "create the computer account, or correct its name"},
	StatusTimeDifferenceAtDC: {"STATUS_TIME_DIFFERENCE_AT_DC", "the clocks differ too much", "set the clock of this machine by the domain's"},
	StatusDowngradeDetected:  {"STATUS_DOWNGRADE_DETECTED", "less than AES was asked for", "look for what changes RPC between this machine and the controller"},

	StatusNoLogonServers:     {"STATUS_NO_LOGON_SERVERS", "the controller cannot reach the user's domain", "look at the trusts of the domain"},
	StatusNetlogonNotStarted: {"STATUS_NETLOGON_NOT_STARTED", "the controller's Netlogon service is not running", "start it"},
	StatusInvalidInfoClass:   {"STATUS_INVALID_INFO_CLASS", "the controller does not know this form of answer", ""},
	StatusNotImplemented:     {"STATUS_NOT_IMPLEMENTED", "the controller does not have this call", ""},
	0xC00000DF:               {"STATUS_NO_SUCH_DOMAIN", "there is no such domain", ""},
	0xC000018C:               {"STATUS_TRUSTED_DOMAIN_FAILURE", "the trust to the user's domain failed", "look at the trusts of the domain"},
	0xC000018D:               {"STATUS_TRUSTED_RELATIONSHIP_FAILURE", "the trust between this machine and the domain failed", "join the machine again"},
	0xC0000413:               {"STATUS_AUTHENTICATION_FIREWALL_FAILED", "the user may not authenticate to this machine: selective authentication", ""},
	0xC00000BB:               {"STATUS_NOT_SUPPORTED", "the controller does not support this", ""},
	0xC000009A:               {"STATUS_INSUFFICIENT_RESOURCES", "the controller is out of resources", ""},
	0xC00000B5:               {"STATUS_IO_TIMEOUT", "the controller took too long", ""},
}

// String is the name of [MS-ERREF] and the number; the number alone where there
// is no name.
func (s NTStatus) String() string {
	if known, ok := statuses[s]; ok {
		return fmt.Sprintf("%s (0x%08X)", known.name, uint32(s))
	}
	return fmt.Sprintf("NTSTATUS 0x%08X", uint32(s))
}

// Cure is what the administrator can do about it; empty where nothing is known.
func (s NTStatus) Cure() string { return statuses[s].cure }

// A StatusError is a no of the controller's, sealed where the channel was.
type StatusError struct {
	Call   string // the method of [MS-NRPC]
	Status NTStatus
	// Authoritative is false where another controller might know better,
	// [MS-NRPC] 3.5.4.5.1. It is a no all the same.
	Authoritative bool
}

func (e *StatusError) Error() string {
	text := e.Call + ": " + e.Status.String()
	if known := statuses[e.Status]; known.means != "" {
		text += ": " + known.means
	}
	return text
}
