package spnego

import (
	"encoding/hex"
	"strconv"
	"strings"
)

// OID is an object identifier: the content of its DER encoding, X.690 8.19.
// Two are the same when they are ==.
type OID string

// The object identifiers of the negotiation and of the mechanisms that clients
// offer.
const (
	SPNEGO OID = "\x2b\x06\x01\x05\x05\x02" // 1.3.6.1.5.5.2, RFC 4178 3.2

	Kerberos OID = "\x2a\x86\x48\x86\xf7\x12\x01\x02\x02" // 1.2.840.113554.1.2.2, RFC 4121
	// MSKerberos is Kerberos as Windows 2000 wrote it, an arc cut to 16 bits,
	// and as Windows clients offer it first to this day,
	// [MS-SPNG] 1.9.
	MSKerberos OID = "\x2a\x86\x48\x82\xf7\x12\x01\x02\x02" // 1.2.840.48018.1.2.2
	// UserToUser is Kerberos with a ticket under the server's session key.
	UserToUser OID = "\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x03" // 1.2.840.113554.1.2.2.3

	NTLMSSP OID = "\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a" // 1.3.6.1.4.1.311.2.2.10, [MS-NLMP] 1.9
	NegoEx  OID = "\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x1e" // 1.3.6.1.4.1.311.2.2.30, [MS-NEGOEX] 1.9
)

// maxOID bounds an object identifier. The longest mechanism's is under twenty
// bytes; without a bound a token names one of 64 KiB, which ends in a log.
const maxOID = 32

// Mechanism returns the mechanism that o names: Kerberos for either of its two
// identifiers, and otherwise o.
func (o OID) Mechanism() OID {
	if o == MSKerberos {
		return Kerberos
	}
	return o
}

// Name is the mechanism's usual name, or the dotted identifier.
func (o OID) Name() string {
	switch o {
	case SPNEGO:
		return "SPNEGO"
	case Kerberos:
		return "Kerberos"
	case MSKerberos:
		return "Microsoft Kerberos"
	case UserToUser:
		return "Kerberos user-to-user"
	case NTLMSSP:
		return "NTLMSSP"
	case NegoEx:
		return "NegoEx"
	default:
		return o.String()
	}
}

// String gives the dotted form, or the bytes in hexadecimal where an arc does
// not fit 64 bits or the identifier is invalid.
func (o OID) String() string {
	arcs, ok := o.arcs()
	if !ok {
		return "oid:" + hex.EncodeToString([]byte(o))
	}
	text := make([]string, len(arcs))
	for i, a := range arcs {
		text[i] = strconv.FormatUint(a, 10)
	}
	return strings.Join(text, ".")
}

func (o OID) arcs() ([]uint64, bool) {
	if !o.valid() {
		return nil, false
	}
	arcs := make([]uint64, 1, len(o)+1)
	var v uint64
	for i := range len(o) {
		if v>>57 != 0 {
			return nil, false
		}
		v = v<<7 | uint64(o[i]&0x7f)
		if o[i]&0x80 == 0 {
			arcs = append(arcs, v)
			v = 0
		}
	}
	arcs[0] = min(arcs[1]/40, 2) // the first two arcs share a number, X.690 8.19.4
	arcs[1] -= arcs[0] * 40
	return arcs, true
}

// valid reports whether each arc ends and has no needless first byte,
// X.690 8.19.2.
func (o OID) valid() bool {
	if o == "" || len(o) > maxOID || o[len(o)-1]&0x80 != 0 {
		return false
	}
	begins := true
	for i := range len(o) {
		if begins && o[i] == 0x80 {
			return false
		}
		begins = o[i]&0x80 == 0
	}
	return true
}
