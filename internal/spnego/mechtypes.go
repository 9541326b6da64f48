package spnego

import (
	"bytes"
	"slices"
)

// maxMechTypes bounds the list, which is kept until the negotiation ends. Windows
// offers four or five; each entry of a longer list is compared with each mechanism of
// the server, before anybody has shown who he is.
const maxMechTypes = 16

// MechTypeList is the client's list of mechanisms, its preferred one first,
// RFC 4178 4.1. It keeps its encoding: that is what mechListMIC covers,
// RFC 4178 5, and another encoding of the same list would not do. The zero value
// is an absent list.
type MechTypeList struct {
	oids []OID
	der  []byte // the SEQUENCE OF, without the field's tag
}

// NewMechTypeList makes the list that a client offers.
func NewMechTypeList(oids ...OID) MechTypeList {
	var der []byte
	for _, o := range oids {
		der = append(der, encode(tagOID, []byte(o))...)
	}
	return MechTypeList{oids: slices.Clone(oids), der: encode(tagSequence, der)}
}

// OIDs returns the mechanisms. The slice is the list's own.
func (l MechTypeList) OIDs() []OID { return l.oids }

// DER returns the bytes that mechListMIC covers. The slice is the list's own.
func (l MechTypeList) DER() []byte { return l.der }

// Equal reports whether two lists are the same, byte for byte.
func (l MechTypeList) Equal(m MechTypeList) bool { return bytes.Equal(l.der, m.der) }

const fieldMechTypes = "mechTypes"

func readMechTypes(r reader) (MechTypeList, error) {
	e, err := r.only(fieldMechTypes, tagSequence)
	if err != nil {
		return MechTypeList{}, err
	}
	items, err := e.read(fieldMechTypes)
	if err != nil {
		return MechTypeList{}, err
	}
	if items.done() {
		return MechTypeList{}, malformed(fieldMechTypes, e.at, "an empty list")
	}
	var l MechTypeList
	for !items.done() {
		at := items.at
		o, err := items.oid(fieldMechTypes)
		if err != nil {
			return MechTypeList{}, err
		}
		if len(l.oids) == maxMechTypes {
			return MechTypeList{}, malformed(fieldMechTypes, at, "more than %d mechanisms", maxMechTypes)
		}
		l.oids = append(l.oids, o)
	}
	l.der = bytes.Clone(e.whole) // it outlives the token
	return l, nil
}
