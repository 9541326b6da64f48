package caddyntlm

import (
	"context"
	"errors"
	"fmt"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
	"github.com/caddy-ntlm/caddy-ntlm/internal/totp"
)

// The second factor on the way of a request. Before a controller judges a password its
// code is parted from it, which needs the account's secret: a wrong code is then no
// wrong password, and a wrong password spends no code.

var errNoCode = errors.New("a second factor is owed, and no code came with the request")

// usualDigits is how many digits a code has whose secret cannot be read.
const usualDigits = 6

// partCode parts the code from the password that was typed, where the account has a
// secret. A code in a field of its own is told apart already; on a site without totp it
// goes behind the password, as a directory wants it that knows codes. Names that nobody has
// are looked for as well, so that they take as long.
func (v *visit) partCode(ctx context.Context) (identity.Secret, error) {
	typed := v.credential.password
	if v.door.factor == nil {
		return identity.NewSecret(typed.Reveal() + v.field.Reveal()), nil
	}
	var err error
	v.code = ""
	if v.enrolled, err = v.from.(identity.FactorSource).EnrolmentOf(ctx, v.claimed, v.door.factor.attribute); err != nil {
		return identity.Secret{}, err
	}
	if len(v.enrolled.Secrets) == 0 {
		return typed, nil
	}
	if !v.field.Blank() {
		v.code = v.field.Reveal()
		return typed, nil
	}
	digits := usualDigits
	if factors, err := readFactors(v.enrolled); err == nil {
		digits = factors[0].Digits()
	}
	password, code, ok := totp.Split(typed.Reveal(), digits)
	if !ok {
		return typed, nil
	}
	parted := identity.NewSecret(password)
	if parted.Blank() {
		return typed, nil // a controller says no: a quicker one would tell whose account has a secret
	}
	v.code = code
	return parted, nil
}

// takeCode takes what an outer windows_auth knows of a second factor. A code that it has
// spent as one of another attribute's is none here.
func (v *visit) takeCode(outer *visit) {
	v.factored, v.code = outer.factored, outer.code
	f := v.door.factor
	if f == nil {
		return
	}
	if outer.factored != "" && outer.factored != f.name() {
		v.code = ""
	}
	if asked := outer.door.factor; asked != nil && asked.name() == f.name() {
		v.enrolled = outer.enrolled
	}
}

// factor refuses whoever owes a second factor and has not given it. It is asked about
// every request, whatever has proven who sends it, so that no way in leads around it.
func (v *visit) factor() error {
	owes, err := v.owesFactor()
	if err != nil || !owes {
		return err
	}
	if v.code == "" {
		return v.owesCode()
	}
	return v.giveCode(v.code)
}

// owesFactor reports whether the user of the request, v.id, owes a second factor that
// neither the request nor its session has given.
func (v *visit) owesFactor() (bool, error) {
	f := v.door.factor
	if f == nil || v.factored == f.name() || f.exempts(v.by) || v.bySession && v.holdsFactor(f.name()) {
		return false, nil
	}
	if f.free != nil {
		decision, err := v.judge(f.free)
		if err != nil || decision.Allow {
			return false, err
		}
	}
	given, err := v.sessionGives()
	return !given, err
}

// giveCode checks a code of the request's user, whose password, ticket or session has just
// been accepted, and spends it: from then on the request has given the second factor, and
// so may the session that is opened or marked in it. Errors are of KindFactor, of KindStore,
// or those of a directory that does not answer.
func (v *visit) giveCode(code string) error {
	if err := v.checkCode(v.from, v.id, v.enrolled, code); err != nil {
		return err
	}
	v.factored = v.door.factor.name()
	return nil
}

// sessionGives reports whether the request comes with the cookie of a session of the same
// user that holds the second factor. What came beside it, such as a code that a browser
// sends again, is then not looked at.
func (v *visit) sessionGives() (bool, error) {
	if v.bySession || v.session != nil {
		return false, nil
	}
	came, err := v.cookieSession()
	if came == nil || err != nil {
		return false, err
	}
	if came.record.Directory != v.from.Key() || came.record.Account != v.id.AccountKey() || came.record.FactorOf != v.door.factor.name() {
		return false, nil
	}
	v.session = came
	return true, nil
}

// remembersPassword reports whether the connection may remember a password that was
// right: not one that had a code behind it, nor of anybody who owes one.
func (v *visit) remembersPassword() bool {
	f := v.door.factor
	return f == nil || v.code == "" && f.free != nil && f.free.Decide(v.id, v.door.scope).Allow
}

// checkCode checks a code of somebody whose password or ticket was just accepted, and
// spends it. held may be what was read of him before; else it is read.
func (v *visit) checkCode(from directory, id *identity.Identity, held identity.Enrolment, code string) error {
	f := v.door.factor
	ctx, cancel := v.deadline()
	defer cancel()
	if held.Account == "" || held.Account != id.AccountKey() {
		var err error
		if held, err = from.(identity.FactorSource).Enrolment(ctx, id, f.attribute); err != nil {
			return err
		}
	}
	factors, err := readFactors(held)
	if err != nil {
		return f.unusable(err)
	}
	return f.told(f.checker.Check(ctx, id.AccountKey(), factors, code))
}

// forgive forgets the wrong codes of whoever has a name.
func (f *factor) forgive(ctx context.Context, d directory, name identity.Name) error {
	held, err := d.(identity.FactorSource).EnrolmentOf(ctx, name, f.attribute)
	if err != nil || held.Account == "" {
		return err
	}
	return f.checker.Forgive(ctx, held.Account)
}

func readFactors(e identity.Enrolment) ([]*totp.Factor, error) {
	uris := make([]string, len(e.Secrets))
	for i, secret := range e.Secrets {
		uris[i] = secret.Reveal()
	}
	factors, err := totp.ParseAll(uris)
	if err == nil && len(factors) == 0 {
		err = totp.ErrNone
	}
	return factors, err
}

// unusable is the error of an account whose attribute leads to no code.
func (f *factor) unusable(err error) error {
	e := &identity.Error{Kind: identity.KindFactor, Err: fmt.Errorf("the attribute %s of the account: %w", f.attribute, err)}
	if e.Hint = "Write the account's otpauth:// URI anew: docs/second_factor.md says how."; errors.Is(err, totp.ErrNone) {
		e.Hint = "Nobody is let in without the second factor that he owes: write the otpauth:// URI into the attribute, or let the service account read it, which an attribute that is confidential asks for."
	}
	return e
}

// told gives what became of a code its kind. A store that is down lets nobody in, and
// blames no code.
func (f *factor) told(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrDown):
		return &identity.Error{Kind: identity.KindStore, Err: err, Hint: "No code is accepted while nobody knows which ones are spent: look at the store of windows_auth."}
	case errors.Is(err, totp.ErrNone):
		return f.unusable(err)
	case errors.Is(err, totp.ErrTooMany):
		return &identity.Error{Kind: identity.KindFactor, Err: err, Hint: fmt.Sprintf("After %d wrong codes none is accepted, nor a right one, until %s have passed since the first of them, or at once after DELETE /windows_auth/throttle?user=NAME on the admin endpoint.", totp.MostWrong, totp.Within)}
	case errors.Is(err, totp.ErrSpent):
		return &identity.Error{Kind: identity.KindFactor, Err: err, Hint: "A code is good once: wait for the next one. A browser that repeats it needs a session."}
	case errors.Is(err, totp.ErrWrong):
		return &identity.Error{Kind: identity.KindFactor, Err: err, Hint: "Where it happens to everybody, compare the clocks of this machine and of the devices."}
	}
	return identity.Fail(kindOf(err), err)
}

// owesCode is the refusal of a request that brings no code.
func (v *visit) owesCode() error {
	v.codeless = v.by != byPassword
	if _, err := readFactors(v.enrolled); err != nil && v.enrolled.Account != "" && !v.codeless {
		return v.door.factor.unusable(err)
	}
	hint := "The code follows the password without a space, as in passwort123456; the log-in page asks for it."
	switch v.by {
	case byNTLM:
		hint = "NTLM carries no code: let the user log in by Basic or on the log-in page, or write exempt ntlm in the block totp."
	case byTicket:
		hint = "Kerberos carries no code: let the user log in by Basic or on the log-in page, or write exempt kerberos in the block totp."
	}
	return &identity.Error{Kind: identity.KindFactor, Err: errNoCode, Hint: hint}
}
