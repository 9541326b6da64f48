package caddyntlm

import (
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/throttle"
)

// Throttle keeps guessers away from the controllers, so that nobody finds a password by
// trying, nor locks somebody's account. What is counted of an account counts at all
// sites, however the name is spelt and whatever the scheme; each site holds to its own
// limits.
type Throttle struct {
	// No limit: wrong passwords of this site go to the controllers as they come, and
	// are counted nowhere else.
	Off bool `json:"off,omitempty"`
	// How many wrong passwords of one account may reach a controller in a window: from
	// all strangers together, and from each address where the account has logged in
	// within a day. Where the domain's own lockout threshold can be read it is one
	// less than that at most. 1 to 100. Default: 3.
	Attempts int `json:"attempts,omitempty"`
	// How long a wrong password counts; as long as the domain counts it, where it locks
	// accounts and that is longer and can be read. 1s to 24h. Default: 10m.
	Window caddy.Duration `json:"window,omitempty"`
	// The wait after a wrong password.
	Backoff *Backoff `json:"backoff,omitempty"`
	// How many wrong passwords may come from one address, or one IPv6 network of 64
	// bits, in a window, for accounts that have not logged in there. 1 to 1000.
	// Default: 20.
	PerAddress int `json:"per_address,omitempty"`
}

// Backoff is the wait after a wrong password, during which a right one is refused too.
type Backoff struct {
	// After the first one; each further one doubles it. Default: 1s.
	First caddy.Duration `json:"first,omitempty"`
	// The longest. Default: 15m.
	Longest caddy.Duration `json:"longest,omitempty"`
}

// isOff reports whether a site has no throttle.
func (t *Throttle) isOff() bool { return t != nil && t.Off }

// limits are the configured ones, with the default in the place of what is not.
func (t *Throttle) limits() throttle.Limits {
	l := throttle.Limits{Attempts: 3, Window: 10 * time.Minute, FirstWait: time.Second, LongestWait: 15 * time.Minute, PerAddress: 20}
	if t == nil {
		return l
	}
	if t.Attempts != 0 {
		l.Attempts = t.Attempts
	}
	if t.Window != 0 {
		l.Window = time.Duration(t.Window)
	}
	if t.PerAddress != 0 {
		l.PerAddress = t.PerAddress
	}
	if t.Backoff != nil && t.Backoff.First != 0 {
		l.FirstWait = time.Duration(t.Backoff.First)
		l.LongestWait = max(l.LongestWait, l.FirstWait)
	}
	if t.Backoff != nil && t.Backoff.Longest != 0 {
		l.LongestWait = time.Duration(t.Backoff.Longest)
		if t.Backoff.First == 0 {
			l.FirstWait = min(l.FirstWait, l.LongestWait)
		}
	}
	return l
}

// check refuses limits that nobody could hold to.
func (t *Throttle) check() error {
	if t == nil {
		return nil
	}
	if t.Off && *t != (Throttle{Off: true}) {
		return fmt.Errorf("throttle: off, and limits beside it")
	}
	if err := t.limits().Check(); err != nil {
		return fmt.Errorf("throttle: %w", err)
	}
	return nil
}

// Check refuses what would not load: for those who read a configuration.
func (t *Throttle) Check() error { return t.check() }

// sharedProcess keeps what this process alone knows of wrong passwords over reloads.
var sharedProcess = caddy.NewUsagePool()

const (
	processKey = "process"
	// mostCounted is how many accounts, and addresses, this process counts for itself.
	mostCounted = 100_000
)

// keptProcess is a Process in a pool.
type keptProcess struct{ *throttle.Process }

// Destruct implements caddy.Destructor.
func (keptProcess) Destruct() error { return nil }

// shareThrottle makes the throttle ready, over what all sites count together.
func (h *Handler) shareThrottle() error {
	if h.Throttle.isOff() {
		return nil
	}
	process, _, err := sharedProcess.LoadOrNew(processKey, func() (caddy.Destructor, error) {
		return keptProcess{throttle.NewProcess(mostCounted, time.Now)}, nil
	})
	if err != nil {
		return err
	}
	h.throttling = true
	h.throttle = throttle.New(h.Throttle.limits(), h.store, process.(keptProcess).Process, h.warnStoreDown)
	return nil
}

// unshareThrottle undoes shareThrottle, where that was done.
func (h *Handler) unshareThrottle() {
	if h.throttling {
		h.throttling = false
		_, _ = sharedProcess.Delete(processKey)
	}
}

const hintStoreDown = "This node counts wrong passwords for itself until the store is back, so that with several nodes more of them may reach the controllers; look after the store."

func (h *Handler) warnStoreDown(err error) {
	h.log.Warn("the store does not answer; wrong passwords are counted by this node alone",
		zap.String("reason", identity.KindStore.String()), zap.Error(err), zap.String("hint", hintStoreDown))
}

// accountFinders are those of the directories that know which account a name means.
func accountFinders(directories []directory) []identity.AccountFinder {
	finders := make([]identity.AccountFinder, len(directories))
	for i, d := range directories {
		finders[i], _ = d.(identity.AccountFinder)
	}
	return finders
}
