package spnego

import (
	"encoding/binary"
	"fmt"
)

// NegTokenInit is the client's first token, RFC 4178 4.2.1, and, when it has
// Hints, the NegTokenInit2 with which a server speaks first, [MS-SPNG] 2.2.1.
// In a byte slice nil means that the field is absent.
type NegTokenInit struct {
	MechTypes   MechTypeList
	ReqFlags    *ContextFlags // not protected by anything: to be ignored
	MechToken   []byte        // for the first of MechTypes, sent in hope
	Hints       *NegHints
	MechListMIC []byte
}

// ContextFlags is the BIT STRING of RFC 4178 4.2.1; its first bit, delegFlag, is
// the highest.
type ContextFlags uint32

// NegHints is what a server adds to its NegTokenInit2, [MS-SPNG] 2.2.1. It means
// nothing.
type NegHints struct {
	HintName    string
	HintAddress []byte
}

// frame is the token of RFC 2743 3.1: application tag 0, the mechanism's
// identifier, what the mechanism makes of the rest.
func frame(field string, token []byte) (OID, reader, error) {
	if len(token) > maxToken {
		return "", reader{}, malformed(field, maxToken, "a token of %d bytes", len(token))
	}
	outer := reader{rest: token}
	e, err := outer.only(field, tagApplication0)
	if err != nil {
		return "", reader{}, err
	}
	inner, err := e.read(field)
	if err != nil {
		return "", reader{}, err
	}
	mech, err := inner.oid("thisMech")
	return mech, inner, err
}

// ParseInit reads a NegTokenInit or NegTokenInit2 in its GSS-API frame. Byte
// slices of the result are parts of token, MechTypes apart.
func ParseInit(token []byte) (*NegTokenInit, error) {
	mech, inner, err := frame("InitialContextToken", token)
	if err != nil {
		return nil, err
	}
	if mech != SPNEGO {
		return nil, malformed("thisMech", inner.at-len(mech)-2, "a token of %s", mech.Name())
	}
	choice, err := inner.only("negTokenInit", tagContext)
	if err != nil {
		return nil, err
	}
	r, err := choice.read("negTokenInit")
	if err != nil {
		return nil, err
	}
	t := new(NegTokenInit)
	f, err := openFields("NegTokenInit", r)
	for err == nil && !f.done() {
		err = t.readField(f)
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (t *NegTokenInit) readField(f *fields) error {
	number, value, err := f.field(fieldMechTypes, "reqFlags", "mechToken", "mechListMIC", "mechListMIC")
	if err != nil {
		return err
	}
	switch number {
	case 0:
		t.MechTypes, err = readMechTypes(value)
	case 1:
		t.ReqFlags, err = readFlags(value)
	case 2:
		t.MechToken, err = value.octets("mechToken")
	case 3: // mechListMIC in RFC 4178, negHints in [MS-SPNG]; the type tells
		if value.startsWith(tagSequence) {
			t.Hints, err = readHints(value)
		} else {
			t.MechListMIC, err = value.octets("mechListMIC")
		}
	case 4:
		if t.MechListMIC != nil {
			return malformed("mechListMIC", value.at, "twice")
		}
		t.MechListMIC, err = value.octets("mechListMIC")
	}
	return err
}

func (r *reader) startsWith(tag byte) bool { return len(r.rest) > 0 && r.rest[0] == tag }

// readFlags reads a BIT STRING of at most 32 bits, X.690 8.6. Its length is
// fixed by RFC 4178 and trimmed by many.
func readFlags(r reader) (*ContextFlags, error) {
	const field = "reqFlags"
	e, err := r.only(field, tagBitString)
	if err != nil {
		return nil, err
	}
	v := e.value()
	if len(v) == 0 || len(v) > 5 || v[0] > 7 || len(v) == 1 && v[0] != 0 {
		return nil, malformed(field, e.at, "not a string of at most 32 bits")
	}
	var word [4]byte
	copy(word[:], v[1:])
	flags := ContextFlags(binary.BigEndian.Uint32(word[:]))
	unused := 32 - 8*(len(v)-1) + int(v[0])
	flags = flags >> unused << unused
	return &flags, nil
}

func readHints(r reader) (*NegHints, error) {
	f, err := openFields("negHints", r)
	if err != nil {
		return nil, err
	}
	h := new(NegHints)
	for err == nil && !f.done() {
		var number int
		var value reader
		if number, value, err = f.field("hintName", "hintAddress"); err != nil {
			break
		}
		switch number {
		case 0:
			var name element
			if name, err = value.only("hintName", tagGeneralString); err == nil {
				h.HintName = string(name.value())
			}
		case 1:
			h.HintAddress, err = value.octets("hintAddress")
		}
	}
	if err != nil {
		return nil, err
	}
	return h, nil
}

// Marshal writes the token in its GSS-API frame.
func (t *NegTokenInit) Marshal() ([]byte, error) {
	var body [5][]byte
	if t.MechTypes.der != nil {
		body[0] = encode(tagContext, t.MechTypes.der)
	}
	if t.ReqFlags != nil {
		body[1] = encodeField(1, tagBitString, binary.BigEndian.AppendUint32([]byte{0}, uint32(*t.ReqFlags)))
	}
	body[2] = encodeField(2, tagOctetString, t.MechToken)
	mic := byte(3)
	if t.Hints != nil {
		body[3] = encode(tagContext+3, t.Hints.encode())
		mic = 4
	}
	body[4] = encodeField(mic, tagOctetString, t.MechListMIC)
	choice := encode(tagContext, encode(tagSequence, body[:]...))
	return bounded(encode(tagApplication0, encode(tagOID, []byte(SPNEGO)), choice))
}

func (h *NegHints) encode() []byte {
	var name []byte
	if h.HintName != "" {
		name = []byte(h.HintName)
	}
	return encode(tagSequence,
		encodeField(0, tagGeneralString, name),
		encodeField(1, tagOctetString, h.HintAddress))
}

// bounded refuses to write what would not be read.
func bounded(token []byte) ([]byte, error) {
	if len(token) > maxToken {
		return nil, fmt.Errorf("spnego: a token of %d bytes, over %d", len(token), maxToken)
	}
	return token, nil
}
