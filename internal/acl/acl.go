// Package acl reads the security descriptor of a directory's entry, [MS-DTYP] 2.4.6, and
// says whom it grants what. It is for looking at how a domain is configured, and errs on
// the side of granting.
package acl

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// Right is a bit of an access mask, [MS-ADTS] 5.1.3.2.
type Right uint32

// The rights that are asked about.
const (
	ReadProperty  Right = 0x00000010
	WriteProperty Right = 0x00000020
	ControlAccess Right = 0x00000100
	WriteDACL     Right = 0x00040000
	WriteOwner    Right = 0x00080000
	genericAll    Right = 0x10000000
	genericWrite  Right = 0x40000000
	genericRead   Right = 0x80000000
)

// Property is an attribute as entries of an access control list name it: by its
// schemaIDGUID, and by the attributeSecurityGUID of the set that it belongs to, empty
// where it is in none. Both are as the schema holds them, 16 bytes each.
type Property struct{ Attribute, Set string }

// Descriptor is a security descriptor.
type Descriptor struct {
	owner   identity.SID
	open    bool // without a list everybody may do everything
	entries []entry
}

// entry is one of the list, [MS-DTYP] 2.4.4.
type entry struct {
	deny   bool
	mask   Right
	object string // a GUID, empty for all properties
	who    identity.SID
}

var errDescriptor = errors.New("a security descriptor that does not hold together")

// Layout of the structures, and their flags.
const (
	headerSize     = 20
	listHeaderSize = 8
	daclPresent    = 0x0004
	selfRelative   = 0x8000
	inheritOnly    = 0x08
	hasObject      = 0x1
	hasInherited   = 0x2
	guidSize       = 16
)

// Parse reads the self-relative form, [MS-DTYP] 2.4.6.
func Parse(raw []byte) (*Descriptor, error) {
	if len(raw) < headerSize || raw[0] != 1 {
		return nil, errDescriptor
	}
	control := binary.LittleEndian.Uint16(raw[2:])
	if control&selfRelative == 0 {
		return nil, errDescriptor
	}
	d := new(Descriptor)
	var err error
	if at := binary.LittleEndian.Uint32(raw[4:]); at != 0 {
		if d.owner, err = sidAt(raw, uint64(at)); err != nil {
			return nil, err
		}
	}
	at := uint64(binary.LittleEndian.Uint32(raw[16:]))
	if control&daclPresent == 0 || at == 0 {
		d.open = true
		return d, nil
	}
	if at > uint64(len(raw)) {
		return nil, errDescriptor
	}
	d.entries, err = parseList(raw[at:])
	return d, err
}

// parseList reads an access control list, [MS-DTYP] 2.4.5.
func parseList(raw []byte) ([]entry, error) {
	if len(raw) < listHeaderSize {
		return nil, errDescriptor
	}
	size, count := int(binary.LittleEndian.Uint16(raw[2:])), int(binary.LittleEndian.Uint16(raw[4:]))
	if size < listHeaderSize || size > len(raw) {
		return nil, errDescriptor
	}
	rest := raw[listHeaderSize:size]
	var entries []entry
	for range count {
		if len(rest) < 4 {
			return nil, errDescriptor
		}
		length := int(binary.LittleEndian.Uint16(rest[2:]))
		if length < 4 || length > len(rest) {
			return nil, errDescriptor
		}
		e, counts, err := parseEntry(rest[0], rest[1], rest[4:length])
		if err != nil {
			return nil, err
		}
		if counts {
			entries = append(entries, e)
		}
		rest = rest[length:]
	}
	return entries, nil
}

// parseEntry reads what follows the header of an entry, and says whether it counts here:
// not one that is for the entries below alone, or for an audit. One that holds on a condition is
// taken to hold where it allows, and not where it denies.
func parseEntry(kind, flags byte, body []byte) (e entry, counts bool, err error) {
	var object bool
	switch kind {
	case 0x00, 0x09: // ACCESS_ALLOWED, and with a condition
	case 0x01:
		e.deny = true
	case 0x05, 0x0B: // of an object
		object = true
	case 0x06:
		e.deny, object = true, true
	default:
		return entry{}, false, nil
	}
	if len(body) < 4 {
		return entry{}, false, errDescriptor
	}
	e.mask, body = Right(binary.LittleEndian.Uint32(body)), body[4:]
	if object {
		if e.object, body, err = objectOf(body); err != nil {
			return entry{}, false, err
		}
	}
	e.who, err = sidAt(body, 0)
	return e, flags&inheritOnly == 0, err
}

// objectOf takes the GUIDs of an object's entry, [MS-DTYP] 2.4.4.3.
func objectOf(body []byte) (object string, rest []byte, err error) {
	if len(body) < 4 {
		return "", nil, errDescriptor
	}
	flags := binary.LittleEndian.Uint32(body)
	body = body[4:]
	for _, flag := range [...]uint32{hasObject, hasInherited} {
		if flags&flag == 0 {
			continue
		}
		if len(body) < guidSize {
			return "", nil, errDescriptor
		}
		if flag == hasObject {
			object = string(body[:guidSize])
		}
		body = body[guidSize:]
	}
	return object, body, nil
}

// sidAt reads a SID, which says its own length, [MS-DTYP] 2.4.2.2.
func sidAt(raw []byte, at uint64) (identity.SID, error) {
	if at+8 > uint64(len(raw)) {
		return identity.SID{}, errDescriptor
	}
	size := 8 + 4*uint64(raw[at+1])
	if at+size > uint64(len(raw)) {
		return identity.SID{}, errDescriptor
	}
	return identity.SIDFromBytes(raw[at : at+size])
}

// Grants reports whether somebody with these SIDs has a right on a property; with an
// empty Property on the whole entry. The first entry that speaks of it decides.
func (d *Descriptor) Grants(who []identity.SID, right Right, p Property) bool {
	if d.open {
		return true
	}
	for _, e := range d.entries {
		if !slices.Contains(who, e.who) || !e.covers(right) {
			continue
		}
		if e.object == "" || p.Attribute != "" && e.object == p.Attribute || p.Set != "" && e.object == p.Set {
			return !e.deny
		}
	}
	return false
}

// covers reports whether a mask has a right, also as one of the generic ones,
// [MS-ADTS] 5.1.3.2.
func (e entry) covers(right Right) bool {
	generic := genericAll
	switch right {
	case ReadProperty:
		generic |= genericRead
	case WriteProperty:
		generic |= genericWrite
	}
	return e.mask&(right|generic) != 0
}

// Rules reports whether somebody with these SIDs may change who may do what: as owner,
// or by a right.
func (d *Descriptor) Rules(who []identity.SID) bool {
	return slices.Contains(who, d.owner) || d.Grants(who, WriteDACL, Property{}) || d.Grants(who, WriteOwner, Property{})
}
