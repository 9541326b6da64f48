package throttle

import (
	"context"
	"errors"
	"net/netip"
	"time"
)

// lookAgain is how long whoever waits takes an end elsewhere for not seen: another
// node rings no bell here.
const lookAgain = 75 * time.Millisecond

// turnKey is those who wait in one line: what the first of them is told holds for the
// next.
type turnKey struct {
	account string
	address netip.Addr
}

type turn struct {
	taken chan struct{}
	n     int
}

// takeTurn waits in line, so that of many tries of one account from one address one at
// a time looks at the store. leave lets the next one look.
func (p *Process) takeTurn(ctx context.Context, key turnKey) (leave func(), err error) {
	p.mu.Lock()
	t := p.turns[key]
	if t == nil {
		t = &turn{taken: make(chan struct{}, 1)}
		p.turns[key] = t
	}
	t.n++
	p.mu.Unlock()
	quit := func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if t.n--; t.n == 0 {
			delete(p.turns, key)
		}
	}
	select {
	case t.taken <- struct{}{}:
		return func() { <-t.taken; quit() }, nil
	case <-ctx.Done():
		quit()
		return nil, context.Cause(ctx)
	}
}

// bell rings when an attempt of an account, or from an address, ends.
type bell struct {
	rung chan struct{}
	n    int // who listen
}

// listen hears the end of attempts, until leave is called.
func (p *Process) listen(key string) (rung <-chan struct{}, leave func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.bells[key]
	if b == nil {
		b = &bell{rung: make(chan struct{})}
		p.bells[key] = b
	}
	b.n++
	return b.rung, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if b.n--; b.n == 0 && p.bells[key] == b {
			delete(p.bells, key)
		}
	}
}

func (p *Process) ring(keys ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, key := range keys {
		if b := p.bells[key]; b != nil {
			close(b.rung)
			delete(p.bells, key)
		}
	}
}

// bellsOf are those of a try.
func bellsOf(t Try) []string {
	return []string{"account " + t.Account, "address " + t.Address.String()}
}

// wait looks again and again, at each end of an attempt, until look no longer says
// that all places are taken.
func (p *Process) wait(ctx context.Context, try Try, look func() error) error {
	keys := bellsOf(try)
	for {
		account, leaveAccount := p.listen(keys[0])
		address, leaveAddress := p.listen(keys[1])
		err := look()
		if errors.Is(err, errBusy) {
			again := time.NewTimer(lookAgain)
			select {
			case <-account:
			case <-address:
			case <-again.C:
			case <-ctx.Done():
				err = context.Cause(ctx)
			}
			again.Stop()
		}
		leaveAccount()
		leaveAddress()
		if !errors.Is(err, errBusy) {
			return err
		}
	}
}
