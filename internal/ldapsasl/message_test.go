package ldapsasl

import (
	"bytes"
	"errors"
	"io"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// bindResponse is a message as a server writes it.
func bindResponse(id int64, code uint16, text string, token []byte) []byte {
	response := ber.Encode(ber.ClassApplication, ber.TypeConstructed, opBindResponse, nil, "")
	response.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, int64(code), ""))
	response.AppendChild(octets(""))
	response.AppendChild(octets(text))
	if token != nil {
		response.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, tagServerSASLCreds, string(token), ""))
	}
	return envelope(id, response).Bytes()
}

func nested(depth int) []byte {
	inner := []byte{0x02, 0x01, 0x01}
	for range depth {
		inner = append([]byte{0x30, 0x84, byte(len(inner) >> 24), byte(len(inner) >> 16), byte(len(inner) >> 8), byte(len(inner))}, inner...)
	}
	return inner
}

func TestReadMessage(t *testing.T) {
	good := bindResponse(1, 0, "", nil)
	long := bindResponse(1, 14, "", make([]byte, 40000))
	for _, c := range []struct {
		name string
		in   []byte
		want error // nil, ErrMalformed, io.EOF or io.ErrUnexpectedEOF
	}{
		{"short", good, nil},
		{"long", long, nil},
		{"deep enough", nested(maxDepth), nil},
		{"nothing", nil, io.EOF},
		{"cut in the tag", good[:1], io.ErrUnexpectedEOF},
		{"cut in the middle", good[:len(good)-1], io.ErrUnexpectedEOF},
		{"cut in the length", long[:2], io.ErrUnexpectedEOF},
		{"HTTP", []byte("HTTP/1.1 400 Bad Request\r\n"), ErrMalformed},
		{"over the limit", []byte{0x30, 0x83, 0x01, 0x00, 0x01}, ErrMalformed},
		{"two gigabytes", []byte{0x30, 0x84, 0x7F, 0xFF, 0xFF, 0xFF}, ErrMalformed},
		{"length of eight bytes", []byte{0x30, 0x88, 0, 0, 0, 0, 0, 0, 0, 1}, ErrMalformed},
		{"indefinite", []byte{0x30, 0x80, 0x02, 0x01, 0x01, 0x00, 0x00}, ErrMalformed},
		{"indefinite inside", []byte{0x30, 0x04, 0x61, 0x80, 0x00, 0x00}, ErrMalformed},
		{"part longer than the whole", []byte{0x30, 0x03, 0x02, 0x7F, 0x01}, ErrMalformed},
		{"two gigabytes inside", []byte{0x30, 0x06, 0x04, 0x84, 0x7F, 0xFF, 0xFF, 0xFF}, ErrMalformed},
		{"too deep", nested(maxDepth + 2), ErrMalformed},
		{"long tag", []byte{0x30, 0x03, 0x1F, 0x81, 0x00}, ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := bytes.NewReader(append(bytes.Clone(c.in), "next"...)[:len(c.in)+4*b2i(c.want == nil)])
			got, err := ReadMessage(in, MaxBind)
			if c.want != nil {
				if !errors.Is(err, c.want) {
					t.Errorf("got %v, want %v", err, c.want)
				}
				return
			}
			if err != nil || !bytes.Equal(got, c.in) {
				t.Fatalf("got %d bytes and %v, want %d bytes", len(got), err, len(c.in))
			}
			if in.Len() != 4 {
				t.Errorf("%d bytes are left of what follows, want 4", in.Len())
			}
		})
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func FuzzMessage(f *testing.F) {
	f.Add(bindResponse(1, 0, "", nil))
	f.Add(bindResponse(1, 14, "", []byte("NTLMSSP\x00\x02\x00\x00\x00")))
	f.Add(bindResponse(2, 49, "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data 52e, v1db1", nil))
	f.Add(startTLSRequest(1).Bytes())
	f.Add([]byte{0x30, 0x84, 0x7F, 0xFF, 0xFF, 0xFF})
	f.Add(nested(maxDepth + 2))
	f.Fuzz(func(t *testing.T, b []byte) {
		in := bytes.NewReader(b)
		message, err := ReadMessage(in, MaxBind)
		if err != nil {
			return
		}
		if want := len(b) - in.Len(); len(message) != want || !bytes.Equal(message, b[:want]) {
			t.Fatalf("read %d bytes, took %d", len(message), want)
		}
		_, _, _ = parseResponse(message, 1, opBindResponse)
		_, _, _ = parseResponse(message, 1, opExtendedResponse)
		if _, err := ber.DecodePacketErr(message); err == nil {
			_, _, _ = messageID(message)
		}
	})
}
