package ndr

import (
	"encoding/binary"
	"unicode/utf16"
)

// Writer writes one value after another, each aligned to its size as C706 14.2.2
// has it. It starts at a place that is aligned for everything. Its zero value is
// ready.
type Writer struct {
	data     []byte
	referent uint32
}

// Data is what has been written.
func (w *Writer) Data() []byte { return w.data }

// Align writes zeros up to a multiple, a power of two.
func (w *Writer) Align(multiple int) {
	for len(w.data)&(multiple-1) != 0 {
		w.data = append(w.data, 0)
	}
}

// Bytes writes bytes as they are.
func (w *Writer) Bytes(b []byte) { w.data = append(w.data, b...) }

// Uint8 writes a byte.
func (w *Writer) Uint8(v uint8) { w.data = append(w.data, v) }

// Uint16 writes two bytes, aligned.
func (w *Writer) Uint16(v uint16) {
	w.Align(2)
	w.data = binary.LittleEndian.AppendUint16(w.data, v)
}

// Uint32 writes four bytes, aligned.
func (w *Writer) Uint32(v uint32) {
	w.Align(4)
	w.data = binary.LittleEndian.AppendUint32(w.data, v)
}

// Pointer writes a unique pointer with something behind it, or the null pointer.
// The referent is the caller's to write, after the structure that has the pointer.
func (w *Writer) Pointer(present bool) {
	if !present {
		w.Uint32(0)
		return
	}
	w.Uint32(0x00020000 + 4*w.referent)
	w.referent++
}

// Varying writes the head of a conformant varying array, C706 14.3.3.4, of so many
// elements, all of which are sent.
func (w *Writer) Varying(elements int) {
	w.Uint32(uint32(elements))
	w.Uint32(0)
	w.Uint32(uint32(elements))
}

// ZeroTerminated writes a [string] of wide characters with the zero that ends it,
// C706 14.3.4.
func (w *Writer) ZeroTerminated(text string) {
	units := append(utf16.Encode([]rune(text)), 0)
	w.Varying(len(units))
	w.units(units)
}

// WideText is an RPC_UNICODE_STRING, [MS-DTYP] 2.3.10, to be written: Head in the
// structure, Text with the referents. It has no zero at its end.
type WideText []uint16

// NewWideText encodes a text; false where it is too long to be written, 32,767
// characters of 16 bits.
func NewWideText(text string) (WideText, bool) {
	units := utf16.Encode([]rune(text))
	return units, 2*len(units) <= 0xFFFE
}

// Head writes the lengths, in bytes, and the pointer.
func (w *Writer) Head(t WideText) {
	w.Uint16(uint16(2 * len(t)))
	w.Uint16(uint16(2 * len(t)))
	w.Pointer(true)
}

// Text writes the characters.
func (w *Writer) Text(t WideText) {
	w.Varying(len(t))
	w.units(t)
}

func (w *Writer) units(units []uint16) {
	for _, u := range units {
		w.data = binary.LittleEndian.AppendUint16(w.data, u)
	}
}
