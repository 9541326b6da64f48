package throttle

import (
	"net/netip"
	"slices"
	"time"
)

// maxHomes is at how many addresses an account is known; who logged in longest ago is
// forgotten.
const maxHomes = 32

// placeLife is how long an attempt may be under way. It is longer than anybody asks a
// controller: a place that is older was left by a node that died, and is given back.
const placeLife = 30 * time.Second

// account is what is known of one account.
type account struct {
	all       times         // what the controllers have counted
	counts    time.Duration // for how long they do, as far as anybody has said
	strangers budget        // from addresses where it is not known
	homes     []home        // the one of the youngest log-in last
	places    places        // attempts under way
}

// home is an address where an account is known.
type home struct {
	address netip.Addr
	good    time.Time // the right password last seen
	budget  budget
}

// place is an attempt under way.
type place struct {
	id    uint64
	until time.Time
	home  netip.Addr // whose budget it takes; zero for the strangers'
}

type places []place

// alive are the places of attempts that may still be under way.
func (p places) alive(now time.Time) places {
	return slices.DeleteFunc(p, func(p place) bool { return !p.until.After(now) })
}

func (p places) without(id uint64) places {
	return slices.DeleteFunc(p, func(p place) bool { return p.id == id })
}

// of counts the places of one budget.
func (p places) of(home netip.Addr) (n int) {
	for i := range p {
		if p[i].home == home {
			n++
		}
	}
	return n
}

// closed is the account of which nobody can tell what it was: strangers wait until
// what may have been counted no longer is.
func closed(now time.Time) *account {
	a := new(account)
	a.strangers.wrong = slices.Repeat(times{now}, maxCounted)
	return a
}

// forget drops what no longer counts for anybody.
func (a *account) forget(now time.Time) {
	a.places = a.places.alive(now)
	a.homes = slices.DeleteFunc(a.homes, func(h home) bool { return now.Sub(h.good) >= KnownFor })
}

// at is the home at an address, nil where there is none.
func (a *account) at(address netip.Addr) *home {
	for i := range a.homes {
		if a.homes[i].address == address && address.IsValid() {
			return &a.homes[i]
		}
	}
	return nil
}

// own is the budget of an address, and whose it is.
func (a *account) own(address netip.Addr) (*budget, netip.Addr) {
	if h := a.at(address); h != nil {
		return &h.budget, h.address
	}
	return &a.strangers, netip.Addr{}
}

// borne is how many wrong passwords may reach a controller in all: one less than lock
// the account. The last of them is kept for addresses where its owner is known, whether
// there are any or not: strangers would see which names have somebody who logs in.
func borne(lockout int, known bool) int {
	if lockout <= 0 {
		return 0
	}
	most := min(max(lockout-1, 1), maxCounted)
	if !known && most > 1 {
		most--
	}
	return most
}

// admit says what becomes of a try: the error is a *Refused, ErrKnownWrong, errBusy, or
// nil where it has taken a place.
func (a *account) admit(l Limits, try Try, print printState, id uint64, now time.Time) (known bool, err error) {
	own, home := a.own(try.Address)
	known = home.IsValid()
	window, domain := try.windows(l)
	most := borne(try.Lockout, known)
	if wait := max(own.until.Sub(now), own.wrong.full(l.Attempts, now, window), a.all.full(most, now, domain)); wait > 0 {
		return known, &Refused{Wait: wait, Whose: OfAccount}
	}
	switch {
	case print == printWrong:
		return known, ErrKnownWrong
	case print == printBusy,
		own.wrong.count(now, window)+a.places.of(home) >= l.Attempts,
		most > 0 && a.all.count(now, domain)+len(a.places) >= most:
		return known, errBusy
	}
	a.places = append(a.places, place{id, now.Add(placeLife), home})
	return known, nil
}

// right notes a right password: the controller has forgotten the wrong ones, and the
// account is known at the address. Of those that were told while it was asked about,
// the controller may have counted some behind it.
func (a *account) right(address netip.Addr, began, now time.Time) {
	a.all = a.all.since(began)
	own, _ := a.own(address)
	*own = budget{}
	if address.IsValid() {
		a.know(address, now)
	}
}

// know notes that the account is known at an address. It resets nothing.
func (a *account) know(address netip.Addr, now time.Time) {
	kept := home{address: address}
	if h := a.at(address); h != nil {
		kept = *h
	}
	kept.good = now
	a.homes = slices.DeleteFunc(a.homes, func(h home) bool { return h.address == address })
	a.homes = append(a.homes, kept)
	a.homes = a.homes[max(len(a.homes)-maxHomes, 0):]
}

// wrong notes a wrong password.
func (a *account) wrong(l Limits, address netip.Addr, now time.Time) {
	own, _ := a.own(address)
	own.count(now)
	own.wait(now, l)
	a.all = a.all.with(now, longestObservation, maxCounted)
}

// locked notes that the domain has locked the account, whatever the password was.
func (a *account) locked(l Limits, address netip.Addr, now time.Time) {
	own, _ := a.own(address)
	own.wait(now, l)
}

// forgive forgets what is counted, and not where the account is known.
func (a *account) forgive() {
	a.all, a.strangers = nil, budget{}
	for i := range a.homes {
		a.homes[i].budget = budget{}
	}
}

func (a *account) isEmpty() bool {
	return len(a.all) == 0 && len(a.homes) == 0 && len(a.places) == 0 && a.strangers.isEmpty()
}
