package caddyntlm

import (
	"encoding/binary"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// snapshotReader reads until something is bad, and from then on nothing.
type snapshotReader struct {
	rest []byte
	bad  bool
}

// number reads one that is no greater than most, in its shortest form.
func (r *snapshotReader) number(most uint64) uint64 {
	n, used := binary.Uvarint(r.rest)
	if used <= 0 || used > 1 && r.rest[used-1] == 0 || n > most {
		r.bad, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[used:]
	return n
}

func (r *snapshotReader) bytes(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.bad, r.rest = true, nil
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *snapshotReader) text() string { return string(r.bytes(r.number(maxSnapshotText))) }
func (r *snapshotReader) flag() bool   { return r.number(1) == 1 }

// maxSnapshotText and maxSnapshotNumber are beyond all that a session may hold.
const (
	maxSnapshotText   = 1 << 20
	maxSnapshotNumber = 1<<64 - 1
)

// length reads that of a list of things that take a byte at least.
func (r *snapshotReader) length() (n int, none bool) {
	got := r.number(uint64(len(r.rest)) + 1)
	return max(0, int(got)-1), got == 0
}

func (r *snapshotReader) texts() []string {
	n, none := r.length()
	if none {
		return nil
	}
	list := make([]string, 0, min(n, len(r.rest)))
	for i := 0; i < n && !r.bad; i++ {
		list = append(list, r.text())
	}
	return list
}

func (r *snapshotReader) sid() identity.SID {
	raw := r.bytes(r.number(maxSnapshotText))
	if len(raw) == 0 {
		return identity.SID{}
	}
	sid, err := identity.SIDFromBytes(raw)
	r.bad = r.bad || err != nil
	return sid
}

func (r *snapshotReader) said() *said {
	if !r.flag() {
		return nil
	}
	s := &said{demand: r.text()}
	s.meant.Target = r.text()
	if r.flag() {
		if b := r.bytes(16); !r.bad {
			s.meant.Binding = (*[16]byte)(append([]byte(nil), b...))
		}
	}
	return s
}

func (r *snapshotReader) account() identity.Account {
	var a identity.Account
	for _, s := range accountTexts(&a) {
		*s = r.text()
	}
	a.SID = r.sid()
	a.ByToken = r.flag()
	if r.flag() {
		a.At = time.Unix(0, int64(r.number(maxSnapshotNumber)))
	}
	a.PasswordSet = int64(r.number(maxSnapshotNumber))
	n := r.number(uint64(len(r.rest)))
	a.Groups = make([]identity.Group, 0, n/4)
	for i := uint64(0); i < n && !r.bad; i++ {
		a.Groups = append(a.Groups, identity.Group{SID: r.sid(), DN: r.text(), Name: r.text(), Domain: r.text()})
	}
	if r.flag() {
		a.Details = r.details()
	}
	return a
}

func (r *snapshotReader) details() *identity.Details {
	d := new(identity.Details)
	if n, none := r.length(); !none {
		d.Attributes = make([]identity.Attribute, 0, n/3)
		for i := 0; i < n && !r.bad; i++ {
			d.Attributes = append(d.Attributes, identity.Attribute{Name: r.text(), Values: r.texts(), Partial: r.flag()})
		}
	}
	d.Roles, d.Unsure = r.texts(), r.texts()
	if n, none := r.length(); !none {
		d.Fittings = make([]identity.Fitting, 0, n/2)
		for i := 0; i < n && !r.bad; i++ {
			d.Fittings = append(d.Fittings, identity.Fitting{Filter: r.text(), Fit: identity.Fit(r.number(uint64(identity.FitYes)))})
		}
	}
	return d
}
