package identity

import (
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
)

// SID is a security identifier, [MS-DTYP] 2.4.2. It is comparable; the zero
// value is no SID.
type SID struct{ raw string } // the binary form, [MS-DTYP] 2.4.2.2

// maxSubAuthorities is SID_MAX_SUB_AUTHORITIES, [MS-DTYP] 2.4.2.2.
const maxSubAuthorities = 15

var errSID = errors.New("not a security identifier (S-1-…)")

// SIDFromBytes takes the binary form, as objectSid and tokenGroups have it.
func SIDFromBytes(b []byte) (SID, error) {
	if len(b) < 12 || b[0] != 1 || b[1] == 0 || b[1] > maxSubAuthorities || len(b) != 8+4*int(b[1]) {
		return SID{}, errSID
	}
	return SID{raw: string(b)}, nil
}

// ParseSID takes the text form, "S-1-5-21-…", [MS-DTYP] 2.4.2.1.
func ParseSID(text string) (SID, error) {
	parts := strings.Split(text, "-")
	if len(parts) < 4 || len(parts) > 3+maxSubAuthorities || !strings.EqualFold(parts[0], "S") || parts[1] != "1" {
		return SID{}, errSID
	}
	authority, err := strconv.ParseUint(parts[2], 0, 48)
	if err != nil {
		return SID{}, errSID
	}
	raw := binary.BigEndian.AppendUint64(nil, authority)
	raw[0], raw[1] = 1, byte(len(parts)-3)
	for _, part := range parts[3:] {
		sub, err := strconv.ParseUint(part, 10, 32)
		if err != nil {
			return SID{}, errSID
		}
		raw = binary.LittleEndian.AppendUint32(raw, uint32(sub))
	}
	return SID{raw: string(raw)}, nil
}

// IsZero reports whether there is no SID.
func (s SID) IsZero() bool { return s.raw == "" }

// Bytes is the binary form.
func (s SID) Bytes() []byte { return []byte(s.raw) }

// String is the text form, empty for no SID.
func (s SID) String() string {
	if s.IsZero() {
		return ""
	}
	var head [8]byte
	copy(head[2:], s.raw[2:8])
	authority := binary.BigEndian.Uint64(head[:])
	text := "S-1-" + strconv.FormatUint(authority, 10)
	if authority > 0xFFFFFFFF {
		text = "S-1-0x" + strconv.FormatUint(authority, 16)
	}
	for i := range int(s.raw[1]) {
		text += "-" + strconv.FormatUint(uint64(s.sub(i)), 10)
	}
	return text
}

// RID is the last sub-authority, the account's number in its domain.
func (s SID) RID() uint32 {
	if s.IsZero() {
		return 0
	}
	return s.sub(int(s.raw[1]) - 1)
}

// Domain is the SID without its RID, the domain of an account or group; no SID
// when nothing is left.
func (s SID) Domain() SID {
	if s.IsZero() || s.raw[1] < 2 {
		return SID{}
	}
	return SID{raw: "\x01" + string(s.raw[1]-1) + s.raw[2:len(s.raw)-4]}
}

// IsOfDomain reports whether a domain gave the SID: S-1-5-21-…, but for those
// of S-1-5-21-0-0-0, which are the same everywhere ([MS-DTYP] 2.4.2.4).
func (s SID) IsOfDomain() bool {
	const ntAuthority, ntNonUnique = 5, 21
	if s.IsZero() || s.raw[7] != ntAuthority || s.raw[1] < 5 || s.sub(0) != ntNonUnique {
		return false
	}
	return s.sub(1) != 0 || s.sub(2) != 0 || s.sub(3) != 0
}

// IsWellKnown reports whether the SID is the same everywhere and no domain's or
// BUILTIN's: S-1-5-11 and its like, [MS-DTYP] 2.4.2.4.
func (s SID) IsWellKnown() bool {
	return !s.IsZero() && !s.IsOfDomain() && s.Domain() != SIDBuiltin
}

func (s SID) sub(i int) uint32 {
	return binary.LittleEndian.Uint32([]byte(s.raw[8+4*i:]))
}

// Well-known SIDs and RIDs, [MS-DTYP] 2.4.2.4.
var (
	SIDEveryone           = wellKnown("S-1-1-0")
	SIDAnonymous          = wellKnown("S-1-5-7")
	SIDAuthenticatedUsers = wellKnown("S-1-5-11")
	SIDBuiltin            = wellKnown("S-1-5-32")
	SIDBuiltinGuests      = wellKnown("S-1-5-32-546")
)

// RIDGuest is the number of the guest account in each domain.
const RIDGuest = 501

func wellKnown(text string) SID {
	sid, err := ParseSID(text)
	if err != nil {
		panic("identity: " + text + ": " + err.Error())
	}
	return sid
}

// IsNobody reports whether a controller's answer names no real person: the
// anonymous SID or a guest account. Such a yes is a no.
func (s SID) IsNobody() bool {
	if s == SIDAnonymous {
		return true
	}
	return !s.IsZero() && s.raw[1] == 5 && s.RID() == RIDGuest
}
