package caddyntlm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
	"github.com/caddy-ntlm/caddy-ntlm/internal/throttle"
)

// guesser is who is refused by the throttle, for the log.
type guesser struct {
	network netip.Prefix
	claimed identity.Name
}

const (
	hintThrottledAccount = "Wrong passwords of this account came in numbers, and its right one is refused too until the wait is over. It ends by itself, or at once by DELETE /windows_auth/throttle?user=NAME on the admin endpoint; at an address where the account has logged in within a day only what comes from there counts. A program that goes on with an old password is cured at the program."
	hintThrottledAddress = "Wrong passwords of many accounts come from this address: somebody guesses there, or many clients share it; then name the proxy in trusted_proxies, or raise per_address of throttle. It ends by itself."
	hintKnownWrong       = "No controller was asked again: this very password was wrong for this account a moment ago."
)

// guarded asks a controller, by ask, about a password of the account that a name
// means to v.from; password is empty where it cannot be seen, as in NTLM. Every way of
// logging in with a password goes through here. Nobody is asked where the throttle does
// not let it. What was asked goes on to its end when the client leaves, because it
// counts: who hangs up in time would else guess for nothing.
func (v *visit) guarded(ctx context.Context, claimed identity.Name, password identity.Secret, ask func(context.Context) error) error {
	t := v.door.throttle
	if t == nil {
		v.asked = true
		return ask(ctx)
	}
	try := v.try(ctx, claimed, password)
	attempt, err := t.Enter(ctx, try)
	if err != nil {
		return v.unasked(err, claimed)
	}
	defer attempt.Undecided() // changes nothing once it has ended
	ctx, cancel := unattended(ctx)
	defer cancel()
	v.asked = true
	err = ask(ctx)
	switch {
	case err == nil:
		attempt.Right(countedAs(v.from, v.id.AccountKey()))
	case verdicts[kindOf(err)] == saysWrong:
		attempt.Wrong()
	case verdicts[kindOf(err)] == saysLocked, !password.Blank() && !v.proven && isSaidOfAny(err):
		attempt.Locked()
	}
	return err
}

// unattended has the deadline of a context and does not end with the client.
func unattended(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	ctx = context.WithoutCancel(ctx)
	if !ok {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, deadline)
}

func (v *visit) try(ctx context.Context, claimed identity.Name, password identity.Secret) throttle.Try {
	sought := v.door.sought(ctx, v.from, claimed)
	try := throttle.Try{
		Account: countedAs(v.from, sought.Account), Address: clientNetwork(v.r).Addr(),
		Lockout: sought.Threshold, Observation: sought.Observation,
	}
	if !password.Blank() {
		try.Password = v.door.throttle.Fingerprint(try.Account, password.Reveal())
	}
	return try
}

// sought is the account that a name means to a directory. Where the directory does not
// say, names count as one whatever their domain, which some controllers pass over: two
// accounts that count as one are refused too early at worst.
func (h *Handler) sought(ctx context.Context, d directory, name identity.Name) identity.Sought {
	if i := slices.Index(h.directories, d); i >= 0 && h.finders[i] != nil {
		return h.finders[i].FindAccount(ctx, name)
	}
	if name.Domain == "" {
		name = identity.ParseName(name.User) // a Type 3 may hold both in one field
	}
	text := name.User
	if user, _, ok := name.UPN(); ok {
		text = user
	}
	return identity.Sought{Account: identity.Fold(text)}
}

// countedAs is under what an account of a directory is counted. A SID is one account's,
// whatever directory of the configuration it was found through; other texts are a
// directory's own.
func countedAs(d directory, account string) string {
	if _, err := identity.ParseSID(account); err == nil {
		return account
	}
	counted := d.Key() + " " + account
	if len(counted) > store.MaxName { // a DN may be of any length
		sum := sha256.Sum256([]byte(counted))
		return hex.EncodeToString(sum[:])
	}
	return counted
}

// unasked is the error of a password that no controller was asked about.
func (v *visit) unasked(err error, claimed identity.Name) error {
	refused, isRefused := errors.AsType[*throttle.Refused](err)
	switch {
	case errors.Is(err, throttle.ErrKnownWrong):
		v.countThrottled("password")
		return &identity.Error{Kind: identity.KindBadCredentials, Claimed: claimed, Hint: hintKnownWrong, Err: err}
	case isRefused && refused.Whose == throttle.OfAddress:
		v.countThrottled("address")
		return &identity.Error{Kind: identity.KindThrottled, Claimed: claimed, Hint: hintThrottledAddress, Err: err}
	case isRefused:
		v.countThrottled("account")
		return &identity.Error{Kind: identity.KindThrottled, Claimed: claimed, Hint: hintThrottledAccount, Err: err}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return &identity.Error{Kind: identity.KindStore, Claimed: claimed, Err: fmt.Errorf("counting wrong passwords: %w", err)}
}

func (v *visit) countThrottled(limit string) {
	v.door.meter.throttled.WithLabelValues(limit, v.from.Name()).Inc()
}

// throttledFor is the Retry-After of a refusal, in seconds.
func throttledFor(err error) string {
	wait := time.Second
	if refused, ok := errors.AsType[*throttle.Refused](err); ok {
		wait = max(wait, refused.Wait)
	}
	return strconv.FormatInt(int64(math.Ceil(wait.Seconds())), 10)
}

// readClaimed finds the name in a Type 3, which is what is counted. A message in which
// none can be read no verifier would take.
func (v *visit) readClaimed() error {
	if v.door.throttle == nil {
		return nil
	}
	message, err := ntlm.ParseAuthenticate(v.credential.message)
	if err != nil {
		return identity.Fail(identity.KindBadToken, err)
	}
	v.claimed = identity.Name{Domain: message.Domain, User: message.User}
	return nil
}

// noteKnown notes that somebody has logged in from the client's address by a ticket,
// which shows no password: no more.
func (v *visit) noteKnown() {
	if v.door.throttle == nil || v.id == nil {
		return
	}
	ctx, cancel := v.deadline()
	defer cancel()
	v.door.throttle.Known(ctx, countedAs(v.from, v.id.AccountKey()), clientNetwork(v.r).Addr())
}
