package spnego

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// framed makes an initial token of the fields of a NegTokenInit.
func framed(fields ...[]byte) []byte {
	choice := encode(0xa0, encode(0x30, fields...))
	return encode(0x60, encode(0x06, []byte(SPNEGO)), choice)
}

var (
	listField  = encode(0xa0, NewMechTypeList(Kerberos).DER())
	tokenField = encode(0xa2, encode(0x04, []byte("token")))
)

func nested(depth int, tag byte) []byte {
	b := []byte{}
	for range depth {
		b = encode(tag, b)
	}
	return b
}

// TestMalformed is threat B-14 as far as the codec goes: each token is refused,
// with the field and where it stands, in no time.
func TestMalformed(t *testing.T) {
	many := slices.Repeat([]OID{Kerberos}, maxMechTypes+1)
	for _, c := range []struct {
		name, field string
		token       []byte
	}{
		{"nothing", "InitialContextToken", nil},
		{"one byte", "InitialContextToken", []byte{0x60}},
		{"empty mechTypes of an attack on gokrb5", "mechTypes", unhex(t, "6010 0606 2b0601050502 a006 3004 a002 3000")},
		{"an attack of the same kind", "mechTypes", framed(encode(0xa0))},
		{"mechTypes is no list", "mechTypes", framed(encode(0xa0, encode(0x06, []byte(Kerberos))))},
		{"more after the list", "mechTypes", framed(encode(0xa0, NewMechTypeList(Kerberos).DER(), []byte{5, 0}))},
		{"a number in the list", "mechTypes", framed(encode(0xa0, encode(0x30, []byte{2, 1, 0})))},
		{"too many mechanisms", "mechTypes", framed(encode(0xa0, NewMechTypeList(many...).DER()))},
		{"a huge identifier", "mechTypes", framed(encode(0xa0, NewMechTypeList(OID(strings.Repeat("\x2a", 60000))).DER()))},
		{"an identifier that does not end", "mechTypes", framed(encode(0xa0, NewMechTypeList("\x2a\x86").DER()))},
		{"an identifier with a needless byte", "mechTypes", framed(encode(0xa0, NewMechTypeList("\x2a\x80\x01").DER()))},
		{"an empty identifier", "mechTypes", framed(encode(0xa0, NewMechTypeList("").DER()))},
		{"a field twice", "mechToken", framed(listField, tokenField, tokenField)},
		{"the list twice", "mechTypes", framed(listField, listField)},
		{"wrong order", "mechTypes", framed(tokenField, listField)},
		{"MIC twice", "mechListMIC", framed(listField, encode(0xa3, encode(4)), encode(0xa4, encode(4)))},
		{"an untagged field", "field", framed(encode(0x04))},
		{"a primitive tag", "field", framed([]byte{0x80, 0})},
		{"a tag of several bytes", "field", framed([]byte{0xbf, 0x81, 0x01, 0})},
		{"flags without a count", "reqFlags", framed(listField, encode(0xa1, encode(3)))},
		{"nine unused bits", "reqFlags", framed(listField, encode(0xa1, []byte{3, 2, 9, 0}))},
		{"unused bits of nothing", "reqFlags", framed(listField, encode(0xa1, []byte{3, 1, 4}))},
		{"40 flags", "reqFlags", framed(listField, encode(0xa1, encode(3, make([]byte, 6))))},
		{"a token of text", "mechToken", framed(listField, encode(0xa2, encode(0x1b, []byte("x"))))},
		{"a token of two parts", "mechToken", framed(listField, encode(0xa2, encode(4), encode(4)))},
		{"a token in pieces, as BER allows", "mechToken", framed(listField, encode(0xa2, encode(0x24, encode(4))))},
		{"hints twice named", "hintName", framed(listField, encode(0xa3, encode(0x30, encode(0xa0, encode(0x1b)), encode(0xa0, encode(0x1b)))))},
		{"trailing byte", "InitialContextToken", append(framed(listField), 0)},
		{"trailing byte inside", "negTokenInit", encode(0x60, encode(6, []byte(SPNEGO)), encode(0xa0, encode(0x30, listField)), []byte{0})},
		{"another mechanism's frame", "thisMech", encode(0x60, encode(6, []byte(NegoEx)), encode(0xa0))},
		{"length 2^31", "InitialContextToken", append(unhex(t, "60 84 80000000"), framed(listField)...)},
		{"length 2^63", "InitialContextToken", append(unhex(t, "60 88 8000000000000000"), framed(listField)...)},
		{"length 2^64-1", "InitialContextToken", append(unhex(t, "60 88 ffffffffffffffff"), framed(listField)...)},
		{"length 2^63 inside", "mechTypes", framed(unhex(t, "a00c 30 88 8000000000000000 0600"))},
		{"length of nine bytes", "InitialContextToken", unhex(t, "60 89 000000000000000000")},
		{"length of 127 bytes", "InitialContextToken", unhex(t, "60 ff 00")},
		{"indefinite length", "InitialContextToken", unhex(t, "6080 0606 2b0601050502 0000")},
		{"cut in its length", "InitialContextToken", unhex(t, "60 84 0000")},
		{"too long", "InitialContextToken", framed(listField, encode(0xa2, encode(4, make([]byte, maxToken))))},
		{"ten thousand deep", "mechTypes", framed(encode(0xa0, nested(10_000, 0x30)))},
		{"ten thousand frames", "thisMech", nested(10_000, 0x60)},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := time.Now()
			got, err := ParseInit(c.token)
			if d := time.Since(before); d > 50*time.Millisecond {
				t.Errorf("took %v", d)
			}
			var e *MalformedError
			if got != nil || !errors.As(err, &e) || !errors.Is(err, ErrMalformed) {
				t.Fatalf("got %+v, %v, want nil and a MalformedError", got, err)
			}
			if e.Field != c.field || e.Offset < 0 || e.Offset > maxToken {
				t.Errorf("got %v, want field %s", e, c.field)
			}
		})
	}
}

func TestMalformedResp(t *testing.T) {
	state := encode(0xa0, []byte{0x0a, 1, 0})
	resp := func(fields ...[]byte) []byte { return encode(0xa1, encode(0x30, fields...)) }
	for _, c := range []struct {
		name, field string
		token       []byte
	}{
		{"nothing", "negTokenResp", nil},
		{"a choice of its own", "negTokenResp", encode(0xa2, encode(0x30))},
		{"in a frame", "negTokenResp", framed(listField)},
		{"state 4", "negState", resp(encode(0xa0, []byte{0x0a, 1, 4}))},
		{"state of two bytes", "negState", resp(encode(0xa0, []byte{0x0a, 2, 0, 1}))},
		{"state of no bytes", "negState", resp(encode(0xa0, []byte{0x0a, 0}))},
		{"a number for a state", "negState", resp(encode(0xa0, []byte{2, 1, 0}))},
		{"state twice", "negState", resp(state, state)},
		{"order", "negState", resp(encode(0xa2, encode(4)), state)},
		{"two mechanisms", "supportedMech", resp(encode(0xa1, encode(6, []byte(Kerberos)), encode(6, []byte(NTLMSSP))))},
		{"a list of mechanisms", "supportedMech", resp(encode(0xa1, NewMechTypeList(Kerberos).DER()))},
		{"too long", "negTokenResp", resp(encode(0xa2, encode(4, make([]byte, maxToken))))},
		{"deep", "responseToken", resp(encode(0xa2, nested(10_000, 0x30)))},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseResp(c.token)
			var e *MalformedError
			if got != nil || !errors.As(err, &e) || e.Field != c.field {
				t.Errorf("got %+v, %v, want nil and field %s", got, err, c.field)
			}
		})
	}
}

// TestTruncated cuts each recorded token at every byte.
func TestTruncated(t *testing.T) {
	for _, name := range flowNames(t) {
		for _, m := range readFlow(t, name) {
			for n := range m.token {
				if got, err := ParseInit(m.token[:n]); err == nil {
					t.Fatalf("%s: %d of %d bytes: got %+v", name, n, len(m.token), got)
				}
				if got, err := ParseResp(m.token[:n]); err == nil {
					t.Fatalf("%s: %d of %d bytes: got %+v", name, n, len(m.token), got)
				}
			}
		}
	}
}

// TestDepth holds the reader's own bound, which the grammar does not reach.
func TestDepth(t *testing.T) {
	r := reader{rest: nested(10_000, 0x30)}
	depth := 0
	for ; ; depth++ {
		e, err := r.next("x")
		if err == nil {
			r, err = e.read("x")
		}
		if err != nil {
			break
		}
	}
	if depth != maxDepth {
		t.Errorf("got %d, want %d", depth, maxDepth)
	}
}

// TestMarshalBounds: what would not be read is not written.
func TestMarshalBounds(t *testing.T) {
	big := bytes.Repeat([]byte{1}, maxToken)
	if got, err := (&NegTokenInit{MechTypes: NewMechTypeList(NTLMSSP), MechToken: big}).Marshal(); err == nil || got != nil {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	if got, err := (&NegTokenResp{ResponseToken: big}).Marshal(); err == nil || got != nil {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}
