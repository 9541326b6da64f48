package ndr

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestReader: alignment, pointers, and the string of C706 14.3.4.2.
func TestReader(t *testing.T) {
	r := NewReader(unhex(t, "01 00 0200 03000000 04 000000 0600 0800 01000000 04000000 00000000 03000000 6100 3cd8 80df"))
	if a, b, c, d := r.Uint8(), r.Uint16(), r.Uint32(), r.Uint8(); a != 1 || b != 2 || c != 3 || d != 4 {
		t.Errorf("got %d %d %d %d", a, b, c, d)
	}
	r.Bytes(3)
	if s := r.String(); r.Text(s) != "a🎀" || r.Err() != nil || r.Left() != 0 {
		t.Errorf("got %v, %d left", r.Err(), r.Left())
	}
}

// TestReaderRefuses: each is an error, and what comes after it is zero.
func TestReaderRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		raw  string
		read func(*Reader)
	}{
		"too short":            {"010203", func(r *Reader) { r.Uint32() }},
		"too short, aligned":   {"0102030405060708", func(r *Reader) { r.Uint8(); r.Uint32(); r.Uint16() }},
		"a huge count":         {"ffffffff 00000000", func(r *Reader) { r.Count(1<<31-1, 8) }},
		"more than there is":   {"03000000 0000000000000000", func(r *Reader) { r.Count(10, 4) }},
		"more than may be":     {"03000000 000000000000000000000000", func(r *Reader) { r.Count(2, 4) }},
		"an odd string":        {"0300 0400 01000000", func(r *Reader) { r.String() }},
		"longer than its most": {"0400 0200 01000000", func(r *Reader) { r.String() }},
		"a string of nothing":  {"0400 0400 00000000", func(r *Reader) { r.String() }},
		"another length":       {"0200 0200 01000000 01000000 00000000 02000000 61006200", func(r *Reader) { r.Text(r.String()) }},
		"another maximum":      {"0200 0200 01000000 02000000 00000000 01000000 61006200", func(r *Reader) { r.Text(r.String()) }},
		"an offset":            {"0200 0200 01000000 01000000 01000000 01000000 61006200", func(r *Reader) { r.Text(r.String()) }},
		"half a pair":          {"0200 0200 01000000 01000000 00000000 01000000 00d8", func(r *Reader) { r.Text(r.String()) }},
		"two halves":           {"0400 0400 01000000 02000000 00000000 02000000 00dc00d8", func(r *Reader) { r.Text(r.String()) }},
	} {
		r := NewReader(unhex(t, c.raw))
		c.read(r)
		if !errors.Is(r.Err(), ErrMalformed) || r.Uint32() != 0 || r.Pointer() {
			t.Errorf("%s: got %v", name, r.Err())
		}
	}
}

func TestOpen(t *testing.T) {
	good := "01100800 cccccccc 08000000 00000000 00000200 2a000000"
	if r, err := Open(unhex(t, good)); err != nil || r.Uint32() != 42 {
		t.Errorf("got %v", err)
	}
	for name, raw := range map[string]string{
		"version 2":      "02" + good[2:],
		"big-endian":     "0100" + good[4:],
		"longer":         strings.Replace(good, "08000000", "09000000", 1),
		"nothing in it":  strings.Replace(good, "00000200", "00000000", 1),
		"cut":            good[:40],
		"empty":          "",
		"header of nine": strings.Replace(good, "0800 ", "0900 ", 1),
	} {
		if r, err := Open(unhex(t, raw)); !errors.Is(err, ErrMalformed) || r != nil {
			t.Errorf("%s: got %v, %v", name, r, err)
		}
	}
}

// FuzzReader: whatever the bytes and the order of reading, nothing panics and no
// more is given than there was.
func FuzzReader(f *testing.F) {
	f.Add(unhex(f, "01100800cccccccc080000000000000000000200 2a000000"), []byte{0, 1, 2, 3, 4, 5, 6})
	f.Fuzz(func(t *testing.T, raw, order []byte) {
		r, err := Open(raw)
		if err != nil {
			r = NewReader(raw)
		}
		for _, what := range order {
			switch what % 7 {
			case 0:
				r.Uint8()
			case 1:
				r.Uint16()
			case 2:
				r.Uint32()
			case 3:
				if n := r.Count(1000, 4); n*4 > len(raw) {
					t.Errorf("%d elements in %d bytes", n, len(raw))
				}
			case 4:
				if text := r.Text(r.String()); len(text) > 2*len(raw) {
					t.Errorf("a text of %d bytes out of %d", len(text), len(raw))
				}
			case 5:
				r.Bytes(uint64(what))
			case 6:
				r.Pointer()
			}
			if r.Left() < 0 {
				t.Fatal("read beyond the end")
			}
		}
	})
}
