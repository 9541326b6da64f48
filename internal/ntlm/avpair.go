package ntlm

import (
	"encoding/binary"
	"fmt"
	"math"
)

// AVID says what an AVPair holds, [MS-NLMP] 2.2.2.1.
type AVID uint16

// The ids of [MS-NLMP] 2.2.2.1.
const (
	AVEOL             AVID = 0x00
	AVNbComputerName  AVID = 0x01
	AVNbDomainName    AVID = 0x02
	AVDNSComputerName AVID = 0x03
	AVDNSDomainName   AVID = 0x04
	AVDNSTreeName     AVID = 0x05
	AVFlags           AVID = 0x06
	AVTimestamp       AVID = 0x07
	AVSingleHost      AVID = 0x08
	AVTargetName      AVID = 0x09
	AVChannelBindings AVID = 0x0A
)

// maxAVPairs bounds the list. Ten ids exist and none may come twice, so a
// longer list is an attempt to make us work.
const maxAVPairs = 10

var avNames = [...]string{
	"MsvAvEOL", "MsvAvNbComputerName", "MsvAvNbDomainName", "MsvAvDnsComputerName", "MsvAvDnsDomainName",
	"MsvAvDnsTreeName", "MsvAvFlags", "MsvAvTimestamp", "MsvAvSingleHost", "MsvAvTargetName", "MsvAvChannelBindings",
}

// String gives the name of the id in [MS-NLMP].
func (id AVID) String() string {
	if int(id) < len(avNames) {
		return avNames[id]
	}
	return fmt.Sprintf("AvId %#x", uint16(id))
}

// fixedLen returns the length that a value of this id must have, 0 for any.
func (id AVID) fixedLen() int {
	switch id {
	case AVFlags:
		return 4
	case AVTimestamp:
		return 8
	case AVChannelBindings:
		return 16
	default:
		return 0
	}
}

// text reports whether the value is a name in UTF-16, whatever the flags say.
func (id AVID) text() bool {
	return id >= AVNbComputerName && id <= AVDNSTreeName || id == AVTargetName
}

// AVPair is one attribute of a target, [MS-NLMP] 2.2.2.1.
type AVPair struct {
	ID    AVID
	Value []byte
}

// AVPairs is the list of attributes, in the order of the message. The closing
// MsvAvEOL is not part of it.
type AVPairs []AVPair

// ParseAVPairs reads a list up to its MsvAvEOL and ignores what follows: an
// NTLMv2 response pads it. Every value has the length and, where it is a name,
// the encoding that its id demands, so the accessors cannot fail later.
func ParseAVPairs(b []byte) (AVPairs, error) {
	return parseAVPairs(b, 0)
}

// parseAVPairs parses a list that stands at byte base of a message.
func parseAVPairs(b []byte, base int) (AVPairs, error) {
	pairs := AVPairs{}
	for at := 0; ; {
		if len(b)-at < 4 {
			return nil, malformedPair("MsvAvEOL", base+at, "the list ends without it")
		}
		id := AVID(binary.LittleEndian.Uint16(b[at:]))
		end := at + 4 + int(binary.LittleEndian.Uint16(b[at+2:]))
		if end > len(b) {
			return nil, malformedPair(id.String(), base+at, "the value ends past the list")
		}
		if id == AVEOL && end != at+4 {
			return nil, malformedPair("MsvAvEOL", base+at, "it has a value")
		}
		if id == AVEOL {
			return pairs, nil
		}
		p := AVPair{ID: id, Value: b[at+4 : end : end]}
		if err := pairs.admit(p, base+at); err != nil {
			return nil, err
		}
		pairs = append(pairs, p)
		at = end
	}
}

// admit checks a pair that is to follow those of p.
func (p AVPairs) admit(pair AVPair, at int) error {
	id, n := pair.ID, len(pair.Value)
	if len(p) == maxAVPairs {
		return malformedPair(id.String(), at, "more than %d pairs", maxAVPairs)
	}
	if id == AVEOL || id > AVChannelBindings {
		return malformedPair(id.String(), at, "unknown id")
	}
	if _, twice := p.Get(id); twice {
		return malformedPair(id.String(), at, "comes twice")
	}
	if want := id.fixedLen(); want != 0 && n != want {
		return malformedPair(id.String(), at, "%d bytes where %d are due", n, want)
	}
	if id.text() {
		if err := checkUTF16(id.String(), at+4, pair.Value); err != nil {
			return err
		}
	}
	return nil
}

func checkUTF16(name string, at int, b []byte) error {
	if _, err := decodeUTF16(name, at, b); err != nil {
		bad := *err.(*MalformedError)
		bad.avPair = true
		return &bad
	}
	return nil
}

// Marshal writes the list with its MsvAvEOL. It refuses what ParseAVPairs
// would refuse.
func (p AVPairs) Marshal() ([]byte, error) {
	size := 4
	for i, pair := range p {
		if len(pair.Value) > math.MaxUint16 {
			return nil, fmt.Errorf("%v of %d bytes does not fit", pair.ID, len(pair.Value))
		}
		if err := p[:i].admit(pair, size-4); err != nil {
			return nil, err
		}
		size += 4 + len(pair.Value)
	}
	b := make([]byte, 0, size)
	for _, pair := range p {
		b = binary.LittleEndian.AppendUint16(b, uint16(pair.ID))
		b = binary.LittleEndian.AppendUint16(b, uint16(len(pair.Value)))
		b = append(b, pair.Value...)
	}
	return append(b, 0, 0, 0, 0), nil
}
