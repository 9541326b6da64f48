package caddyldap

import (
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
)

// Of what is wrong with an account its owner may be told, and a guesser nothing. So it
// counts which refusals a controller gives only where the password was right. A lockout
// is none of them: it is looked at first, and said of any password. Nor is what a KDC
// says, which looks at the account before it asks for a proof of the password.

// provenByData reports it of the number after "data" in a refused bind, [MS-ERREF] 2.2.
func provenByData(code uint64) bool {
	switch code {
	case 0x530, // ERROR_INVALID_LOGON_HOURS
		0x531, // ERROR_INVALID_WORKSTATION
		0x532, // ERROR_PASSWORD_EXPIRED
		0x533, // ERROR_ACCOUNT_DISABLED
		0x701, // ERROR_ACCOUNT_EXPIRED
		0x773: // ERROR_PASSWORD_MUST_CHANGE
		return true
	}
	return false
}

// provenByStatus reports it of the status of a log-in over Netlogon or SMB, [MS-ERREF]
// 2.3.1.
func provenByStatus(s ntstatus.Status) bool {
	switch s {
	case 0xC000006F, // STATUS_INVALID_LOGON_HOURS
		0xC0000070, // STATUS_INVALID_WORKSTATION
		0xC0000071, // STATUS_PASSWORD_EXPIRED
		0xC0000072, // STATUS_ACCOUNT_DISABLED
		0xC0000193, // STATUS_ACCOUNT_EXPIRED
		0xC0000224: // STATUS_PASSWORD_MUST_CHANGE
		return true
	}
	return false
}
