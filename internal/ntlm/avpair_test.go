package ntlm

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParseAVPairs(t *testing.T) { // B-06
	const (
		eol  = "00000000"
		name = "01000200" + "4100"
	)
	for _, c := range []struct {
		name, in string
		want     int // pairs; -1: refused
	}{
		{"end alone", eol, 0},
		{"one name", name + eol, 1},
		{"zeros after the end", name + eol + eol, 1},
		{"empty name", "09000000" + eol, 1},
		{"unread host data", "08000300" + "010203" + eol, 1},
		{"nothing", "", -1},
		{"no end", name, -1},
		{"half an end", name + "0000", -1},
		{"an end with a value", "00000100" + "00", -1},
		{"twice", name + name + eol, -1},
		{"unknown id", "0b000000" + eol, -1},
		{"id in the high byte", "01010000" + eol, -1},
		{"value past the end", "0100ffff" + "4100" + eol, -1},
		{"odd name", "01000300" + "410042" + eol, -1},
		{"lone surrogate", "01000200" + "00dc" + eol, -1},
		{"short flags", "06000200" + "0200" + eol, -1},
		{"empty flags", "06000000" + eol, -1},
		{"long time", "07000900" + "000000000000000000" + eol, -1},
		{"short bindings", "0a000f00" + strings.Repeat("00", 15) + eol, -1},
		{"10,000 pairs", strings.Repeat("08000000", 10000) + eol, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := ParseAVPairs(unhex(t, c.in))
			if c.want < 0 {
				if !errors.Is(err, ErrAVPair) || !errors.Is(err, ErrMalformed) || p != nil {
					t.Errorf("got %v, %v, want nil and ErrAVPair", p, err)
				}
				return
			}
			if err != nil || len(p) != c.want {
				t.Errorf("got %v, %v, want %d pairs", p, err, c.want)
			}
		})
	}
}

func TestAVPairsOffset(t *testing.T) {
	_, err := ParseAVPairs(unhex(t, "01000200410001000200420000000000"))
	var bad *MalformedError
	if !errors.As(err, &bad) || bad.Offset != 6 || bad.Field != "MsvAvNbComputerName" {
		t.Errorf("got %v, want MsvAvNbComputerName at 6", err)
	}
}

func TestAVPairsAccess(t *testing.T) {
	now := time.Date(2024, 2, 29, 12, 0, 0, 123456700, time.UTC)
	bindings := [16]byte{1, 2, 3}
	p := AVPairs{}.
		SetText(AVNbComputerName, "WEB01").SetText(AVNbDomainName, "EXAMPLE").
		SetText(AVDNSComputerName, "web01.example.com").SetText(AVDNSDomainName, "example.com").
		SetText(AVDNSTreeName, "example.org").SetText(AVTargetName, "HTTP/web01").
		Set(AVFlags, []byte{6, 0, 0, 0}).Set(AVTimestamp, FiletimeOf(now).bytes()).
		Set(AVChannelBindings, bindings[:]).Set(AVSingleHost, make([]byte, 48))
	b, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	q, err := ParseAVPairs(b)
	if err != nil || !reflect.DeepEqual(p, q) {
		t.Fatalf("got %v, %v, want %v", q, err, p)
	}
	spn, _ := q.TargetName()
	got := []string{q.NbComputerName(), q.NbDomainName(), q.DNSComputerName(), q.DNSDomainName(), q.DNSTreeName(), spn}
	want := []string{"WEB01", "EXAMPLE", "web01.example.com", "example.com", "example.org", "HTTP/web01"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("names: got %q, want %q", got, want)
	}
	if f := q.Flags(); f != AVFlagMIC|AVFlagUntrustedSPN {
		t.Errorf("flags: got %v", f)
	}
	if stamp, ok := q.Timestamp(); !ok || !stamp.Time().Equal(now) {
		t.Errorf("time: got %v, want %v", stamp.Time(), now)
	}
	if hash, ok := q.ChannelBindings(); !ok || hash != bindings {
		t.Errorf("bindings: got %x, %v, want %x", hash, ok, bindings)
	}
}

func TestAVPairsAbsent(t *testing.T) {
	p := AVPairs{}.Set(AVChannelBindings, make([]byte, 16))
	if _, ok := p.ChannelBindings(); ok {
		t.Error("sixteen zero bytes count as channel bindings")
	}
	if _, ok := p.TargetName(); ok {
		t.Error("target name out of nothing")
	}
	if _, ok := p.Timestamp(); ok {
		t.Error("time out of nothing")
	}
	if p.Flags() != 0 || p.NbDomainName() != "" {
		t.Error("flags or name out of nothing")
	}
	if _, ok := p.Text(AVChannelBindings); ok {
		t.Error("bindings read as a name")
	}
}

func TestAVPairsMarshalRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		p    AVPairs
	}{
		{"end inside", AVPairs{{ID: AVEOL}}},
		{"unknown id", AVPairs{{ID: 0x0b}}},
		{"twice", AVPairs{{ID: AVSingleHost}, {ID: AVSingleHost}}},
		{"flags of one byte", AVPairs{{ID: AVFlags, Value: []byte{1}}}},
		{"too long", AVPairs{{ID: AVSingleHost, Value: make([]byte, 1<<16)}}},
	} {
		if b, err := c.p.Marshal(); err == nil || b != nil {
			t.Errorf("%s: got %x, %v, want an error", c.name, b, err)
		}
	}
}

func TestAVPairsSetLeavesReceiver(t *testing.T) {
	p := AVPairs{}.SetText(AVNbDomainName, "A")
	_ = p.SetText(AVNbDomainName, "B")
	if got := p.NbDomainName(); got != "A" {
		t.Errorf("got %q, want A", got)
	}
}

func TestChannelBindings(t *testing.T) {
	// A certificate and the bindings that Windows made of it, seen in FreeRDP's
	// record of a session and in the messages of Chromium's tests.
	hash := unhex(t, "ea05fefecc6b0bd571dbbc5baa3ed45386d0446835f7b74c85621b9983475f95")
	got := ChannelBindings(append([]byte("tls-server-end-point:"), hash...))
	wantHex(t, "channel bindings", got[:], "6586e99d81c2fc984e47172fd4dd0310")
}
