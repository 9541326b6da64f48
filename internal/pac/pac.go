// Package pac reads the privilege attribute certificate that Active Directory puts
// into Kerberos tickets, [MS-PAC]: whom the ticket names, by SID, and in which
// groups they are. It is bytes in and nouns out; who vouches for a certificate its
// reader finds out with Signed and Server.
package pac

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// ErrMalformed is a certificate that is none, or says two things at once.
var ErrMalformed = errors.New("malformed PAC")

// PAC is a certificate. What is absent is nil: MIT's KDC sends neither Logon nor
// UPN.
type PAC struct {
	Logon      *Logon
	Client     *Client
	UPN        *UPN
	Requestor  *identity.SID // 2.15: whom the ticket-granting ticket was for
	Delegation *Delegation
	Server     *Signature // under the key of the service

	raw     []byte
	buffers []buffer
}

// Types of buffers, 2.4.
const (
	typeLogon      = 1
	typeServer     = 6
	typeKDC        = 7
	typeClient     = 10
	typeDelegation = 11
	typeUPN        = 12
	typeRequestor  = 18
)

// Limits. A certificate of 2,000 groups has 60 KB; Windows sends eight buffers.
const (
	maxPAC     = 256 << 10
	maxBuffers = 32
)

type buffer struct {
	kind     uint32
	from, to int // in raw
}

// Parse reads a PACTYPE, 2.3. Buffers of unknown types are left alone; two of one
// type are an error, because which of them is believed would be the reader's
// choice. The error is ErrMalformed.
func Parse(raw []byte) (*PAC, error) {
	p := &PAC{raw: raw}
	if err := p.split(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	for _, b := range p.buffers {
		if err := p.read(b); err != nil {
			return nil, fmt.Errorf("%w: buffer of type %d: %w", ErrMalformed, b.kind, err)
		}
	}
	if err := p.agree(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return p, nil
}

func (p *PAC) split() error {
	if len(p.raw) < 8 || len(p.raw) > maxPAC {
		return fmt.Errorf("%d bytes", len(p.raw))
	}
	n, version := binary.LittleEndian.Uint32(p.raw), binary.LittleEndian.Uint32(p.raw[4:])
	if version != 0 || n == 0 || n > maxBuffers || 8+16*int(n) > len(p.raw) {
		return fmt.Errorf("version %d, %d buffers", version, n)
	}
	seen := make(map[uint32]bool)
	for i := range int(n) {
		head := p.raw[8+16*i:]
		kind, size, offset := binary.LittleEndian.Uint32(head), uint64(binary.LittleEndian.Uint32(head[4:])), binary.LittleEndian.Uint64(head[8:])
		length := uint64(len(p.raw))
		switch {
		case seen[kind]:
			return fmt.Errorf("two buffers of type %d", kind)
		case offset%8 != 0 || offset < uint64(8+16*n) || offset > length || size > length-offset:
			return fmt.Errorf("buffer of type %d: %d bytes at %d of %d", kind, size, offset, length)
		}
		seen[kind] = true
		p.buffers = append(p.buffers, buffer{kind, int(offset), int(offset + size)})
	}
	return nil
}

func (p *PAC) read(b buffer) (err error) {
	raw := p.raw[b.from:b.to]
	switch b.kind {
	case typeLogon:
		p.Logon, err = parseLogon(raw)
	case typeClient:
		p.Client, err = parseClient(raw)
	case typeUPN:
		p.UPN, err = parseUPN(raw)
	case typeRequestor:
		var sid identity.SID
		if sid, err = identity.SIDFromBytes(raw); err == nil {
			p.Requestor = &sid
		}
	case typeDelegation:
		p.Delegation, err = parseDelegation(raw)
	case typeServer:
		p.Server, err = parseSignature(raw)
	case typeKDC:
		_, err = parseSignature(raw)
	}
	return err
}

// agree holds the buffers that name somebody to one and the same.
func (p *PAC) agree() error {
	if p.Logon == nil {
		return nil
	}
	own := p.Logon.SID()
	switch {
	case own.IsNobody():
		return fmt.Errorf("it is of %s", own)
	case p.Requestor != nil && *p.Requestor != own:
		return fmt.Errorf("it is of %s, and the ticket was asked for by %s", own, *p.Requestor)
	case p.UPN != nil && !p.UPN.SID.IsZero() && p.UPN.SID != own:
		return fmt.Errorf("it is of %s, and the UPN of %s", own, p.UPN.SID)
	}
	return nil
}

// Signature is a PAC_SIGNATURE_DATA, 2.8.
type Signature struct {
	Type int32 // of the checksum, 2.8.1
	Sum  []byte
}

// sumLengths are the bytes of each type's checksum, 2.8.1; a read-only
// controller's number may follow.
var sumLengths = map[int32]int{-138: 16, 15: 12, 16: 12, 19: 16, 20: 24}

func parseSignature(raw []byte) (*Signature, error) {
	if len(raw) < 4 {
		return nil, fmt.Errorf("%d bytes", len(raw))
	}
	s := &Signature{Type: int32(binary.LittleEndian.Uint32(raw))}
	n, known := sumLengths[s.Type]
	if !known || len(raw) < 4+n {
		return nil, fmt.Errorf("a checksum of type %d in %d bytes", s.Type, len(raw))
	}
	s.Sum = raw[4 : 4+n]
	return s, nil
}

// Signed is what the server's signature is over: the whole certificate with the
// checksums of server and KDC zero, 2.8.2.
func (p *PAC) Signed() []byte {
	signed := append([]byte(nil), p.raw...)
	for _, b := range p.buffers {
		if b.kind != typeServer && b.kind != typeKDC {
			continue
		}
		n := sumLengths[int32(binary.LittleEndian.Uint32(p.raw[b.from:]))]
		clear(signed[b.from+4 : b.from+4+n])
	}
	return signed
}

// filetime reads hundreds of nanoseconds since 1601, [MS-DTYP] 2.3.3.
func filetime(n uint64) time.Time {
	const epoch = 11644473600 // seconds from 1601 to 1970
	return time.Unix(int64(n/1e7)-epoch, int64(n%1e7)*100).UTC()
}
