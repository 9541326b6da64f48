package spnego

import "slices"

// fields reads the numbered fields of a sequence. They stand in the order of
// their numbers, each at most once.
type fields struct {
	reader
	last int
}

// openFields opens the sequence that is all that r has left.
func openFields(name string, r reader) (*fields, error) {
	seq, err := r.only(name, tagSequence)
	if err != nil {
		return nil, err
	}
	inside, err := seq.read(name)
	if err != nil {
		return nil, err
	}
	return &fields{reader: inside, last: -1}, nil
}

// field takes the next field and returns its number and a reader of its value.
// names gives the known fields their names; a field past them comes from a later
// version of the protocol and is the caller's to ignore.
func (f *fields) field(names ...string) (number int, value reader, err error) {
	e, err := f.next("field")
	if err != nil {
		return 0, reader{}, err
	}
	if e.tag&^0x1f != tagContext {
		return 0, reader{}, malformed("field", e.at, "tag %#02x is no field's", e.tag)
	}
	number = int(e.tag & 0x1f)
	name := "field"
	if number < len(names) {
		name = names[number]
	}
	switch {
	case number == f.last:
		return 0, reader{}, malformed(name, e.at, "twice")
	case number < f.last:
		return 0, reader{}, malformed(name, e.at, "after a field of a higher number")
	}
	f.last = number
	value, err = e.read(name)
	return number, value, err
}

// octets reads an OCTET STRING. An empty one is not nil: it was sent.
func (r *reader) octets(field string) ([]byte, error) {
	e, err := r.only(field, tagOctetString)
	if err != nil {
		return nil, err
	}
	return e.value(), nil
}

// oid reads the next element as an object identifier.
func (r *reader) oid(field string) (OID, error) {
	e, err := r.take(field, tagOID)
	if err != nil {
		return "", err
	}
	if len(e.value()) > maxOID {
		return "", malformed(field, e.at, "an object identifier of %d bytes", len(e.value()))
	}
	o := OID(e.value())
	if !o.valid() {
		return "", malformed(field, e.at, "an invalid object identifier")
	}
	return o, nil
}

// encode writes an element: tag, shortest length, value.
func encode(tag byte, value ...[]byte) []byte {
	n := 0
	for _, v := range value {
		n += len(v)
	}
	out := make([]byte, 0, n+5)
	out = appendLength(append(out, tag), n)
	return append(out, slices.Concat(value...)...)
}

func appendLength(out []byte, n int) []byte {
	switch {
	case n < 1<<7:
		return append(out, byte(n))
	case n < 1<<8:
		return append(out, 0x81, byte(n))
	case n < 1<<16:
		return append(out, 0x82, byte(n>>8), byte(n))
	default:
		return append(out, 0x83, byte(n>>16), byte(n>>8), byte(n))
	}
}

// encodeField writes a field that may be absent: nil for one that is.
func encodeField(number, tag byte, value []byte) []byte {
	if value == nil {
		return nil
	}
	return encode(tagContext+number, encode(tag, value))
}
