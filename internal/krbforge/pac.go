package krbforge

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/types"
)

// Buffer is one of a privilege attribute certificate, [MS-PAC] 2.4.
type Buffer struct {
	Kind uint32
	Data []byte
}

// Kinds of buffers, [MS-PAC] 2.4, the key usage of their signatures, and the
// checksums that go with enctypes, [MS-PAC] 2.8.1.
const (
	kindServer     = 6
	kindKDC        = 7
	kindClient     = 10
	kindDelegation = 11
	usagePAC       = 17
)

var checksumOf = map[int32]int32{17: 15, 18: 16, 19: 19, 20: 20, 23: -138}

// ClientInfo is the buffer that holds a certificate to its ticket, [MS-PAC] 2.7.
func ClientInfo(name string, authenticated time.Time) Buffer {
	const epoch = 116444736000000000 // 1970, in the hundred nanoseconds of 1601
	data := binary.LittleEndian.AppendUint64(nil, uint64(authenticated.Unix()*1e7+epoch))
	text := utf16LE(name)
	return Buffer{kindClient, append(binary.LittleEndian.AppendUint16(data, uint16(len(text))), text...)}
}

// Delegation is the buffer of a ticket that services got for its owner, [MS-PAC] 2.9,
// in NDR.
func Delegation(target string, through ...string) Buffer {
	number := func(n int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(n)) }
	head := func(s string, pointer byte) []byte {
		n := len(utf16LE(s))
		return slices.Concat(binary.LittleEndian.AppendUint16(nil, uint16(n)), binary.LittleEndian.AppendUint16(nil, uint16(n)), []byte{pointer, 0, 2, 0})
	}
	text := func(s string) []byte {
		units := utf16LE(s)
		b := slices.Concat(number(len(units)/2), number(0), number(len(units)/2), units)
		return append(b, make([]byte, -len(b)&3)...)
	}
	body := slices.Concat([]byte{0, 0, 2, 0}, head(target, 4), number(len(through)), []byte{8, 0, 2, 0}, text(target), number(len(through)))
	for i, s := range through {
		body = append(body, head(s, byte(12+4*i))...)
	}
	for _, s := range through {
		body = append(body, text(s)...)
	}
	body = append(body, make([]byte, -len(body)&7)...)
	return Buffer{kindDelegation, slices.Concat([]byte{1, 0x10, 8, 0, 0xcc, 0xcc, 0xcc, 0xcc}, number(len(body)), make([]byte, 4), body)}
}

// Signed is a certificate of these buffers under a key, [MS-PAC] 2.8. The KDC's
// signature is of the same key, which no service can tell.
func Signed(t testing.TB, key types.EncryptionKey, buffers ...Buffer) []byte {
	t.Helper()
	e, err := crypto.GetEtype(key.KeyType)
	if err != nil {
		t.Fatal(err)
	}
	blank, err := e.GetChecksumHash(key.KeyValue, nil, usagePAC)
	size := len(must(t, blank, err))
	empty := append(binary.LittleEndian.AppendUint32(nil, uint32(checksumOf[key.KeyType])), make([]byte, size)...)
	buffers = append(slices.Clone(buffers), Buffer{kindServer, empty}, Buffer{kindKDC, empty})
	raw := binary.LittleEndian.AppendUint64(nil, uint64(len(buffers)))
	at := 8 + 16*len(buffers)
	var data []byte
	places := make([]int, 0, len(buffers)) // of each buffer's data
	for _, b := range buffers {
		raw = binary.LittleEndian.AppendUint32(raw, b.Kind)
		raw = binary.LittleEndian.AppendUint32(raw, uint32(len(b.Data)))
		raw = binary.LittleEndian.AppendUint64(raw, uint64(at+len(data)))
		places = append(places, at+len(data))
		data = append(data, b.Data...)
		data = append(data, make([]byte, -len(data)&7)...)
	}
	raw = append(raw, data...)
	server, err := e.GetChecksumHash(key.KeyValue, raw, usagePAC)
	kdc, err2 := e.GetChecksumHash(key.KeyValue, server, usagePAC)
	copy(raw[places[len(places)-2]+4:], must(t, server, err))
	copy(raw[places[len(places)-1]+4:], must(t, kdc, err2))
	return raw
}

// ClientInfo is the buffer that belongs into this ticket.
func (f *Forge) ClientInfo() Buffer {
	return ClientInfo(strings.Join(f.Part.CName.NameString, "/"), f.Part.AuthTime)
}

func utf16LE(text string) (b []byte) {
	for _, unit := range utf16.Encode([]rune(text)) {
		b = binary.LittleEndian.AppendUint16(b, unit)
	}
	return b
}

// Resigned is a certificate that a KDC made, [MS-PAC] 2.3, for this ticket and under
// its key.
func (f *Forge) Resigned(t testing.TB, pac []byte) []byte {
	t.Helper()
	buffers := []Buffer{f.ClientInfo()}
	for i := range int(binary.LittleEndian.Uint32(pac)) {
		head := pac[8+16*i:]
		b := Buffer{Kind: binary.LittleEndian.Uint32(head)}
		from := binary.LittleEndian.Uint64(head[8:])
		b.Data = pac[from : from+uint64(binary.LittleEndian.Uint32(head[4:]))]
		if b.Kind != kindServer && b.Kind != kindKDC && b.Kind != kindClient {
			buffers = append(buffers, b)
		}
	}
	return Signed(t, f.Long, buffers...)
}
