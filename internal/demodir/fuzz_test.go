package demodir

import (
	"bufio"
	"bytes"
	"testing"

	asn1 "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// FuzzRequest feeds bytes to the parser as a connection would. Whatever it
// reads, another library reads too, and no filter that it lets through trips
// the matcher.
func FuzzRequest(f *testing.F) {
	for _, filter := range []string{"(a=b)", "(&(a=b*c*d)(!(e=*)))", "(m:1.2.840.113556.1.4.1941:=CN=a)", "(|(n>=1)(n<=2)(o~=x))"} {
		f.Add(searchFrame(f, filter))
	}
	f.Add([]byte("\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00"))
	f.Add([]byte("\x30\x1d\x02\x01\x02\x77\x18\x80\x16" + oidStartTLS))
	t, err := buildTree(Demo())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(tt *testing.T, data []byte) {
		frame, err := readFrame(bufio.NewReader(bytes.NewReader(data)))
		if err != nil {
			return
		}
		r, err := parseRequest(frame)
		if err != nil {
			return
		}
		if search, ok := r.op.(*searchRequest); ok {
			m := &matcher{tree: t}
			for _, e := range t.entries {
				m.match(search.filter, e)
			}
		}
		if bind, ok := r.op.(*bindRequest); ok && bind.method&0xE0 != 0x80 && bind.method != methodSASL {
			return // nobody looks inside a way to authenticate that is not served
		}
		if r.op == nil {
			return // nor inside an unknown operation
		}
		if _, err := asn1.DecodePacketErr(frame); err != nil {
			tt.Errorf("% x: another library says %v", frame, err)
		}
	})
}

func searchFrame(f *testing.F, filter string) []byte {
	packet, err := ldap.CompileFilter(filter)
	if err != nil {
		f.Fatal(err)
	}
	body := join(octets("DC=example,DC=test"), integer(tagEnumerated, 2), integer(tagEnumerated, 0),
		integer(tagInteger, 0), integer(tagInteger, 0), element(tagBoolean, []byte{0}), packet.Bytes(), element(tagSequence))
	return element(tagSequence, integer(tagInteger, 3), element(opSearch, body))
}

// What the encoder writes, another library reads the same.
func TestElements(t *testing.T) {
	for _, n := range []int{0, 1, 127, 128, 255, 256, 32767, 32768, 1<<31 - 1} {
		p := asn1.DecodePacket(integer(tagInteger, n))
		if got, ok := p.Value.(int64); !ok || got != int64(n) {
			t.Errorf("got %v, want %d", p.Value, n)
		}
		again := ber(integer(tagInteger, n))
		if got, err := again.number(tagInteger); err != nil || got != n {
			t.Errorf("got %d, %v, want %d", got, err, n)
		}
	}
	for _, size := range []int{0, 1, 127, 128, 300, 70000} {
		text := string(bytes.Repeat([]byte{'x'}, size))
		if got := asn1.DecodePacket(octets(text)).Value; got != text {
			t.Errorf("%d bytes come back changed", size)
		}
	}
}

func TestFrameBounds(t *testing.T) {
	deep := []byte{filterPresent, 1, 'a'}
	for range maxFilterDepth + 2 {
		deep = element(filterNot, deep)
	}
	cursor := ber(deep)
	if _, err := parseFilter(&cursor, 0); err == nil {
		t.Error("a filter of any depth is read")
	}
	long := element(tagSequence, make([]byte, maxMessage+1))
	if _, err := readFrame(bufio.NewReader(bytes.NewReader(long))); err == nil {
		t.Error("a message of any length is read")
	}
}
