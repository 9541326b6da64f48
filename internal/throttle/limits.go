package throttle

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Limits are what a try is held to. Those who ask may have different ones over the same
// counts: what was counted under one counts under the others, and a wait that has begun
// holds for all.
type Limits struct {
	// Attempts is how many wrong passwords of one account may reach a controller in
	// Window: from unknown addresses together, and from each known one.
	Attempts int
	// Window is how long a wrong password counts.
	Window time.Duration
	// FirstWait follows the first wrong password; each further one doubles it, up to
	// LongestWait. A right password ends it, and so does a quiet time of Window and
	// LongestWait.
	FirstWait, LongestWait time.Duration
	// PerAddress is how many wrong passwords may come from one address, or one IPv6
	// network of 64 bits, in Window. Log-ins of accounts that are known there do not
	// count.
	PerAddress int
}

// Bounds of Limits.
const (
	MostAttempts   = 100
	MostPerAddress = 1000
	LongestWindow  = 24 * time.Hour
)

// Check refuses limits that no Throttle could hold to.
func (l Limits) Check() error {
	switch {
	case l.Attempts < 1 || l.Attempts > MostAttempts:
		return fmt.Errorf("%d attempts: write 1 to %d", l.Attempts, MostAttempts)
	case l.Window < time.Second || l.Window > LongestWindow:
		return fmt.Errorf("a window of %v: write 1s to %v", l.Window, LongestWindow)
	case l.FirstWait <= 0 || l.LongestWait > LongestWindow:
		return fmt.Errorf("a backoff of %v to %v: write times above nothing and up to %v", l.FirstWait, l.LongestWait, LongestWindow)
	case l.FirstWait > l.LongestWait:
		return fmt.Errorf("a backoff of %v to %v: the first wait is longer than the longest", l.FirstWait, l.LongestWait)
	case l.PerAddress < 1 || l.PerAddress > MostPerAddress:
		return fmt.Errorf("%d for an address: write 1 to %d", l.PerAddress, MostPerAddress)
	}
	return nil
}

// KnownFor is how long an account is known at an address after a right password.
const KnownFor = 24 * time.Hour

// longestObservation is as long as a domain's own count is believed to last: some never
// forget.
const longestObservation = 30 * 24 * time.Hour

// Try is one log-in with a password, before anybody is asked.
type Try struct {
	// Account is the account, in one spelling.
	Account string
	// Address is the client's; the zero one is not known, and has no limit of its own.
	Address netip.Addr
	// Password is what Fingerprint made of it; zero where it cannot be seen, as in
	// NTLM.
	Password Fingerprint
	// Lockout is at how many wrong passwords the domain locks the account; 0 is
	// never, or not known. One less may reach a controller, however they are spread,
	// but always one: nobody could log in.
	Lockout int
	// Observation is how long the domain counts them, where that is longer than
	// Window; else 0. Without Lockout it is of no effect.
	Observation time.Duration
}

// windows are how long a wrong password counts for a budget, and for the domain. How long
// a domain counts that locks nobody is nothing to us.
func (t Try) windows(l Limits) (own, domain time.Duration) {
	if t.Lockout <= 0 {
		return l.Window, l.Window
	}
	return max(l.Window, min(t.Observation, LongestWindow)), max(l.Window, min(t.Observation, longestObservation))
}

// NetworkOf is what is counted of an address: IPv6 by its 64 bits of network, IPv4 in
// IPv6 as IPv4.
func NetworkOf(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}

// Refused is the error of a Try that may not be made now.
type Refused struct {
	// Wait is for how long, at least.
	Wait time.Duration
	// Whose is what is over its limit.
	Whose Subject
}

// Error says so.
func (r *Refused) Error() string {
	return fmt.Sprintf("too many wrong passwords %s: not before %v", r.Whose, r.Wait.Round(time.Second))
}

// Subject is what a limit is of.
type Subject int

// The limits.
const (
	OfAccount Subject = iota + 1
	OfAddress
)

// String completes a sentence.
func (s Subject) String() string {
	if s == OfAddress {
		return "from this address"
	}
	return "for this account"
}

// ErrKnownWrong is the error of a password that was wrong a moment ago: no controller
// need be asked, and none counts it again.
var ErrKnownWrong = errors.New("this password was wrong a moment ago, and no controller was asked again")

var (
	errBusy = errors.New("attempts under way have all places")
	errNone = errors.New("nothing is known of the account")
)
