package caddyldap

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// try connects to one server after another and runs an act on the connection,
// until one answers; the act closes the connection unless it succeeds. An act
// whose error says that there was no answer is run again on the next server;
// any other outcome is the answer.
//
// A server that cannot be connected to is put aside. One that fails in an act
// is only looked at: a client may have made it fail, and must not take it away
// from everybody.
//
// When those in service all fail, the others get their chance in the same call.
func (s *servers) try(ctx context.Context, act act) error {
	return s.tryBy(ctx, way{answered: s.answered, dial: s.dial}, act)
}

// tryAgain is try for an act that can be done on a connection which has served
// another one, where there is one to spare.
func (s *servers) tryAgain(ctx context.Context, spare *spare, act act) error {
	return s.tryBy(ctx, way{answered: s.answered, dial: func(ctx context.Context, sv *server) (*conn, error) {
		if c := spare.take(ctx, sv); c != nil {
			return c, nil
		}
		return s.dial(ctx, sv)
	}}, act)
}

// spread is try for one connection more of several: of the servers of the first
// tier the one that has the fewest, one under suspicion last. Which server is in
// use for everybody else stays as it is.
func (s *servers) spread(ctx context.Context, connections func(*server) int, act act) error {
	sort := func(order []*server) {
		type place struct{ suspect, tier, connections int }
		places := make(map[*server]place, len(order))
		for _, sv := range order {
			suspect, tier := s.standing(sv)
			places[sv] = place{b2i(suspect), tier, connections(sv)}
		}
		slices.SortStableFunc(order, func(a, b *server) int {
			p, q := places[a], places[b]
			return cmp.Or(p.suspect-q.suspect, p.tier-q.tier, p.connections-q.connections)
		})
	}
	return s.tryBy(ctx, way{sort: sort, answered: s.back, dial: s.dial}, act)
}

// act is something done on a connection.
type act func(context.Context, *conn) error

// way is how an act comes to a connection.
type way struct {
	sort     func([]*server) // of those in service; may be nil
	answered func(*server)   // told who has answered
	dial     func(context.Context, *server) (*conn, error)
}

func (s *servers) tryBy(ctx context.Context, by way, act act) error {
	if err := s.await(ctx); err != nil {
		return err
	}
	known := s.all()
	order, swept, err := s.order()
	if err != nil {
		return err
	}
	if by.sort != nil && !swept {
		by.sort(order)
	}
	s.renew(swept)
	asked, done, err := s.each(ctx, order, by, act)
	if !done && !swept {
		if order, swept, _ = s.order(); swept {
			s.renew(swept)
			order = slices.DeleteFunc(order, func(sv *server) bool { return slices.Contains(asked, sv) })
			if len(order) > 0 {
				_, done, err = s.each(ctx, order, by, act)
			}
		}
	}
	s.rest(swept)
	if swept && !done {
		if more := s.newcomers(ctx, known); len(more) > 0 {
			_, _, err = s.each(ctx, more, by, act)
		}
	}
	return err
}

// each asks servers in turn. It is done when one has answered or the caller's
// patience ended, which is no server's fault.
func (s *servers) each(ctx context.Context, order []*server, by way, act act) (asked []*server, done bool, err error) {
	for _, sv := range order {
		asked = append(asked, sv)
		var c *conn
		if c, err = by.dial(ctx, sv); err == nil {
			err = act(ctx, c)
			if c.reused && identity.KindOf(err) == identity.KindUnavailable && ctx.Err() == nil {
				// Its server had ended it meanwhile, which is nobody's failure.
				if c, err = s.dial(ctx, sv); err == nil {
					err = act(ctx, c)
				}
			}
		}
		switch {
		case err == nil || c != nil && !unanswered(err):
			by.answered(sv)
			return asked, true, err
		case c != nil:
			s.suspect(sv)
		case ctx.Err() == nil:
			s.failed(sv, err)
		}
		if ctx.Err() != nil {
			return asked, true, err
		}
	}
	return asked, false, err
}

// elsewhere is an answer that another server may give otherwise.
type elsewhere struct{ error }

// Unwrap gives the answer.
func (e *elsewhere) Unwrap() error { return e.error }

// unanswered reports whether an error leaves open what the server would have
// said: it gave no answer, or one that says to come back later.
func unanswered(err error) bool {
	if err == nil {
		return false
	}
	if _, ok := errors.AsType[*elsewhere](err); ok {
		return true
	}
	if a, ok := errors.AsType[*answer](err); ok && a.at != dialing {
		return identity.KindOf(err) == identity.KindBusy
	}
	switch identity.KindOf(err) {
	case identity.KindUnavailable, identity.KindBusy, identity.KindTimeout, identity.KindTLS, identity.KindProtocol:
		return true
	}
	return false
}
