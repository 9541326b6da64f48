package throttle

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// records are an account and an address of which everything is known.
func records() (a *account, b *address, now time.Time) {
	now = time.Unix(1_800_000_000, 5)
	a, b = new(account), new(address)
	l := usual
	a.right(netip.MustParseAddr("192.0.2.1"), now, now)
	a.right(netip.MustParseAddr("2001:db8::"), now, now)
	a.wrong(l, netip.MustParseAddr("192.0.2.1"), now)
	a.wrong(l, netip.MustParseAddr("198.51.100.1"), now.Add(time.Second))
	a.places = places{{1, now.Add(placeLife), netip.MustParseAddr("2001:db8::")}, {1 << 63, now, netip.Addr{}}}
	b.count(now)
	b.take(7, now)
	return a, b, now
}

// TestRecords: what was written reads back; what was cut reads not, and lets no
// stranger in until the window is over.
func TestRecords(t *testing.T) {
	a, b, now := records()
	whole := a.encode()
	back, ok := decodeAccount(whole)
	if !ok || !bytes.Equal(back.encode(), whole) || len(back.homes) != 2 || len(back.all) != 2 || back.places.of(netip.Addr{}) != 1 {
		t.Errorf("got %+v, %v", back, ok)
	}
	for i := 1; i < len(whole); i++ {
		if _, ok := decodeAccount(whole[:i]); ok {
			t.Errorf("read %d of %d bytes", i, len(whole))
		}
	}
	if back, ok := decodeAddress(b.encode()); !ok || !bytes.Equal(back.encode(), b.encode()) || len(back.places) != 1 {
		t.Errorf("got %+v, %v", back, ok)
	}
	if new(account).encode() != nil || new(address).encode() != nil {
		t.Error("nothing takes room")
	}
	unread, readable := readAccount([]byte{9}, now)
	if _, err := unread.admit(usual, from("192.0.2.1"), printNew, 1, now); readable || waitOf(err) != usual.Window {
		t.Errorf("unreadable: got %v, want it refused for a window", err)
	}
	if _, err := unread.admit(usual, from("192.0.2.1"), printNew, 1, now.Add(usual.Window)); err != nil {
		t.Errorf("after it: %v", err)
	}
}

// TestFirstRecords: what was written before there was a counting time reads, homes and all,
// and where there is none to keep, such nodes read what is written now.
func TestFirstRecords(t *testing.T) {
	a, _, now := records()
	a.counts = time.Hour
	second := a.encode()
	all := 1 + 2 + 8*len(a.all)
	first := slices.Concat([]byte{1}, second[1:all], second[all+8:])
	back, ok := decodeAccount(first)
	if !ok || len(back.homes) != 2 || len(back.all) != 2 || back.counts != 0 {
		t.Fatalf("got %+v, %v", back, ok)
	}
	if got := back.encode(); !bytes.Equal(got, first) {
		t.Errorf("got %x, want %x", got, first)
	}
	if _, ok := decodeAccount(slices.Concat([]byte{1}, second[1:])); ok {
		t.Error("a first record with a counting time reads")
	}
	value, _ := back.kept(usual, from("192.0.2.1"))
	if back, ok = decodeAccount(value); !ok || back.counts != usual.Window {
		t.Errorf("counted on: got %+v, %v", back, ok)
	}
	a.right(netip.MustParseAddr("192.0.2.1"), now.Add(time.Hour), now.Add(time.Hour))
	if value, _ = a.kept(usual, from("192.0.2.1")); value[0] != 1 {
		t.Errorf("without wrong passwords: got version %d, want 1", value[0])
	}
}

func FuzzAccount(f *testing.F) {
	a, _, _ := records()
	f.Add(a.encode())
	f.Add([]byte{})
	f.Add([]byte{firstVersion, 0xff, 0xff})
	a.counts = time.Hour
	f.Add(a.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok := decodeAccount(b)
		if !ok {
			return
		}
		if got := a.encode(); len(b) > 0 && !a.isEmpty() && !bytes.Equal(got, b) {
			t.Errorf("got %x, want %x", got, b)
		}
		now := time.Unix(1_800_000_000, 0)
		a.forget(now)
		_, _ = a.admit(usual, Try{Account: "alice", Address: netip.MustParseAddr("192.0.2.1"), Lockout: 3, Observation: time.Hour}, printNew, 1, now)
		a.wrong(usual, netip.MustParseAddr("192.0.2.1"), now)
		a.right(netip.MustParseAddr("192.0.2.1"), now, now)
		if len(a.all) > maxCounted || len(a.homes) > max(maxHomes, len(b)) {
			t.Errorf("got %d wrong ones and %d homes", len(a.all), len(a.homes))
		}
	})
}

func FuzzAddress(f *testing.F) {
	_, b, _ := records()
	f.Add(b.encode())
	f.Add([]byte{firstVersion, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, ok := decodeAddress(raw)
		if !ok {
			return
		}
		if got := a.encode(); len(raw) > 0 && !a.isEmpty() && !bytes.Equal(got, raw) {
			t.Errorf("got %x, want %x", got, raw)
		}
		now := time.Unix(1_800_000_000, 0)
		a.forget(now)
		a.count(now)
		_ = a.admit(usual, now)
	})
}
