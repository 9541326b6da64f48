package smb2

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// Dialect is a revision of the protocol, [MS-SMB2] 1.7.
type Dialect uint16

// The dialects that are spoken.
const (
	SMB202 Dialect = 0x0202
	SMB210 Dialect = 0x0210
	SMB300 Dialect = 0x0300
	SMB302 Dialect = 0x0302
	SMB311 Dialect = 0x0311
)

// dialects are all of them.
var dialects = []Dialect{SMB202, SMB210, SMB300, SMB302, SMB311}

// String gives the number as it is written, as in 3.1.1.
func (d Dialect) String() string {
	if d&0xF == 0 && d != SMB202 {
		return fmt.Sprintf("%d.%d", d>>8, d>>4&0xF)
	}
	return fmt.Sprintf("%d.%d.%d", d>>8, d>>4&0xF, d&0xF)
}

const (
	signingEnabled  = 0x0001     // SMB2_NEGOTIATE_SIGNING_ENABLED, [MS-SMB2] 2.2.3
	signingRequired = 0x0002     // SMB2_NEGOTIATE_SIGNING_REQUIRED
	capEncryption   = 0x00000040 // SMB2_GLOBAL_CAP_ENCRYPTION
)

// negotiateRequest is an SMB2 NEGOTIATE Request, [MS-SMB2] 2.2.3.
type negotiateRequest struct {
	dialects []Dialect
	guid     [16]byte // of the client
	salt     [32]byte
}

// securityMode says that signing is required.
func (r *negotiateRequest) securityMode() uint8 { return signingEnabled | signingRequired }

func (r *negotiateRequest) offers(d Dialect) bool { return slices.Contains(r.dialects, d) }

// capabilities are nil in the dialects that know none.
func (r *negotiateRequest) capabilities() uint32 {
	if slices.Max(r.dialects) >= SMB300 {
		return capEncryption
	}
	return 0
}

// clientGUID is zero where 2.0.2 alone is spoken, [MS-SMB2] 2.2.3.
func (r *negotiateRequest) clientGUID() [16]byte {
	if slices.Max(r.dialects) == SMB202 {
		return [16]byte{}
	}
	return r.guid
}

// marshal writes the structure after the header.
func (r *negotiateRequest) marshal() []byte {
	const fixed = 36
	guid := r.clientGUID()
	b := binary.LittleEndian.AppendUint16(nil, fixed)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(r.dialects)))
	b = binary.LittleEndian.AppendUint16(b, uint16(r.securityMode()))
	b = append(b, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, r.capabilities())
	b = append(b, guid[:]...)
	b = append(b, make([]byte, 8)...) // where the contexts are, and how many
	for _, d := range r.dialects {
		b = binary.LittleEndian.AppendUint16(b, uint16(d))
	}
	if !r.offers(SMB311) {
		return b
	}
	b = pad8(b)
	contexts := r.contexts()
	binary.LittleEndian.PutUint32(b[28:], uint32(headerLen+len(b)))
	binary.LittleEndian.PutUint16(b[32:], uint16(len(contexts)))
	return appendContexts(b, contexts)
}

// negotiated is what a server says in its SMB2 NEGOTIATE Response,
// [MS-SMB2] 2.2.4.
type negotiated struct {
	securityMode uint16
	dialect      Dialect
	guid         [16]byte
	capabilities uint32
	maxTransact  uint32
	maxRead      uint32
	maxWrite     uint32
	token        []byte // a NegTokenInit2, or nothing
	contexts     []negotiateContext
	signing      signingAlgorithm // of dialect 3.1.1, where chosen picks one
	cipher       uint16           // 0 for none
}

const negotiateFixed = 64

func parseNegotiate(msg []byte) (*negotiated, error) {
	b, err := openBody("NEGOTIATE Response", msg, negotiateFixed+1, negotiateFixed)
	if err != nil {
		return nil, err
	}
	n := &negotiated{
		securityMode: b.uint16(2),
		dialect:      Dialect(b.uint16(4)),
		guid:         b.bytes16(8),
		capabilities: b.uint32(24),
		maxTransact:  b.uint32(28),
		maxRead:      b.uint32(32),
		maxWrite:     b.uint32(36),
	}
	if n.token, err = b.buffer("SecurityBuffer", uint64(b.uint16(56)), uint64(b.uint16(58))); err != nil {
		return nil, err
	}
	if n.dialect == SMB311 {
		n.contexts, err = readContexts(b, uint64(b.uint32(60)), int(b.uint16(6)))
	}
	if err != nil {
		return nil, err
	}
	return n, nil
}

// check holds the answer against what was asked, [MS-SMB2] 3.2.5.2.
func (n *negotiated) check(r *negotiateRequest) error {
	if !r.offers(n.dialect) {
		return fmt.Errorf("%w: %v were offered, and the server chose %#04x", ErrDialect, r.dialects, uint16(n.dialect))
	}
	const minimum = 4096 // [MS-SMB2] asks for 64 KiB; a fragment of RPC is under 6
	if min(n.maxTransact, n.maxRead, n.maxWrite) < minimum {
		return malformed("NEGOTIATE Response", "MaxTransactSize, MaxReadSize, MaxWriteSize",
			"%d, %d and %d, where %d is the least", n.maxTransact, n.maxRead, n.maxWrite, minimum)
	}
	switch {
	case n.dialect == SMB311:
		return n.choose()
	case n.dialect >= SMB300:
		n.signing = signAESCMAC
	default:
		n.signing = signHMACSHA256
	}
	return nil
}
