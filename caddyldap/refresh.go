package caddyldap

import (
	"context"
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// Refresh implements identity.Directory. It asks on the service account's
// connections, and refuses whom a log-in would refuse now. One answer is for
// everybody who asks about one user at a time. An identity that only grew too
// old may be replaced by any that did not; otherwise the caller wants to know
// what holds now.
func (d *Directory) Refresh(ctx context.Context, id *identity.Identity) (*identity.Identity, error) {
	if d.service == nil {
		return nil, &identity.Error{Kind: identity.KindCannotRefresh, Hint: "a service_account line lets identities be looked up again"}
	}
	key := d.keyOfIdentity(id)
	limit := afresh
	if d.now().Sub(id.At) > d.ttl() {
		limit = d.ttl()
	}
	fresh := d.cache.recall(key, limit)
	if fresh == nil || !fresh.At.After(id.At) {
		ctx, cancel := context.WithTimeout(ctx, overall)
		defer cancel()
		var err error
		if fresh, err = d.once(ctx, key, func(ctx context.Context) (*identity.Identity, error) { return d.ask(ctx, key, id) }); err != nil {
			return nil, err
		}
	}
	if id.PasswordSet != 0 && fresh.PasswordSet > id.PasswordSet {
		return nil, identity.Fail(identity.KindPasswordChanged, errors.New("the password was changed since this log-in"))
	}
	return fresh, nil
}

// ask looks somebody up and keeps what it finds; whom it does not find well is
// forgotten.
func (d *Directory) ask(ctx context.Context, key cacheKey, id *identity.Identity) (*identity.Identity, error) {
	var fresh *identity.Identity
	err := d.service.do(ctx, func(c *conn, root rootDSE) (err error) {
		fresh, err = d.refresh(ctx, c, root, id)
		return err
	})
	if err != nil {
		d.cache.entries.Invalidate(key)
		return nil, err
	}
	d.cache.entries.Set(key, known{fresh, contextOf(sidsOf(fresh))})
	return fresh, nil
}

func (d *Directory) refresh(ctx context.Context, c *conn, root rootDSE, id *identity.Identity) (*identity.Identity, error) {
	entry, err := d.again(ctx, c, root, id)
	if err != nil {
		return nil, err
	}
	if entry == nil {
		return nil, identity.Fail(identity.KindNotFound, errors.New("the account is gone"))
	}
	if err := sameEntry(entry, id.UUID); err != nil {
		return nil, err
	}
	if err := showsStanding(root, entry); err != nil {
		return nil, err
	}
	if kind, ok := standing(entry, d.now()); !ok {
		return nil, identity.Fail(kind, errors.New("the account has changed since it logged in"))
	}
	if c.server.url.isCatalog() && value(entry, "pwdLastSet") == "" {
		return nil, &identity.Error{
			Kind: identity.KindCannotRefresh, Err: errors.New("the global catalog does not tell whether the password was changed or the account has ended"),
			Hint: "users log in again after the ttl; a server line with port 636, or none, spares them that",
		}
	}
	fresh, err := d.identify(ctx, c, root, person{entry: entry, sid: id.SID}, id.Verifier)
	if err != nil {
		return nil, err
	}
	if id.ByToken && !fresh.ByToken {
		return nil, tokenHidden()
	}
	return d.carry(ctx, c, root, id, fresh)
}

// sameEntry refuses an entry that was made after the log-in, in the place of the one
// that it was of.
func sameEntry(e *ldap.Entry, uuid string) error {
	switch now := uuidOf(e); {
	case uuid == "" || now == uuid:
		return nil
	case now == "":
		return &identity.Error{
			Kind: identity.KindCannotRefresh, Err: errors.New("the service account may not read entryUUID of the account, which showed at the log-in"),
			Hint: "let the service account read entryUUID; until then users log in again and again",
		}
	}
	return identity.Fail(identity.KindNotFound, errors.New("the account is gone, and another one has its DN"))
}

// tokenHidden refuses a refresh that would lose the groups which only a token
// shows, and with them what keeps somebody out.
func tokenHidden() error {
	return &identity.Error{
		Kind: identity.KindCannotRefresh, Err: errors.New("the service account may not read tokenGroups of the account, which showed the groups at the log-in"),
		Hint: "make the service account a member of Windows Authorization Access Group; until then users log in again and again",
	}
}

// again finds the account by its SID, which survives renames and moves.
func (d *Directory) again(ctx context.Context, c *conn, root rootDSE, id *identity.Identity) (*ldap.Entry, error) {
	if id.SID.IsZero() {
		return c.entry(ctx, id.DN, d.reading.account...)
	}
	entries, err := bySIDs(ctx, c, root.base, []identity.SID{id.SID}, d.reading.account)
	if err != nil {
		return nil, err
	}
	if e := entries[id.SID]; e != nil && isAccount(e) {
		return e, nil
	}
	return nil, nil
}

// userAccountControl bits, [MS-ADTS] 2.2.16; the last two show only in
// msDS-User-Account-Control-Computed.
const (
	uacDisabled        = 0x2
	uacLockout         = 0x10
	uacPasswordExpired = 0x800000
)

// showsStanding refuses an entry of Active Directory that hides whether the
// account is disabled: what cannot be seen must not pass for well.
func showsStanding(root rootDSE, e *ldap.Entry) error {
	if !root.ad || value(e, "userAccountControl") != "" {
		return nil
	}
	return &identity.Error{
		Kind: identity.KindCannotRefresh, Err: errors.New("the service account may not read userAccountControl of the account"),
		Hint: "let the service account read the account restrictions of users; until then their owners log in again and again",
	}
}

// standing reports whether an account could log in now, and the kind of
// refusal where not.
func standing(e *ldap.Entry, now time.Time) (identity.Kind, bool) {
	control := number(e, "userAccountControl") | number(e, "msDS-User-Account-Control-Computed")
	switch {
	case control&uacDisabled != 0:
		return identity.KindDisabled, false
	case control&uacLockout != 0:
		return identity.KindLocked, false
	case expired(number(e, "accountExpires"), now):
		return identity.KindAccountExpired, false
	case value(e, "pwdLastSet") == "0":
		return identity.KindMustChange, false
	case control&uacPasswordExpired != 0:
		return identity.KindPasswordExpired, false
	}
	return 0, true
}

func number(e *ldap.Entry, attribute string) int64 {
	n, _ := strconv.ParseInt(value(e, attribute), 10, 64)
	return n
}

// expired reads a time in hundreds of nanoseconds since 1601, [MS-DTYP] 2.3.3;
// 0 and the greatest number mean never.
func expired(filetime int64, now time.Time) bool {
	if filetime <= 0 || filetime == math.MaxInt64 {
		return false
	}
	const epoch = 11644473600 // seconds from 1601 to 1970
	return time.Unix(filetime/1e7-epoch, filetime%1e7*100).Before(now)
}
