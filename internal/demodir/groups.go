package demodir

import (
	"fmt"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// The bits of groupType, [MS-ADTS] 2.2.12.
const (
	groupBuiltin  = 0x00000001
	groupGlobal   = 0x00000002
	groupLocal    = 0x00000004
	groupSecurity = -0x80000000
)

// sAMAccountType, [MS-ADA3] 2.223.
const (
	samGroup = 268435456
	samLocal = 536870912
	samUser  = 805306368
)

// The numbers of groups that every domain has, [MS-DTYP] 2.4.2.4.
const (
	ridDomainAdmins = 512
	ridDomainUsers  = 513
	ridDomainGuests = 514
)

// firstGroupRID leaves room for users below it, so that another user changes
// no group's SID.
const firstGroupRID = 200001

// addBuiltinGroups makes the groups that every domain has, nested as there.
func (t *tree) addBuiltinGroups() {
	builtin, users := "CN=Builtin,"+t.base, "CN=Users,"+t.base
	for _, g := range []struct {
		name, container string
		sid             identity.SID
		kind            int64
	}{
		{"Administrators", builtin, mustSID("S-1-5-32-544"), groupLocal | groupBuiltin},
		{"Users", builtin, mustSID("S-1-5-32-545"), groupLocal | groupBuiltin},
		{"Guests", builtin, mustSID("S-1-5-32-546"), groupLocal | groupBuiltin},
		{"Domain Admins", users, t.rid(ridDomainAdmins), groupGlobal},
		{"Domain Users", users, t.rid(ridDomainUsers), groupGlobal},
		{"Domain Guests", users, t.rid(ridDomainGuests), groupGlobal},
	} {
		t.fixed(t.group(g.name, g.container, g.sid, g.kind))
	}
	t.wellKnown("Domain Admins").join(t.wellKnown("Administrators"))
	t.wellKnown("Domain Users").join(t.wellKnown("Users"))
	t.wellKnown("Domain Guests").join(t.wellKnown("Guests"))
}

func (t *tree) wellKnown(name string) *entry { return t.groups[identity.Fold(name)] }

// addGroups makes the configured groups, without their nesting.
func (t *tree) addGroups(groups []Group) error {
	builtin := make(map[string]bool, len(t.groups))
	for name := range t.groups {
		builtin[name] = true
	}
	for i, g := range groups {
		if builtin[identity.Fold(g.Name)] {
			continue
		}
		if err := t.take(g.Name); err != nil {
			return err
		}
		if err := t.add(t.configured(g, firstGroupRID+i)); err != nil {
			return err
		}
	}
	return nil
}

func (t *tree) configured(g Group, number int) *entry {
	if g.OU == "BUILTIN" {
		sid := mustSID(fmt.Sprintf("%s-%d", identity.SIDBuiltin, number))
		return t.group(g.Name, "CN=Builtin,"+t.base, sid, groupLocal|groupBuiltin)
	}
	kind := int64(groupGlobal)
	if g.Local {
		kind = groupLocal
	}
	return t.group(g.Name, t.unit(orElse(g.OU, "Groups")), t.rid(number), kind)
}

// group makes a group's entry and keeps it by name.
func (t *tree) group(name, container string, sid identity.SID, kind int64) *entry {
	e := newEntry("CN", name, container, mustDN(t.base), t.category("Group"), "top", "group")
	e.putSID(sid)
	e.put("sAMAccountName", name)
	account := int64(samGroup)
	if kind&groupLocal != 0 {
		account = samLocal
	}
	e.putInt("sAMAccountType", account)
	e.putInt("groupType", kind|groupSecurity)
	t.groups[identity.Fold(name)] = e
	return e
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
