package dcerpc

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ndr"
)

// A Syntax names an interface, or a way to write values, by UUID and version,
// p_syntax_id_t of C706 12.6.3.1.
type Syntax struct {
	UUID         [16]byte // as it travels: the first three parts are little-endian
	Major, Minor uint16
}

// NewSyntax takes the UUID as it is written, 8a885d04-1ceb-11c9-9fe8-08002b104860.
// It panics when that is not one: they are all constants.
func NewSyntax(uuid string, major, minor uint16) Syntax {
	raw, err := hex.DecodeString(strings.ReplaceAll(uuid, "-", ""))
	if err != nil || len(raw) != 16 {
		panic("dcerpc: " + uuid + " is not a UUID")
	}
	binary.LittleEndian.PutUint32(raw, binary.BigEndian.Uint32(raw))
	binary.LittleEndian.PutUint16(raw[4:], binary.BigEndian.Uint16(raw[4:]))
	binary.LittleEndian.PutUint16(raw[6:], binary.BigEndian.Uint16(raw[6:]))
	return Syntax{UUID: [16]byte(raw), Major: major, Minor: minor}
}

// NDR is the transfer syntax, [MS-RPCE] 2.2.4.12: NDR 2.0.
var NDR = NewSyntax("8a885d04-1ceb-11c9-9fe8-08002b104860", 2, 0)

// String is the UUID as it is written, and the version.
func (s Syntax) String() string {
	u := s.UUID
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x v%d.%d", binary.LittleEndian.Uint32(u[:]), binary.LittleEndian.Uint16(u[4:]),
		binary.LittleEndian.Uint16(u[6:]), u[8:10], u[10:], s.Major, s.Minor)
}

func (s Syntax) write(w *ndr.Writer) {
	w.Bytes(s.UUID[:])
	w.Uint16(s.Major)
	w.Uint16(s.Minor)
}

func readSyntax(r *ndr.Reader) Syntax {
	var s Syntax
	copy(s.UUID[:], r.Bytes(16))
	s.Major, s.Minor = r.Uint16(), r.Uint16()
	return s
}
