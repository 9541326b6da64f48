package ntlm

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// largest is the longest message that the door hands to this package.
const largest = 32 << 10

// TestWorkIsBounded: threats B-05 and B-06. How long reading takes is told from
// what it touches: each message, however it is made, costs memory in proportion
// to its length, in a fixed number of pieces, and a list of attributes is given
// up at the eleventh.
func TestWorkIsBounded(t *testing.T) {
	name := strings.Repeat("é", 5000) // 10,000 bytes of UTF-16, and of UTF-8
	long := func(change func(*Authenticate)) []byte {
		m := &Authenticate{Flags: NegotiateUnicode, Domain: name, User: name, Workstation: name[:2000], NTResponse: make([]byte, 2000)}
		change(m)
		b, err := m.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	// The list has every id there is, the names among them as long as may be.
	pairs := AVPairs{}
	for id := AVNbComputerName; id <= AVChannelBindings; id++ {
		switch {
		case id.fixedLen() > 0:
			pairs = pairs.Set(id, make([]byte, id.fixedLen()))
		default:
			pairs = pairs.SetText(id, strings.Repeat("x", 1500))
		}
	}
	list, err := pairs.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	response := func(list []byte) []byte {
		b := append(make([]byte, v2PairsAt), list...)
		b[16], b[17] = respType, respType
		return b
	}
	oem := long(func(m *Authenticate) { m.Domain, m.User, m.Workstation = "", "", "" })
	oem = append(oem, bytes.Repeat([]byte{0x80}, largest-len(oem))...)
	binary.LittleEndian.PutUint32(oem[authenticateFlagsAt:], uint32(NegotiateOEM))
	oem = edit(oem, authenticateUserAt, uint16(largest-4000), 4000)
	for _, c := range []struct {
		name string
		msg  []byte
	}{
		{"long names", long(func(*Authenticate) {})},
		{"long names outside UTF-8", oem},
		{"all attributes, as long as they may be", long(func(m *Authenticate) {
			m.Domain, m.User, m.Workstation, m.NTResponse = "", "u", "", response(list)
		})},
		{"as many empty attributes as fit", long(func(m *Authenticate) {
			m.Domain, m.User, m.Workstation = "", "u", ""
			m.NTResponse = response(bytes.Repeat([]byte{8, 0, 0, 0}, 7000))
		})},
		{"all zeros", append(start(TypeAuthenticate, authenticateMIC), make([]byte, largest-authenticateMIC)...)},
		{"all ones", append(start(TypeAuthenticate, 12), bytes.Repeat([]byte{0xff}, largest-12)...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if len(c.msg) > largest {
				t.Fatalf("%d bytes are more than the door lets through", len(c.msg))
			}
			read := func() {
				if m, err := ParseAuthenticate(c.msg); err == nil {
					_, _ = m.V2()
				}
				_, _ = ParseNegotiate(c.msg)
			}
			// Windows-1252 grows threefold as UTF-8, in a buffer that doubles.
			if got, want := allocated(read), uint64(16*len(c.msg)+4096); got > want {
				t.Errorf("got %d bytes allocated for %d, want at most %d", got, len(c.msg), want)
			}
			if got := testing.AllocsPerRun(5, read); got > 40 {
				t.Errorf("got %v pieces of memory, want at most 40", got)
			}
		})
	}
}

// allocated is how many bytes a function allocates, the least of some runs: other
// goroutines allocate too.
func allocated(f func()) uint64 {
	var all []uint64
	for range 5 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		all = append(all, after.TotalAlloc-before.TotalAlloc)
	}
	return slices.Min(all)
}
