// Package ndr reads and writes the Network Data Representation of DCE/RPC, C706
// chapter 14, as far as Windows' certificates and calls use it: little-endian, with unique
// pointers whose referents follow. It holds no types of anybody's: who reads says
// what comes.
package ndr

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf16"
)

// ErrMalformed is bytes that are not what was to be read.
var ErrMalformed = errors.New("malformed NDR")

// Reader reads one value after another. The first thing that is wrong is its Err,
// and everything read from there on is zero. Nothing is allocated for a length
// before it is compared with what is left.
type Reader struct {
	data []byte
	at   int
	err  error
}

// NewReader reads data, whose first byte is aligned for everything.
func NewReader(data []byte) *Reader { return &Reader{data: data} }

// Err is what was wrong first; nil where nothing was. It matches ErrMalformed.
func (r *Reader) Err() error { return r.err }

// Left is how many bytes are left.
func (r *Reader) Left() int { return len(r.data) - r.at }

// Fail notes an error of the caller's about what is read just now.
func (r *Reader) Fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: at %d: %s", ErrMalformed, r.at, fmt.Sprintf(format, args...))
	}
}

// take gives the next n bytes, aligned to a multiple; nil where there are fewer.
func (r *Reader) take(n uint64, align int) []byte {
	skip := uint64(-r.at & (align - 1))
	if r.err != nil || skip+n > uint64(r.Left()) {
		r.Fail("%d bytes wanted, %d left", n, r.Left())
		return nil
	}
	r.at += int(skip)
	taken := r.data[r.at : r.at+int(n)]
	r.at += int(n)
	return taken
}

// Bytes gives the next n bytes, which are the reader's data.
func (r *Reader) Bytes(n uint64) []byte { return r.take(n, 1) }

// Uint8 reads a byte.
func (r *Reader) Uint8() uint8 {
	if b := r.take(1, 1); b != nil {
		return b[0]
	}
	return 0
}

// Uint16 reads two bytes, aligned.
func (r *Reader) Uint16() uint16 {
	if b := r.take(2, 2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

// Uint32 reads four bytes, aligned.
func (r *Reader) Uint32() uint32 {
	if b := r.take(4, 4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// Pointer reads a unique pointer and reports whether something is behind it. The
// referent follows later, after the structure that has the pointer.
func (r *Reader) Pointer() bool { return r.Uint32() != 0 }

// Count reads the number of elements of an array, each of which takes at least
// size bytes: no more of them than most, nor than can be left.
func (r *Reader) Count(most, size int) int {
	n := uint64(r.Uint32())
	if n > uint64(most) || n*uint64(size) > uint64(r.Left()) {
		r.Fail("%d elements, %d are the most and %d bytes are left", n, most, r.Left())
		return 0
	}
	return int(n)
}

// String is the head of an RPC_UNICODE_STRING, [MS-DTYP] 2.3.10; its text follows
// with the referents.
type String struct {
	length  uint16
	maximum uint16
	present bool
}

// String reads the head.
func (r *Reader) String() String {
	s := String{length: r.Uint16(), maximum: r.Uint16(), present: r.Pointer()}
	if s.length%2 != 0 || s.length > s.maximum || s.length > 0 && !s.present {
		r.Fail("a string of %d bytes of %d", s.length, s.maximum)
	}
	return s
}

// Text reads the referent of a string, a conformant varying array. A half of a
// surrogate pair is refused: two names must not become one.
func (r *Reader) Text(s String) string {
	if !s.present || r.err != nil {
		return ""
	}
	maximum, offset, actual := r.Uint32(), r.Uint32(), r.Uint32()
	if uint64(maximum) != uint64(s.maximum)/2 || offset != 0 || uint64(actual) != uint64(s.length)/2 {
		r.Fail("a string of %d characters of %d from %d, and its head says %d of %d bytes", actual, maximum, offset, s.length, s.maximum)
		return ""
	}
	text, ok := UTF16(r.take(uint64(s.length), 2))
	if !ok {
		r.Fail("half of a surrogate pair in a string")
	}
	return text
}

// UTF16 decodes little-endian UTF-16; false for an odd number of bytes and for
// half of a surrogate pair.
func UTF16(raw []byte) (string, bool) {
	if len(raw)%2 != 0 {
		return "", false
	}
	units := make([]uint16, len(raw)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(raw[2*i:])
	}
	for i := 0; i < len(units); i++ {
		if !utf16.IsSurrogate(rune(units[i])) {
			continue
		}
		if i+1 == len(units) || utf16.DecodeRune(rune(units[i]), rune(units[i+1])) == 0xFFFD {
			return "", false
		}
		i++
	}
	return string(utf16.Decode(units)), true
}

// Type serialization version 1, [MS-RPCE] 2.2.6.
const (
	commonHeader = 8
	littleEndian = 0x10
)

// Open reads the headers of a serialized type and gives a reader of what is in it,
// behind the pointer that every such type begins with.
func Open(raw []byte) (*Reader, error) {
	r := NewReader(raw)
	version, order, length := r.Uint8(), r.Uint8(), r.Uint16()
	r.Uint32() // 0xCCCCCCCC, which nobody checks
	size := r.Uint32()
	r.Uint32()
	if r.err == nil && (version != 1 || order != littleEndian || length != commonHeader || uint64(size) > uint64(r.Left())) {
		r.Fail("serialized as version %d, order %#x, a header of %d and %d bytes of %d", version, order, length, size, r.Left())
	}
	body := NewReader(r.Bytes(uint64(size)))
	if r.err == nil && !body.Pointer() {
		r.Fail("nothing is in it")
	}
	if r.err != nil {
		return nil, r.err
	}
	return body, body.err
}
