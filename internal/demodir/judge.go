package demodir

import (
	"sync"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// The Windows error codes that a bind fails with, in hexadecimal.
const (
	dataLogonFailure     = "52e" // ERROR_LOGON_FAILURE
	dataRestriction      = "52f" // ERROR_ACCOUNT_RESTRICTION
	dataLogonHours       = "530" // ERROR_INVALID_LOGON_HOURS
	dataWorkstation      = "531" // ERROR_INVALID_WORKSTATION
	dataPasswordExpired  = "532" // ERROR_PASSWORD_EXPIRED
	dataDisabled         = "533" // ERROR_ACCOUNT_DISABLED
	dataAccountExpired   = "701" // ERROR_ACCOUNT_EXPIRED
	dataMustChange       = "773" // ERROR_PASSWORD_MUST_CHANGE
	dataLockedOut        = "775" // ERROR_ACCOUNT_LOCKED_OUT
	dataInvalidParameter = "57"  // ERROR_INVALID_PARAMETER
)

// afterPassword is what stops an account whose password was right.
var afterPassword = map[Magic]string{
	Disabled:        dataDisabled,
	Expired:         dataAccountExpired,
	PasswordExpired: dataPasswordExpired,
	MustChange:      dataMustChange,
	LogonHours:      dataLogonHours,
	Workstation:     dataWorkstation,
	Restricted:      dataRestriction,
}

// judge decides on a log-in, in a controller's order: the lock before the
// password, everything else after it, so that a wrong password learns nothing.
// An unknown user, nil, fails as a wrong password. data is empty for a yes; no
// answer is to be sent where alive is false.
func (s *Server) judge(who *account, right bool) (data string, alive bool) {
	if who == nil {
		return dataLogonFailure, true
	}
	switch who.Magic {
	case Dead:
		return "", false
	case Slow:
		if !s.wait(s.cfg.Slow) {
			return "", false
		}
	case Locked:
		return dataLockedOut, true
	}
	if s.fails.locked(who.Name, s.cfg.LockoutThreshold) {
		return dataLockedOut, true
	}
	if !right {
		s.fails.add(who.Name)
		return dataLogonFailure, true
	}
	if data := afterPassword[who.Magic]; data != "" {
		return data, true
	}
	s.fails.clear(who.Name)
	return "", true
}

// failures counts wrong passwords in a row, badPwdCount of [MS-ADA1].
type failures struct {
	mu    sync.Mutex
	count map[string]int
}

func (f *failures) locked(name string, threshold int) bool {
	return threshold > 0 && f.of(name) >= threshold
}

func (f *failures) of(name string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count[identity.Fold(name)]
}

func (f *failures) add(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count == nil {
		f.count = map[string]int{}
	}
	f.count[identity.Fold(name)]++
}

func (f *failures) clear(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.count, identity.Fold(name))
}

// BadPasswords is how many wrong passwords in a row the account has had, by
// whatever kind of bind. It counts names that exist alone.
func (s *Server) BadPasswords(name string) int { return s.fails.of(name) }
