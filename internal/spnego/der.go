package spnego

// maxToken bounds a token. An Active Directory ticket reaches 48 KB; without a
// bound a client makes the server hold whatever it likes to send.
const maxToken = 64 << 10

// maxDepth bounds how far elements nest. The grammar of RFC 4178 ends at six
// and is read without recursion; the bound is there for whoever extends it: ten
// thousand elements in each other, in 40 KB, are a stack overflow elsewhere.
const maxDepth = 16

// The tags of RFC 4178, all of one byte.
const (
	tagBitString     = 0x03
	tagOctetString   = 0x04
	tagOID           = 0x06
	tagEnumerated    = 0x0a
	tagGeneralString = 0x1b
	tagSequence      = 0x30
	tagApplication0  = 0x60
	tagContext       = 0xa0 // constructed; the field's number is added
)

// reader reads the elements of one constructed value in turn.
//
// Its encoding rules are DER but for one thing: a length may take more bytes
// than it needs, as other acceptors allow too. That cannot make two readings of
// one token, because the only bytes that a key covers, the MechTypeList, are
// kept as they came. Indefinite lengths and tags of several bytes, which no
// client sends, are refused.
type reader struct {
	rest  []byte
	at    int // of rest[0] in the token
	depth int
}

// element is a tag, a length and a value.
type element struct {
	tag   byte
	at    int    // of the tag in the token
	whole []byte // tag, length and value
	head  int    // size of tag and length
	depth int
}

func (e element) value() []byte { return e.whole[e.head:] }

// read returns a reader of what a constructed element holds.
func (e element) read(field string) (reader, error) {
	if e.depth >= maxDepth {
		return reader{}, malformed(field, e.at, "nested deeper than %d", maxDepth)
	}
	return reader{rest: e.value(), at: e.at + e.head, depth: e.depth + 1}, nil
}

func (r *reader) done() bool { return len(r.rest) == 0 }

// next takes the next element, whatever its tag.
func (r *reader) next(field string) (element, error) {
	if len(r.rest) < 2 {
		return element{}, malformed(field, r.at, "ends after %d bytes of tag and length", len(r.rest))
	}
	if r.rest[0]&0x1f == 0x1f {
		return element{}, malformed(field, r.at, "a tag of several bytes")
	}
	length, head, err := r.length(field)
	if err != nil {
		return element{}, err
	}
	if left := uint64(len(r.rest) - head); length > left {
		return element{}, malformed(field, r.at, "a length of %d with %d bytes left", length, left)
	}
	end := head + int(length)
	e := element{tag: r.rest[0], at: r.at, whole: r.rest[:end:end], head: head, depth: r.depth}
	r.rest = r.rest[end:]
	r.at += end
	return e, nil
}

// length reads the length that follows the tag, X.690 8.1.3, and returns it
// with the size of tag and length together.
func (r *reader) length(field string) (length uint64, head int, err error) {
	first := r.rest[1]
	if first < 0x80 {
		return uint64(first), 2, nil
	}
	size := int(first & 0x7f)
	switch {
	case size == 0:
		return 0, 0, malformed(field, r.at, "an indefinite length")
	case size > 8:
		return 0, 0, malformed(field, r.at, "a length of %d bytes", size)
	case len(r.rest) < 2+size:
		return 0, 0, malformed(field, r.at, "ends inside its length")
	}
	for _, b := range r.rest[2 : 2+size] {
		length = length<<8 | uint64(b)
	}
	return length, 2 + size, nil
}

// take takes the next element, which must have the tag.
func (r *reader) take(field string, tag byte) (element, error) {
	e, err := r.next(field)
	if err != nil {
		return element{}, err
	}
	if e.tag != tag {
		return element{}, malformed(field, e.at, "tag %#02x where %#02x is due", e.tag, tag)
	}
	return e, nil
}

// only takes the one element that is left.
func (r *reader) only(field string, tag byte) (element, error) {
	e, err := r.take(field, tag)
	if err != nil {
		return element{}, err
	}
	if !r.done() {
		return element{}, malformed(field, r.at, "%d bytes too many", len(r.rest))
	}
	return e, nil
}
