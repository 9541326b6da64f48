package dcerpc

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ndr"
)

// EndpointMapperPort is where the endpoint mapper listens, [MS-RPCE] 2.1.1.1.
const EndpointMapperPort = 135

// ErrNoEndpoint is an endpoint mapper that knows no TCP port of an interface.
var ErrNoEndpoint = errors.New("the endpoint mapper knows no TCP port of the interface")

var endpointMapper = NewSyntax("e1af8308-5d1f-11c9-91a4-08002b14a0fa", 3, 0)

// ept_map, C706 appendix O and [MS-RPCE] 2.2.1.2.
const (
	opnumMap      = 3
	maxTowers     = 4
	notRegistered = 0x16C9A0D6 // ept_s_not_registered
)

// Protocols of a tower's floors, C706 appendix I and L.
const (
	floorIP     = 0x09
	floorTCP    = 0x07
	floorNCACN  = 0x0B
	floorSyntax = 0x0D
)

// MapTCP asks the endpoint mapper at the other end of c on which TCP port an
// interface is served, at an equal major version. The address that a mapper may
// name beside the port is not used: nobody is sent elsewhere.
func MapTCP(ctx context.Context, c *Conn, iface Syntax) (uint16, error) {
	b, err := c.Bind(ctx, endpointMapper, nil)
	if err != nil {
		return 0, fmt.Errorf("binding to the endpoint mapper: %w", err)
	}
	answer, err := b.Call(ctx, opnumMap, encodeMap(iface))
	if err != nil {
		return 0, fmt.Errorf("asking the endpoint mapper: %w", err)
	}
	return decodeMap(answer, iface)
}

func encodeMap(iface Syntax) []byte {
	tower := binary.LittleEndian.AppendUint16(nil, 5)
	tower = appendFloor(tower, syntaxFloor(iface), binary.LittleEndian.AppendUint16(nil, iface.Minor))
	tower = appendFloor(tower, syntaxFloor(NDR), binary.LittleEndian.AppendUint16(nil, NDR.Minor))
	tower = appendFloor(tower, []byte{floorNCACN}, []byte{0, 0})
	tower = appendFloor(tower, []byte{floorTCP}, []byte{0, 0})
	tower = appendFloor(tower, []byte{floorIP}, []byte{0, 0, 0, 0})
	var w ndr.Writer
	w.Pointer(false) // no object
	w.Uint32(1)      // a full pointer to the tower
	w.Uint32(uint32(len(tower)))
	w.Uint32(uint32(len(tower)))
	w.Bytes(tower)
	w.Align(4)
	w.Bytes(make([]byte, 20)) // no handle of an earlier question
	w.Uint32(maxTowers)
	return w.Data()
}

func syntaxFloor(s Syntax) []byte {
	return binary.LittleEndian.AppendUint16(append([]byte{floorSyntax}, s.UUID[:]...), s.Major)
}

func appendFloor(tower, left, right []byte) []byte {
	tower = append(binary.LittleEndian.AppendUint16(tower, uint16(len(left))), left...)
	return append(binary.LittleEndian.AppendUint16(tower, uint16(len(right))), right...)
}

// decodeMap picks the port out of the first tower that fits.
func decodeMap(stub []byte, iface Syntax) (uint16, error) {
	r := ndr.NewReader(stub)
	r.Bytes(20) // handle
	given := r.Uint32()
	maximum, offset := r.Uint32(), r.Uint32()
	n := r.Count(maxTowers, 4)
	if r.Err() == nil && (uint32(n) != given || offset != 0 || maximum < given) {
		r.Fail("%d towers of %d from %d, and %d are said to be there", n, maximum, offset, given)
	}
	present := 0
	for range n {
		if r.Pointer() {
			present++
		}
	}
	var port uint16
	for range present {
		length := r.Count(r.Left(), 1)
		if said := r.Uint32(); r.Err() == nil && said != uint32(length) {
			r.Fail("a tower of %d bytes, and of %d", length, said)
		}
		if found := towerPort(r.Bytes(uint64(length)), iface); port == 0 {
			port = found
		}
	}
	status := r.Uint32()
	switch {
	case r.Err() != nil:
		return 0, fmt.Errorf("%w: the endpoint mapper's answer: %w", ErrProtocol, r.Err())
	case status == notRegistered || status == 0 && port == 0:
		return 0, fmt.Errorf("%w %s", ErrNoEndpoint, iface)
	case status != 0:
		return 0, fmt.Errorf("%w %s: status 0x%08X", ErrNoEndpoint, iface, status)
	}
	return port, nil
}

// towerPort is the TCP port of a tower for the interface; 0 where it is for
// another, or cannot be read.
func towerPort(tower []byte, iface Syntax) uint16 {
	floors := cutFloors(tower)
	if len(floors) < 4 {
		return 0
	}
	for i, s := range []Syntax{iface, NDR} {
		if string(floors[i].left) != string(syntaxFloor(s)) {
			return 0
		}
	}
	if string(floors[2].left) != string(rune(floorNCACN)) || string(floors[3].left) != string(rune(floorTCP)) || len(floors[3].right) != 2 {
		return 0
	}
	return binary.BigEndian.Uint16(floors[3].right)
}

type floor struct{ left, right []byte }

// cutFloors gives the floors of a tower; none where its lengths do not fit.
func cutFloors(tower []byte) []floor {
	cut := func(n int) []byte {
		if n < 0 || n > len(tower) {
			tower = nil
			return nil
		}
		part := tower[:n]
		tower = tower[n:]
		return part
	}
	length := func() int {
		if b := cut(2); len(b) == 2 {
			return int(binary.LittleEndian.Uint16(b))
		}
		return -1
	}
	var floors []floor
	for range length() {
		left := cut(length())
		right := cut(length())
		if len(left) == 0 {
			return nil
		}
		floors = append(floors, floor{left, right})
	}
	return floors
}
