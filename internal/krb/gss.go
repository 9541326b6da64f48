package krb

import (
	"bytes"
	"fmt"
	"math/big"
)

// Token identifiers, RFC 4121 4.1.
var (
	tokenAPReq = []byte{0x01, 0x00}
	tokenAPRep = []byte{0x02, 0x00}
)

// mechanism is the object identifier 1.2.840.113554.1.2.2 in DER.
var mechanism = []byte{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02}

// mechanismMS is Kerberos as Windows 2000 wrote it, 1.2.840.48018.1.2.2,
// [MS-SPNG] 1.9. It stands in lists of mechanisms, and by the books only there.
var mechanismMS = []byte{0x06, 0x09, 0x2a, 0x86, 0x48, 0x82, 0xf7, 0x12, 0x01, 0x02, 0x02}

// frame puts a message into the token of RFC 2743 3.1.
func frame(kind, message []byte) []byte {
	inner := bytes.Join([][]byte{mechanism, kind, message}, nil)
	return application(0, inner)
}

func derLength(n int) []byte {
	if n < 0x80 {
		return []byte{byte(n)}
	}
	octets := big.NewInt(int64(n)).Bytes()
	return append([]byte{0x80 | byte(len(octets))}, octets...)
}

// application puts content under an application tag, X.690 8.14.
func application(tag byte, content []byte) []byte {
	return append(append([]byte{0x60 | tag}, derLength(len(content))...), content...)
}

// apRepTag is the application tag of an AP-REP, RFC 4120 5.5.2.
const apRepTag = 0x6f

// maxToken bounds an answer: an AP-REP has some hundred bytes.
const maxToken = 64 << 10

// unframe takes the message out of a token. A bare AP-REP stands for itself.
func unframe(kind, token []byte) ([]byte, error) {
	switch {
	case len(token) > maxToken || len(token) < 2:
		return nil, fmt.Errorf("%w: %d bytes", ErrMalformed, len(token))
	case token[0] == apRepTag:
		return token, nil
	case token[0] != 0x60:
		return nil, fmt.Errorf("%w: tag %#02x", ErrMalformed, token[0])
	}
	skip := 2
	if token[1] >= 0x80 {
		skip += int(token[1] & 0x7f)
	}
	head := bytes.Join([][]byte{mechanism, kind}, nil)
	other := bytes.Join([][]byte{mechanismMS, kind}, nil)
	if skip > 6 || len(token) < skip || len(token) != skip+declared(token) ||
		!bytes.HasPrefix(token[skip:], head) && !bytes.HasPrefix(token[skip:], other) {
		return nil, fmt.Errorf("%w: not a token of Kerberos of the kind that is due", ErrMalformed)
	}
	return token[skip+len(head):], nil
}

// declared is the length that a token's head gives; its length octets are there.
func declared(token []byte) int {
	if token[1] < 0x80 {
		return int(token[1])
	}
	n := 0
	for _, octet := range token[2 : 2+int(token[1]&0x7f)] {
		n = n<<8 | int(octet)
	}
	return n
}
