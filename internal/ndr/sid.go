package ndr

import "github.com/caddy-ntlm/caddy-ntlm/internal/identity"

// SID reads an RPC_SID, [MS-DTYP] 2.4.2.3, whose number of parts comes first, as
// that of a conformant array.
func (r *Reader) SID() identity.SID {
	n := r.Count(15, 4)
	raw := r.Bytes(8 + 4*uint64(n))
	if r.Err() != nil {
		return identity.SID{}
	}
	sid, err := identity.SIDFromBytes(raw)
	if err != nil || int(raw[1]) != n {
		r.Fail("a SID of %d parts", n)
	}
	return sid
}

// Declared reads the size of an array as Count does, of one whose size was declared
// before; what names its elements in an error. An array that is not there has none.
func (r *Reader) Declared(present bool, declared uint32, most, size int, what string) int {
	if !present {
		if declared > 0 {
			r.Fail("%d %s, and none of them", declared, what)
		}
		return 0
	}
	n := r.Count(most, size)
	if r.Err() == nil && uint32(n) != declared { //nolint:gosec // Count bounds it
		r.Fail("%d %s, and %d were declared", n, what, declared)
		return 0
	}
	return n
}
