package caddyntlm

import (
	"bytes"
	"compress/flate"
	"io"
	"sync"
)

// A store hands the whole record out for each request, and most of that is the names of
// groups, which resemble each other: packed they are a fifth. They are unpacked once an
// edition.

// packedVersion is the first byte of what snapshotOf wrote and was packed.
const packedVersion = snapshotVersion + 1

const (
	packFrom    = 2 << 10 // bytes: below it there is little to win
	maxUnpacked = 8 << 20
)

var packers = sync.Pool{New: func() any {
	w, _ := flate.NewWriter(nil, flate.BestSpeed) // fails for a level that is none alone
	return w
}}

// packed is a snapshot as it is kept.
func packed(snapshot []byte) []byte {
	if len(snapshot) < packFrom {
		return snapshot
	}
	var to bytes.Buffer
	to.WriteByte(packedVersion)
	w := packers.Get().(*flate.Writer)
	defer packers.Put(w)
	w.Reset(&to)
	_, _ = w.Write(snapshot) // a buffer takes all
	_ = w.Close()
	return to.Bytes()
}

// unpacked is a snapshot as it was before.
func unpacked(b []byte) ([]byte, error) {
	if len(b) == 0 || b[0] != packedVersion {
		return b, nil
	}
	snapshot, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(b[1:])), maxUnpacked+1))
	if err == nil && len(snapshot) > maxUnpacked {
		err = errSnapshot
	}
	return snapshot, err
}
