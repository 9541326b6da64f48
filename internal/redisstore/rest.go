package redisstore

import (
	"sync"
	"time"
)

// away is how long a server that does not answer is left alone. It bounds how late
// anybody notices that it is back.
const away = 500 * time.Millisecond

// rest leaves a server alone for a moment after it has not answered, so that a request
// fails at once instead of waiting as long as the ones before. After that one who asks
// finds out, and the others go on failing until it has an answer.
type rest struct {
	mu      sync.Mutex
	cause   error // of the last failure, nil while the server answers
	until   time.Time
	looking bool
}

// enter says whether to ask the server: nil, or why not. After nil one of answered,
// failed and left follows.
func (r *rest) enter(now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cause == nil {
		return nil
	}
	if r.looking || now.Before(r.until) {
		return r.cause
	}
	r.looking = true
	return nil
}

// answered ends the rest.
func (r *rest) answered() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cause, r.looking = nil, false
}

// why is the last failure, nil while the server answers.
func (r *rest) why() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cause
}

// failed begins one.
func (r *rest) failed(now time.Time, cause error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cause, r.looking, r.until = cause, false, now.Add(away)
}

// left says that whoever entered has found out nothing: the next one may look.
func (r *rest) left() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.looking = false
}
