package session

import (
	"encoding/binary"
	"errors"
	"time"
)

// Form is how a client shows its token. One is never taken for the other: a program's
// key stands in files and is sent by hand, a cookie is sent by the browser to whatever
// page has it asked.
type Form uint8

// The forms.
const (
	Cookie Form = 1 + iota
	Key
)

// String is the word of the admin endpoint and the log.
func (f Form) String() string {
	switch f {
	case Cookie:
		return "cookie"
	case Key:
		return "key"
	}
	return ""
}

// Record is what is kept of a session.
type Record struct {
	Form      Form
	Directory string // the key of whose account it is
	Account   string // which it is there
	Host      string // where it is good
	Name      string // of the user, for administrators
	Address   string // that logged in, for administrators
	Scheme    string // of the log-in
	Verifier  string
	FactorOf  string    // what the second factor was checked by, empty where none was given
	Factor    time.Time // when that was
	Opened    time.Time
	Used      time.Time // last, to a minute
	Ends      time.Time // whatever happens
	Idle      time.Duration
	// Edition grows with each change of Snapshot, so that what was made of one can be
	// kept beside it.
	Edition uint64
	// Snapshot is what the caller knows of the user.
	Snapshot []byte
}

// Bounds of a record, in bytes.
const (
	maxText     = 4 << 10
	MaxSnapshot = 1<<20 - 64<<10 // a store takes 1 MiB
)

// version is the first byte of every record.
const version = 2

var (
	errRecord = errors.New("not a record of a session")

	// ErrLarge says that more is known of the user than a session may hold.
	ErrLarge = errors.New("more is known of the user than a session may hold")
)

// texts are the record's texts in the order of their bytes.
func (r *Record) texts() [8]*string {
	return [...]*string{&r.Directory, &r.Account, &r.Host, &r.Name, &r.Address, &r.Scheme, &r.Verifier, &r.FactorOf}
}

// times are the record's times in the order of their bytes.
func (r *Record) times() [4]*time.Time {
	return [...]*time.Time{&r.Factor, &r.Opened, &r.Used, &r.Ends}
}

// encode is the record's bytes.
func (r *Record) encode() ([]byte, error) {
	size := 64 + len(r.Snapshot)
	for _, text := range r.texts() {
		if len(*text) > maxText {
			return nil, ErrLarge
		}
		size += len(*text)
	}
	if len(r.Snapshot) > MaxSnapshot {
		return nil, ErrLarge
	}
	b := append(make([]byte, 0, size), version, byte(r.Form))
	for _, text := range r.texts() {
		b = binary.AppendUvarint(b, uint64(len(*text)))
		b = append(b, *text...)
	}
	for _, at := range r.times() {
		b = binary.BigEndian.AppendUint64(b, nanos(*at))
	}
	b = binary.BigEndian.AppendUint64(b, uint64(r.Idle))
	b = binary.BigEndian.AppendUint64(b, r.Edition)
	return append(b, r.Snapshot...), nil
}

// decode reads a record. Its snapshot stays in the bytes given.
func decode(b []byte) (*Record, error) {
	if len(b) < 2 || b[0] != version || Form(b[1]).String() == "" {
		return nil, errRecord
	}
	r := &Record{Form: Form(b[1])}
	b = b[2:]
	for _, text := range r.texts() {
		n, used := binary.Uvarint(b)
		if used <= 0 || used > 1 && b[used-1] == 0 || n > maxText || n > uint64(len(b)-used) {
			return nil, errRecord
		}
		*text = string(b[used : used+int(n)])
		b = b[used+int(n):]
	}
	const word = 8
	times := r.times()
	if len(b) < word*(len(times)+2) || len(b)-word*(len(times)+2) > MaxSnapshot {
		return nil, errRecord
	}
	for i, at := range times {
		*at = atNanos(binary.BigEndian.Uint64(b[word*i:]))
	}
	b = b[word*len(times):]
	r.Idle = time.Duration(binary.BigEndian.Uint64(b))
	r.Edition = binary.BigEndian.Uint64(b[word:])
	r.Snapshot = b[2*word:]
	return r, nil
}

// nanos is a time as its bytes have it, to the nanosecond: no time is 0.
func nanos(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(t.UnixNano())
}

func atNanos(n uint64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(n))
}
