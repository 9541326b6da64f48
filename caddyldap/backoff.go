package caddyldap

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// look connects to a server and reads its rootDSE, which needs no bind.
func (d *Directory) look(ctx context.Context, sv *server) (rootDSE, error) {
	c, err := d.dial(ctx, sv)
	if err != nil {
		return rootDSE{}, err
	}
	defer c.close()
	c.open()
	root, err := readRoot(ctx, c)
	if err == nil {
		d.domain.note(root)
	}
	return root, diagnose(sv, searching, err)
}

// answered keeps to a server that works.
func (s *servers) answered(sv *server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !sv.gone.Load() {
		s.current = sv
	}
	s.restore(sv)
}

// back returns a server to service; the one in use stays in use.
func (s *servers) back(sv *server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.restore(sv)
}

func (s *servers) restore(sv *server) {
	if !sv.until.IsZero() && !sv.gone.Load() {
		s.turn(sv, nil)
	}
	sv.failures, sv.until = 0, time.Time{}
}

// failed puts a server aside. Failures of requests that were under way when it
// was put aside count once.
func (s *servers) failed(sv *server, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.last = noServer(err)
	sv.tried = now
	if now.Before(sv.until) {
		return
	}
	if sv.until.IsZero() && !sv.gone.Load() {
		s.turn(sv, err)
	}
	sv.failures++
	rest := backoff(sv.failures)
	sv.until = now.Add(rest)
	if s.later != nil {
		s.later(rest, func() { s.lookAgain(sv) })
	}
}

// lookAgain looks at a server that has been aside for long enough, though nobody
// asks: its figures must not say for a whole quiet night that it is down.
func (s *servers) lookAgain(sv *server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !sv.until.IsZero() && !sv.probing && !sv.gone.Load() {
		s.probeLater(sv)
	}
}

// logTurn is one line for each time that a server goes and comes back.
func (d *Directory) logTurn(sv *server, err error) {
	if err == nil {
		d.log().Info("server is back in service", zap.String("server", sv.url.Addr()))
		return
	}
	d.log().Warn("server put aside", faultFields(sv, err)...)
}

// faultFields are the log fields of what is wrong with a server, which may be
// nil.
func faultFields(sv *server, err error) []zap.Field {
	fields := []zap.Field{zap.Stringer("reason", identity.KindOf(err)), zap.Error(err)}
	if sv != nil {
		fields = append(fields, zap.String("server", sv.url.Addr()))
	}
	if e, ok := errors.AsType[*identity.Error](err); ok && e.Hint != "" {
		fields = append(fields, zap.String("hint", e.Hint))
	}
	return fields
}

// noServer is the error while every server is aside: of the kind and with the
// hint of the last failure.
func noServer(err error) *identity.Error {
	e := &identity.Error{Kind: identity.KindOf(err), Err: fmt.Errorf("no server is in service; the last failure: %w", err)}
	if cause, ok := errors.AsType[*identity.Error](err); ok {
		e.Hint = cause.Hint
	}
	return e
}

// backoff is how long a server stays aside after so many failures in a row.
func backoff(failures int) time.Duration {
	if failures > 6 {
		return lastBackoff
	}
	return min(firstBackoff<<(failures-1), lastBackoff)
}

// rest ends a sweep, where there was one.
func (s *servers) rest(swept bool) {
	if !swept {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweeping, s.swept = false, s.now()
}

// suspect has a server looked at that gave no answer to somebody.
func (s *servers) suspect(sv *server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !sv.probing {
		s.probeLater(sv)
	}
}

// standing reports whether a server is being looked at, and its tier.
func (s *servers) standing(sv *server) (suspect bool, tier int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sv.probing, sv.tier
}

// probeLater looks in the background whether a server works. Called with the
// lock held.
func (s *servers) probeLater(sv *server) {
	sv.probing = true
	s.spawn(func(ctx context.Context) {
		err := s.probe(ctx, sv)
		s.mu.Lock()
		sv.probing = false
		s.mu.Unlock()
		switch {
		case ctx.Err() != nil:
		case err != nil:
			s.failed(sv, err)
		default:
			s.back(sv)
		}
	})
}
