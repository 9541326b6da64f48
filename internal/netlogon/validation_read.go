package netlogon

import (
	"math"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ndr"
)

// The forms of a validation, [MS-NRPC] 2.2.1.4.17, the best first.
const (
	levelSAMInfo4 = 6
	levelSAMInfo2 = 3
	levelSAMInfo  = 2
)

// maxGroups bounds each list of groups. A token of Windows has 1,024 at most, and
// Samba's no limit.
const maxGroups = 8192

// read reads the structure and then what its pointers point to, in their order.
// The reader's error says whether it could.
func (v *Validation) read(r *ndr.Reader, level uint16) {
	v.Level = int(level)
	for _, at := range []*time.Time{&v.LogonTime, &v.LogoffTime, &v.KickOffTime, &v.PasswordLastSet, &v.PasswordCanChange, &v.PasswordMustChange} {
		*at = readTime(r)
	}
	var texts [6]ndr.String // name, full name, script, profile, home, drive
	for i := range texts {
		texts[i] = r.String()
	}
	v.LogonCount, v.BadPasswordCount = r.Uint16(), r.Uint16()
	v.UserID, v.PrimaryGroupID = r.Uint32(), r.Uint32()
	groupCount, hasGroups := r.Uint32(), r.Pointer()
	v.UserFlags = r.Uint32()
	copy(v.UserSessionKey[:], r.Bytes(16))
	server, domain := r.String(), r.String()
	hasDomain := r.Pointer()
	r.Bytes(8) // LMKey
	v.UserAccountControl = r.Uint32()
	r.Bytes(7 * 4) // status, two times, a count, reserved
	var sidCount uint32
	var hasSIDs bool
	if level >= levelSAMInfo2 {
		sidCount, hasSIDs = r.Uint32(), r.Pointer()
	}
	var names [2 + 10]ndr.String // DNS domain, UPN, room for more
	if level >= levelSAMInfo4 {
		for i := range names {
			names[i] = r.String()
		}
	}

	v.EffectiveName, v.FullName = r.Text(texts[0]), r.Text(texts[1])
	for _, s := range texts[2:] {
		r.Text(s)
	}
	v.GroupIDs = readMemberships(r, hasGroups, groupCount)
	v.LogonServer, v.LogonDomainName = r.Text(server), r.Text(domain)
	if hasDomain {
		v.LogonDomainID = r.SID()
	}
	v.ExtraSIDs = readSIDs(r, hasSIDs, sidCount)
	v.DNSLogonDomainName, v.UPN = r.Text(names[0]), r.Text(names[1])
	for _, s := range names[2:] {
		r.Text(s)
	}
	if v.UserFlags&FlagExtraSIDs == 0 {
		v.ExtraSIDs = nil
	}
}

// readTime reads an OLD_LARGE_INTEGER: units of 100 ns since 1601, and 0 or the
// greatest for never.
func readTime(r *ndr.Reader) time.Time {
	low := uint64(r.Uint32())
	ticks := low | uint64(r.Uint32())<<32
	if ticks == 0 || ticks >= math.MaxInt64 {
		return time.Time{}
	}
	const toUnix = 11_644_473_600 // seconds from 1601 to 1970
	const second = 10_000_000
	return time.Unix(int64(ticks/second)-toUnix, int64(ticks%second)*100).UTC()
}

func readMemberships(r *ndr.Reader, present bool, declared uint32) []GroupMembership {
	list := make([]GroupMembership, r.Declared(present, declared, maxGroups, 8, "groups"))
	for i := range list {
		list[i] = GroupMembership{RID: r.Uint32(), Attributes: r.Uint32()}
	}
	return list
}

func readSIDs(r *ndr.Reader, present bool, declared uint32) []SIDAndAttributes {
	list := make([]SIDAndAttributes, r.Declared(present, declared, maxGroups, 8, "SIDs"))
	for i := range list {
		if !r.Pointer() {
			r.Fail("a SID is missing")
		}
		list[i].Attributes = r.Uint32()
	}
	for i := range list {
		list[i].SID = r.SID()
	}
	return list
}
