package demodir

import (
	"maps"
	"slices"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// firstUserRID is the first number that a new domain gives away.
const firstUserRID = 1104

// The bits of userAccountControl, [MS-ADTS] 2.2.16.
const (
	uacDisabled        = 0x00000002
	uacLockout         = 0x00000010 // in the constructed attribute alone
	uacNormal          = 0x00000200
	uacPasswordExpired = 0x00800000 // the same
)

// Times are in 100 ns since 1601. A moment long ago, and never.
const (
	longAgo = 130000000000000000
	never   = 0x7FFFFFFFFFFFFFFF
)

func (t *tree) addUsers(users []User) error {
	for i, u := range users {
		if err := t.take(u.Name); err != nil {
			return err
		}
		e := t.userEntry(u, t.unit(orElse(u.OU, "Staff")), firstUserRID+i, ridDomainUsers)
		if err := t.add(e); err != nil {
			return err
		}
		if err := t.joinAll(e, u.Name, u.Groups); err != nil {
			return err
		}
		a := t.keep(u, e)
		a.hash = ntlm.NTOWFv1(u.Password)
	}
	return nil
}

// addNobodies makes the guest, and the anonymous one who has no entry.
func (t *tree) addNobodies() {
	guest := User{Name: "Guest", Magic: Disabled}
	e := t.userEntry(guest, "CN=Users,"+t.base, identity.RIDGuest, ridDomainGuests)
	t.fixed(e)
	t.guest = t.keep(guest, e)
	t.guest.noPassword = true
	t.anonymous = &account{sid: identity.SIDAnonymous, logon: `NT AUTHORITY\ANONYMOUS LOGON`, noPassword: true}
}

// keep makes an entry somebody who can log in.
func (t *tree) keep(u User, e *entry) *account {
	a := &account{User: u, sid: e.sid, logon: t.netbios + `\` + u.Name, entry: e}
	e.account = a
	t.bySAM[identity.Fold(u.Name)] = a
	if u.UPN != "" {
		t.byUPN[identity.Fold(u.UPN)] = a
	}
	return a
}

func (t *tree) userEntry(u User, container string, number, primary int) *entry {
	cn := orElse(u.CN, u.Name)
	e := newEntry("CN", cn, container, mustDN(t.base), t.category("Person"),
		"top", "person", "organizationalPerson", "user")
	e.putSID(t.rid(number))
	e.put("sAMAccountName", u.Name)
	e.putInt("sAMAccountType", samUser)
	e.put("userPrincipalName", u.UPN)
	e.put("displayName", orElse(u.DisplayName, cn))
	e.put("mail", u.Mail)
	e.put("description", u.Description)
	e.putInt("primaryGroupID", int64(primary))
	e.primary = t.bySID[t.rid(primary)]
	u.Magic.mark(e)
	if u.Control != 0 {
		e.get("userAccountControl").values = nil
		e.putInt("userAccountControl", u.Control)
	}
	for _, name := range slices.Sorted(maps.Keys(u.Attributes)) {
		e.put(name, u.Attributes[name]...)
	}
	return e
}

// mark writes into the entry what a controller shows of such an account.
func (m Magic) mark(e *entry) {
	control, computed := int64(uacNormal), int64(0)
	changed, expires := int64(longAgo), int64(never)
	switch m {
	case Disabled:
		control |= uacDisabled
	case Locked:
		computed = uacLockout
		e.putInt("lockoutTime", longAgo)
	case Expired:
		expires = longAgo
	case PasswordExpired:
		computed = uacPasswordExpired
	case MustChange:
		computed, changed = uacPasswordExpired, 0
	}
	e.putInt("userAccountControl", control)
	e.putInt("pwdLastSet", changed)
	e.putInt("accountExpires", expires)
	e.putInt("msDS-User-Account-Control-Computed", computed)
	e.hide("msDS-User-Account-Control-Computed")
}
