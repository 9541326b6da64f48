package ntlm

import (
	"encoding/binary"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// decodeUTF16 reads a little-endian UTF-16 name. An odd length and a lone
// surrogate are refused: either would let two different byte strings pass for
// one name. at is the byte of the message where b stands.
func decodeUTF16(field string, at int, b []byte) (string, error) {
	if len(b)%2 != 0 {
		return "", malformed(field, at, "odd UTF-16 length %d", len(b))
	}
	out := make([]byte, 0, len(b)/2)
	for i := 0; i < len(b); i += 2 {
		r := rune(binary.LittleEndian.Uint16(b[i:]))
		if utf16.IsSurrogate(r) {
			low := rune(utf8.RuneError)
			if i+3 < len(b) {
				low = rune(binary.LittleEndian.Uint16(b[i+2:]))
			}
			pair := utf16.DecodeRune(r, low)
			if pair == utf8.RuneError {
				return "", malformed(field, at+i, "lone surrogate %#04x", r)
			}
			r, i = pair, i+2
		}
		out = utf8.AppendRune(out, r)
	}
	return string(out), nil
}

// encodeUTF16 writes s as little-endian UTF-16. Bytes that are not UTF-8
// become U+FFFD, which is what Windows makes of them.
func encodeUTF16(s string) []byte {
	return appendUTF16(make([]byte, 0, 2*len(s)), s)
}

func appendUTF16(b []byte, s string) []byte {
	for _, r := range s {
		b = appendRune(b, r)
	}
	return b
}

func appendRune(b []byte, r rune) []byte {
	if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
		b = binary.LittleEndian.AppendUint16(b, uint16(high))
		return binary.LittleEndian.AppendUint16(b, uint16(low))
	}
	return binary.LittleEndian.AppendUint16(b, uint16(r))
}

// decodeName reads a name in the character set that flags agree on,
// [MS-NLMP] 2.2.2.5: UNICODE wins over OEM, and neither means OEM.
func decodeName(flags Flags, f field, msg []byte) (string, error) {
	if f.empty() {
		return "", nil
	}
	if flags.Has(NegotiateUnicode) {
		return decodeUTF16(f.name, int(f.offset), f.value(msg))
	}
	return decodeOEM(f.value(msg)), nil
}

// encodeName is the inverse of decodeName. A string that is not UTF-8 is
// refused, for it would not read back.
func encodeName(flags Flags, name, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return nil, fmt.Errorf("%s is not UTF-8", name)
	}
	if flags.Has(NegotiateUnicode) {
		return encodeUTF16(s), nil
	}
	return []byte(s), nil
}
