package throttle

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// Both records begin with a version, which a later one must still read: nodes are not
// renewed all at once. Times are nanoseconds of Unix, 0 for none; lists have their
// length before them. What reads back is what was written, and nothing else reads.

// The versions. The second one is an account for which the domain's counting time is kept:
// nodes that know the first alone take it for one that they cannot read, and let nobody in
// by it for a window.
const (
	firstVersion  = 1
	secondVersion = 2
)

// encode writes an account; nil for one of which nothing is known.
func (a *account) encode() []byte {
	if a.isEmpty() {
		return nil
	}
	b := appendTimes([]byte{firstVersion}, a.all)
	if a.counts > 0 {
		b[0] = secondVersion
		b = binary.BigEndian.AppendUint64(b, uint64(a.counts))
	}
	b = appendBudget(b, a.strangers)
	b = appendLength(b, len(a.homes))
	for _, h := range a.homes {
		b = appendTime(appendAddress(b, h.address), h.good)
		b = appendBudget(b, h.budget)
	}
	return appendPlaces(b, a.places)
}

// decodeAccount reads one; ok is false where it is none. Nothing at all is an account
// of which nothing is known.
func decodeAccount(b []byte) (a *account, ok bool) {
	a = new(account)
	ok = decode(b, secondVersion, func(r *reader) {
		a.all = r.times()
		if b[0] == secondVersion {
			a.counts = r.duration()
		}
		a.strangers = r.budget()
		for range r.length(1 + 8 + budgetLen) {
			a.homes = append(a.homes, home{r.address(), r.time(), r.budget()})
		}
		a.places = r.places()
	})
	return a, ok
}

// encode writes an address; nil for one of which nothing is known.
func (a *address) encode() []byte {
	if a.isEmpty() {
		return nil
	}
	return appendPlaces(appendTimes([]byte{firstVersion}, a.wrong), a.places)
}

// decodeAddress reads one as decodeAccount does an account.
func decodeAddress(b []byte) (a *address, ok bool) {
	a = new(address)
	ok = decode(b, firstVersion, func(r *reader) { a.wrong, a.places = r.times(), r.places() })
	return a, ok
}

// decode reads a record whole, of the versions up to a last one; nothing at all is one too.
func decode(b []byte, last byte, read func(*reader)) (ok bool) {
	if len(b) == 0 {
		return true
	}
	r := reader{rest: b[1:], bad: b[0] < firstVersion || b[0] > last}
	read(&r)
	return r.atEnd()
}

func appendLength(b []byte, n int) []byte { return binary.BigEndian.AppendUint16(b, uint16(n)) }

func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return binary.BigEndian.AppendUint64(b, 0)
	}
	return binary.BigEndian.AppendUint64(b, uint64(t.UnixNano()))
}

func appendTimes(b []byte, t times) []byte {
	b = appendLength(b, len(t))
	for _, at := range t {
		b = appendTime(b, at)
	}
	return b
}

const budgetLen = 2 + 1 + 8 + 8

func appendBudget(b []byte, x budget) []byte {
	b = append(appendTimes(b, x.wrong), byte(x.doubled))
	return appendTime(appendTime(b, x.until), x.last)
}

func appendAddress(b []byte, a netip.Addr) []byte {
	raw := a.AsSlice()
	return append(append(b, byte(len(raw))), raw...)
}

func appendPlaces(b []byte, p places) []byte {
	b = appendLength(b, len(p))
	for _, one := range p {
		b = binary.BigEndian.AppendUint64(b, one.id)
		b = appendAddress(appendTime(b, one.until), one.home)
	}
	return b
}

// reader reads a record. After the first fault it reads nothing but zeros.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) atEnd() bool { return !r.bad && len(r.rest) == 0 }

func (r *reader) take(n int) []byte {
	if r.bad || n > len(r.rest) {
		r.bad = true
		return make([]byte, n)
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

// length reads the length of a list whose elements have at least so many bytes.
func (r *reader) length(each int) int {
	n := int(binary.BigEndian.Uint16(r.take(2)))
	if n*each > len(r.rest) {
		r.bad = true
		return 0
	}
	return n
}

func (r *reader) time() time.Time {
	if n := int64(binary.BigEndian.Uint64(r.take(8))); n != 0 {
		return time.Unix(0, n)
	}
	return time.Time{}
}

// duration is one that is there, up to the longest that a domain is believed to count.
func (r *reader) duration() time.Duration {
	d := time.Duration(binary.BigEndian.Uint64(r.take(8)))
	if d <= 0 || d > longestObservation {
		r.bad = true
	}
	return d
}

func (r *reader) times() (t times) {
	for range r.length(8) {
		t = append(t, r.time())
	}
	return t
}

func (r *reader) budget() budget {
	return budget{r.times(), int(r.take(1)[0]), r.time(), r.time()}
}

func (r *reader) address() netip.Addr {
	n := int(r.take(1)[0])
	if n != 0 && n != 4 && n != 16 {
		r.bad = true
		return netip.Addr{}
	}
	a, _ := netip.AddrFromSlice(r.take(n))
	return a
}

func (r *reader) places() (p places) {
	for range r.length(8 + 8 + 1) {
		p = append(p, place{binary.BigEndian.Uint64(r.take(8)), r.time(), r.address()})
	}
	return p
}
