package ndr

import (
	"bytes"
	"strings"
	"testing"
)

// TestWriter: alignment, pointers and both strings, byte for byte.
func TestWriter(t *testing.T) {
	var w Writer
	w.Uint8(1)
	w.Uint16(2)
	w.Uint8(3)
	w.Uint32(4)
	w.Pointer(true)
	w.Pointer(false)
	w.ZeroTerminated("a🎀")
	text, ok := NewWideText("ü")
	w.Head(text)
	w.Text(text)
	want := unhex(t, "01 00 0200 03 000000 04000000 00000200 00000000"+
		"04000000 00000000 04000000 6100 3cd8 80df 0000"+
		"0200 0200 04000200 01000000 00000000 01000000 fc00")
	if got := w.Data(); !ok || !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
}

// TestWriterRoundTrip: the reader understands what the writer writes.
func TestWriterRoundTrip(t *testing.T) {
	for _, want := range []string{"", "alice", "Jörg Müller", "🎀", strings.Repeat("ü", 32767)} {
		text, ok := NewWideText(want)
		if !ok {
			t.Fatalf("%d characters are too long", len(want))
		}
		var w Writer
		w.Head(text)
		w.Text(text)
		r := NewReader(w.Data())
		if got := r.Text(r.String()); got != want || r.Err() != nil || r.Left() != 0 {
			t.Errorf("got %q, %v, %d left, want %q", got, r.Err(), r.Left(), want)
		}
	}
	if _, ok := NewWideText(strings.Repeat("u", 32768)); ok {
		t.Error("a text of 65,536 bytes was taken, and its length has 16 bits")
	}
}
