package throttle

import (
	"slices"
	"time"
)

// address is what is known of one address, or IPv6 network of 64 bits.
type address struct {
	wrong  times
	places places
}

func closedAddress(now time.Time) *address {
	return &address{wrong: slices.Repeat(times{now}, MostPerAddress)}
}

func (a *address) forget(now time.Time) { a.places = a.places.alive(now) }

// admit says what would become of a try: the error is a *Refused or errBusy.
func (a *address) admit(l Limits, now time.Time) error {
	if wait := a.wrong.full(l.PerAddress, now, l.Window); wait > 0 {
		return &Refused{Wait: wait, Whose: OfAddress}
	}
	if a.wrong.count(now, l.Window)+len(a.places) >= l.PerAddress {
		return errBusy
	}
	return nil
}

func (a *address) take(id uint64, now time.Time) {
	a.places = append(a.places, place{id: id, until: now.Add(placeLife)})
}

func (a *address) count(now time.Time) { a.wrong = a.wrong.with(now, LongestWindow, MostPerAddress) }

func (a *address) isEmpty() bool { return len(a.wrong) == 0 && len(a.places) == 0 }
