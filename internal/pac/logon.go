package pac

import (
	"encoding/binary"
	"fmt"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ndr"
)

// Logon is a KERB_VALIDATION_INFO, 2.5, as far as it says who somebody is.
type Logon struct {
	Name    string // sAMAccountName
	Display string
	Domain  string // NetBIOS name

	DomainSID identity.SID
	UserRID   uint32
	Primary   uint32 // RID of the primary group
	Control   uint32 // userAccountControl as [MS-SAMR] 2.2.1.12 has it

	groups   []membership
	extra    []sidAndAttributes
	resource []membership
	of       identity.SID // domain of resource
}

type membership struct{ rid, attributes uint32 }

type sidAndAttributes struct {
	sid        identity.SID
	attributes uint32
}

// Attributes of a membership, 2.2.1, and flags of a log-in, 2.5.
const (
	groupEnabled  = 0x4
	groupDenyOnly = 0x10

	flagExtraSIDs      = 0x20
	flagResourceGroups = 0x200
)

// maxGroups bounds each list of groups: more do not fit into a ticket.
const maxGroups = 8192

// SID is the account's.
func (l *Logon) SID() identity.SID { return below(l.DomainSID, l.UserRID) }

// Groups are the SIDs of all groups that a rule may hold against or for the
// account: those of its domain, the primary one among them, those of others, and
// those of the service's domain. What is only for denying, or not enabled, is left
// out, as Windows leaves it out of what a token grants.
func (l *Logon) Groups() []identity.SID {
	seen := map[identity.SID]bool{l.SID(): true}
	var groups []identity.SID
	add := func(sid identity.SID, attributes uint32) {
		if attributes&groupEnabled != 0 && attributes&groupDenyOnly == 0 && !sid.IsZero() && !seen[sid] {
			seen[sid] = true
			groups = append(groups, sid)
		}
	}
	add(below(l.DomainSID, l.Primary), groupEnabled)
	for _, g := range l.groups {
		add(below(l.DomainSID, g.rid), g.attributes)
	}
	for _, s := range l.extra {
		add(s.sid, s.attributes)
	}
	for _, g := range l.resource {
		add(below(l.of, g.rid), g.attributes)
	}
	return groups
}

// Extra are the SIDs that the KDC has added from beside the account's domain, 2.5
// (ExtraSids): universal groups, the SID history, how somebody was authenticated.
func (l *Logon) Extra() []identity.SID {
	sids := make([]identity.SID, len(l.extra))
	for i, s := range l.extra {
		sids[i] = s.sid
	}
	return sids
}

// below is the SID of an account or group in a domain.
func below(domain identity.SID, rid uint32) identity.SID {
	raw := domain.Bytes()
	if domain.IsZero() || raw[1] >= 15 {
		return identity.SID{}
	}
	raw[1]++
	sid, _ := identity.SIDFromBytes(binary.LittleEndian.AppendUint32(raw, rid))
	return sid
}

// parseLogon reads the structure, and then what its pointers point to, in order.
func parseLogon(raw []byte) (*Logon, error) {
	r, err := ndr.Open(raw)
	if err != nil {
		return nil, err
	}
	l := new(Logon)
	for range 6 * 2 { // times
		r.Uint32()
	}
	var texts [6]ndr.String // name, display name, script, profile, home, drive
	for i := range texts {
		texts[i] = r.String()
	}
	r.Uint16() // counts of log-ins
	r.Uint16()
	l.UserRID, l.Primary = r.Uint32(), r.Uint32()
	groupCount, hasGroups := r.Uint32(), r.Pointer()
	flags := r.Uint32()
	r.Bytes(16) // session key
	server, domain := r.String(), r.String()
	hasDomain := r.Pointer()
	r.Uint32()
	r.Uint32()
	l.Control = r.Uint32()
	for range 1 + 4 + 2 { // status, two times, counts
		r.Uint32()
	}
	extraCount, hasExtra := r.Uint32(), r.Pointer()
	hasResourceDomain := r.Pointer()
	resourceCount, hasResource := r.Uint32(), r.Pointer()

	l.Name, l.Display = r.Text(texts[0]), r.Text(texts[1])
	for _, s := range texts[2:] {
		r.Text(s)
	}
	l.groups = readMemberships(r, hasGroups, groupCount)
	r.Text(server)
	l.Domain = r.Text(domain)
	if hasDomain {
		l.DomainSID = r.SID()
	}
	l.extra = readExtra(r, hasExtra, extraCount)
	if hasResourceDomain {
		l.of = r.SID()
	}
	l.resource = readMemberships(r, hasResource, resourceCount)
	if flags&flagExtraSIDs == 0 {
		l.extra = nil
	}
	if flags&flagResourceGroups == 0 {
		l.resource = nil
	}
	switch {
	case r.Err() != nil:
		return nil, r.Err()
	case l.DomainSID.IsZero() || l.SID().IsZero() || l.Name == "":
		return nil, fmt.Errorf("nobody is named: %q of %s", l.Name, l.DomainSID)
	}
	return l, nil
}

func readMemberships(r *ndr.Reader, present bool, declared uint32) []membership {
	n := r.Declared(present, declared, maxGroups, 8, "groups")
	list := make([]membership, 0, n)
	for range n {
		list = append(list, membership{r.Uint32(), r.Uint32()})
	}
	return list
}

func readExtra(r *ndr.Reader, present bool, declared uint32) []sidAndAttributes {
	list := make([]sidAndAttributes, r.Declared(present, declared, maxGroups, 8, "SIDs"))
	present = true
	for i := range list {
		present = r.Pointer() && present
		list[i].attributes = r.Uint32()
	}
	if !present {
		r.Fail("a SID is missing")
	}
	for i := range list {
		list[i].sid = r.SID()
	}
	return list
}
