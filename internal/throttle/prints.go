package throttle

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

// Fingerprint is a password under a key that this process alone has.
type Fingerprint [16]byte

// Fingerprint makes one.
func (t *Throttle) Fingerprint(account, password string) Fingerprint {
	h := hmac.New(sha256.New, t.process.key[:])
	_, _ = fmt.Fprintf(h, "%d:%s%s", len(account), account, password)
	return Fingerprint(h.Sum(nil))
}

// printState is what this process knows of a password.
type printState int

const (
	printNew   printState = iota
	printWrong            // it was wrong a moment ago
	printBusy             // a controller is being asked about it
)

// claim is a password that a controller is being asked about.
type claim struct {
	account string
	print   Fingerprint
}

// asked is how often that is done at the moment; an attempt that nobody has ended is
// forgotten like its place.
type asked struct {
	n     int
	until time.Time
}

// maxWrong is how many wrong passwords of an account are known; the oldest are
// forgotten.
const maxWrong = 16

// A record of prints is the right password, zeros where none is known, and wrong ones,
// each with its time. It never leaves the process.
const (
	printLen = len(Fingerprint{})
	wrongLen = printLen + 8
)

// rightFor is how long a password that was right may be asked about more than once at a
// time.
const rightFor = 5 * time.Minute

// claim says what is known of a try's password, and where that is nothing notes that a
// controller is asked about it. A password that was right a moment ago may be asked
// about by several at once: a browser opens six connections.
func (p *Process) claim(try Try, window time.Duration) printState {
	if try.Password == (Fingerprint{}) {
		return printNew
	}
	record, now := p.printsOf(try.Account), p.now()
	isRight := len(record) >= wrongLen && Fingerprint(record[:printLen]) == try.Password && now.Sub(timeAt(record[printLen:])) < rightFor
	for i := wrongLen; i+wrongLen <= len(record); i += wrongLen {
		if Fingerprint(record[i:i+printLen]) == try.Password && now.Sub(timeAt(record[i+printLen:])) < window {
			return printWrong
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c := claim{try.Account, try.Password}
	held := p.claims[c]
	if !held.until.After(now) {
		held.n = 0
	}
	if held.n > 0 && !isRight {
		return printBusy
	}
	p.claims[c] = asked{held.n + 1, now.Add(placeLife)}
	return printNew
}

// unclaim ends what claim began by printNew.
func (p *Process) unclaim(try Try) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := claim{try.Account, try.Password}
	held := p.claims[c]
	if held.n--; held.n <= 0 {
		delete(p.claims, c)
		return
	}
	p.claims[c] = held
}

func (p *Process) printsOf(account string) []byte {
	record, _ := p.prints.Get(context.Background(), store.Key{Kind: store.KindAccount, Name: account}) // a Memory fails for names no store takes
	return record
}

func (p *Process) changePrints(account string, change func(record []byte) []byte) {
	_ = p.prints.Update(context.Background(), store.Key{Kind: store.KindAccount, Name: account}, func(old []byte) ([]byte, time.Duration, error) {
		return change(old), LongestWindow, nil
	})
}

// noteWrong remembers a wrong password.
func (p *Process) noteWrong(try Try) {
	if try.Password == (Fingerprint{}) {
		return
	}
	p.changePrints(try.Account, func(old []byte) []byte {
		head, wrong := make([]byte, wrongLen), []byte(nil)
		if len(old) >= wrongLen {
			copy(head, old)
			wrong = old[wrongLen:]
		}
		if Fingerprint(head[:printLen]) == try.Password {
			clear(head)
		}
		wrong = wrong[max(len(wrong)-(maxWrong-1)*wrongLen, 0):]
		return appendPrint(append(head, wrong...), try.Password, p.now())
	})
}

// noteRight forgets an account's wrong passwords, and remembers the right one.
func (p *Process) noteRight(account string, print Fingerprint) {
	p.changePrints(account, func([]byte) []byte {
		if print == (Fingerprint{}) {
			return nil
		}
		return appendPrint(nil, print, p.now())
	})
}

func appendPrint(b []byte, print Fingerprint, at time.Time) []byte {
	return appendTime(append(b, print[:]...), at)
}

func timeAt(b []byte) time.Time { return time.Unix(0, int64(binary.BigEndian.Uint64(b))) }

// markPause is how long an account that is known at an address need not be marked
// again: each request with a ticket would.
const markPause = time.Hour

// marks reports whether it is time to mark an account as known at an address.
func (p *Process) marks(account string, address netip.Addr) bool {
	first, err := store.Once(context.Background(), p.prints, store.Key{Kind: store.KindAddress, Name: address.String() + " " + account}, markPause)
	return first || err != nil
}
