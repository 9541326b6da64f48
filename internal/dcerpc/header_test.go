package dcerpc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"testing"
)

// TestHeaderSigning: where the server signs headers, whatever is changed in one on
// the way is noticed, and ours are signed too; where it does not, only what is sealed.
func TestHeaderSigning(t *testing.T) {
	for name, c := range map[string]struct {
		signs  bool
		change func(raw []byte)
		want   error
	}{
		"as it was":                   {true, func([]byte) {}, nil},
		"how much is to come":         {true, func(raw []byte) { raw[16] ^= 1 }, errSignature},
		"how much padding":            {true, func(raw []byte) { raw[len(raw)-len(nil4)-trailerLen+2]++ }, errSignature},
		"a reserved byte":             {true, func(raw []byte) { raw[len(raw)-len(nil4)-trailerLen+3] = 1 }, errSignature},
		"a cancel":                    {true, func(raw []byte) { raw[22] = 1 }, errSignature},
		"its minor version":           {true, func(raw []byte) { raw[1] = 1 }, errSignature},
		"not signed, as it was":       {false, func([]byte) {}, nil},
		"not signed, what is to come": {false, func(raw []byte) { raw[16] ^= 1 }, nil},
		"not signed, what is sealed":  {false, func(raw []byte) { raw[24] ^= 1 }, errSignature},
	} {
		t.Run(name, func(t *testing.T) {
			theirs := new(mask)
			conn := serve(t, func(r request) []byte {
				if r.kind == kindBind {
					if r.flags != whole|flagSignsHeaders {
						t.Errorf("got a bind with the flags %#x, want header signing in them", r.flags)
					}
					return signing(welcome(r), c.signs)
				}
				at := len(r.raw) - len(nil4)
				if _, err := theirs.Unseal(r.raw[24:at-trailerLen], around(r.raw, c.signs), r.raw[at:]); err != nil {
					t.Error(err)
				}
				raw := sealedFragment(theirs, c.signs, whole, r.call, []byte("yes"))
				c.change(raw)
				return raw
			})
			stub, err := bind(t, conn, new(mask)).Call(context.Background(), 3, []byte("may I?"))
			if !errors.Is(err, c.want) || c.want == nil && (err != nil || string(stub) != "yes") {
				t.Errorf("got %q, %v, want %v", stub, err, c.want)
			}
		})
	}
}

// TestVerification: what a bind agreed on is said once more under seal: at the first
// call of each binding, and with its header at every call where headers are not
// signed, [MS-RPCE] 2.2.2.13.
func TestVerification(t *testing.T) {
	agreed := func(iface Syntax, last uint16) []byte {
		raw := binary.LittleEndian.AppendUint16(append(verificationMark[:], 1, 0, 4, 0, 1, 0, 0, 0), 2|last)
		raw = append(append(raw, 40, 0), iface.UUID[:]...)
		raw = append(append(raw, byte(iface.Major), 0, byte(iface.Minor), 0), NDR.UUID[:]...)
		return append(raw, 2, 0, 0, 0)
	}
	header := func(call, context, opnum byte) []byte {
		return []byte{3, 0x40, 16, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, call, 0, 0, 0, context, 0, opnum, 0}
	}
	first, second := &Binding{iface: testInterface}, &Binding{iface: endpointMapper, contextID: 1}
	c := &Conn{signsHeaders: true}
	for i, want := range [][]byte{agreed(testInterface, 0x4000), nil, agreed(endpointMapper, 0x4000), nil, nil} {
		b := []*Binding{first, first, second, first, second}[i]
		if got := c.verified([]byte("stub"), uint32(i), b, 3); !bytes.Equal(got, append([]byte("stub"), want...)) {
			t.Errorf("headers signed, call %d: got %x, want %x", i, got, want)
		}
	}
	c = new(Conn)
	for i, b := range []*Binding{first, second, first} {
		want := append(agreed(b.iface, 0), header(byte(i), byte(b.contextID), 3)...)
		if got := c.verified(nil, uint32(i), b, 3); !bytes.Equal(got, want) {
			t.Errorf("call %d: got %x, want %x", i, got, want)
		}
	}
}
