package session

import (
	"bytes"
	"testing"
	"time"
)

// FuzzRecord: what is read is written back byte for byte, and nothing else is read.
func FuzzRecord(f *testing.F) {
	full := ofAlice(Key)
	full.Address, full.Scheme, full.Verifier, full.FactorOf = "192.0.2.1", "negotiate", "keytab", "info"
	full.Factor, full.Opened, full.Used, full.Ends = time.Unix(1, 2), time.Unix(3, 4), time.Unix(5, 6), time.Unix(7, 8)
	full.Idle, full.Edition = time.Minute, 9
	for _, r := range []Record{{Form: Cookie}, ofAlice(Cookie), full} {
		b, err := r.encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:len(b)-1])
	}
	f.Add([]byte{})
	f.Add([]byte{version, byte(Cookie), 0x80, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decode(b)
		if err != nil {
			if r != nil {
				t.Error("got a record beside an error")
			}
			return
		}
		again, err := r.encode()
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("got %x, %v of %x", again, err, b)
		}
	})
}

// FuzzList: a list is read whole or not at all, and is never longer than one may be.
func FuzzList(f *testing.F) {
	f.Add(encodeList(nil))
	f.Add(encodeList([]entry{{id: newToken().ID(), ends: time.Unix(1, 2), back: true}, {ends: time.Unix(3, 4)}}))
	f.Add([]byte{version, 1, 2})
	f.Fuzz(func(t *testing.T, b []byte) {
		list := decodeList(b)
		if len(list) > MostOf {
			t.Errorf("got %d", len(list))
		}
		for i := range list {
			again := decodeList(encodeList(list[i : i+1]))
			if len(again) != 1 || again[0].id != list[i].id || again[0].back != list[i].back || !again[0].ends.Equal(list[i].ends) {
				t.Errorf("got %v of %v", again, list[i])
			}
		}
	})
}

func TestRecordBounds(t *testing.T) {
	for name, change := range map[string]func(*Record){
		"text":     func(r *Record) { r.Account = string(make([]byte, maxText+1)) },
		"snapshot": func(r *Record) { r.Snapshot = make([]byte, MaxSnapshot+1) },
	} {
		r := ofAlice(Cookie)
		change(&r)
		if b, err := r.encode(); err == nil || b != nil {
			t.Errorf("%s: got %d bytes", name, len(b))
		}
	}
}
