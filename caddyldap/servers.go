package caddyldap

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// A server that fails is put aside for firstBackoff, doubling to lastBackoff.
// When all are aside they are tried again at most once in sweepPause.
const (
	firstBackoff = time.Second
	lastBackoff  = time.Minute
	sweepPause   = time.Second
)

// server is one controller and what became of it lately.
type server struct {
	url     URL
	rank    int                    // its place in the configuration
	tls     *tls.Config            // nil without TLS
	ignored func([]string)         // told of referrals, may be nil
	took    prometheus.Observer    // of exchanges, may be nil
	host    atomic.Pointer[string] // as it calls itself, see hostOf

	// Under servers.mu.
	failures int
	tried    time.Time // the last failure
	until    time.Time // aside until then; zero when in service
	probing  bool
}

// servers is the list in order of preference. What works is kept: the list is
// left only when the server in use fails.
type servers struct {
	now   func() time.Time
	dial  func(context.Context, *server) (*conn, error)
	probe func(context.Context, *server) error // asks something and hangs up
	spawn func(func(context.Context))          // runs in the background
	turn  func(sv *server, err error)          // told when one is put aside, and with nil when it is back

	mu       sync.Mutex
	list     []*server
	current  *server
	sweeping bool
	swept    time.Time
	last     error // why everything is aside
}

func (d *Directory) newServers(config *tls.Config) *servers {
	s := &servers{now: d.now, dial: d.dial, spawn: d.spawn, turn: d.logTurn, probe: func(ctx context.Context, sv *server) error {
		_, err := d.look(ctx, sv)
		return err
	}}
	for i, configured := range d.Server {
		url, _ := ParseServer(configured.URL) // CheckStatic has read it before
		sv := &server{url: url, rank: i, ignored: func(referrals []string) {
			d.log().Debug("referrals ignored", zap.Strings("referrals", referrals))
		}}
		if url.TLS || d.StartTLS {
			sv.tls = config.Clone()
			sv.tls.ServerName = cmp.Or(configured.ServerName, config.ServerName, url.Host)
		}
		s.list = append(s.list, sv)
	}
	s.current = s.list[0]
	s.last = identity.Fail(identity.KindUnavailable, nil)
	return s
}

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
func (s *servers) try(ctx context.Context, act func(context.Context, *conn) error) error {
	return s.tryIn(ctx, nil, s.answered, act)
}

// spread is try for one connection more of several: the server that has the
// fewest comes first, one under suspicion last. Which server is in use for
// everybody else stays as it is.
func (s *servers) spread(ctx context.Context, connections func(*server) int, act func(context.Context, *conn) error) error {
	return s.tryIn(ctx, func(order []*server) {
		weight := make(map[*server]int, len(order))
		for _, sv := range order {
			weight[sv] = connections(sv)
			if s.isSuspect(sv) {
				weight[sv] += maxPoolSize
			}
		}
		slices.SortStableFunc(order, func(a, b *server) int { return weight[a] - weight[b] })
	}, s.back, act)
}

func (s *servers) tryIn(ctx context.Context, sort func([]*server), answered func(*server), act func(context.Context, *conn) error) error {
	order, swept, err := s.order()
	if err != nil {
		return err
	}
	if sort != nil && !swept {
		sort(order)
	}
	asked, done, err := s.each(ctx, order, answered, act)
	if !done && !swept {
		if order, swept, _ = s.order(); swept {
			order = slices.DeleteFunc(order, func(sv *server) bool { return slices.Contains(asked, sv) })
			if len(order) > 0 {
				_, _, err = s.each(ctx, order, answered, act)
			}
		}
	}
	s.rest(swept)
	return err
}

// each asks servers in turn. It is done when one has answered or the caller's
// patience ended, which is no server's fault.
func (s *servers) each(ctx context.Context, order []*server, answered func(*server), act func(context.Context, *conn) error) (asked []*server, done bool, err error) {
	for _, sv := range order {
		asked = append(asked, sv)
		var c *conn
		if c, err = s.dial(ctx, sv); err == nil {
			if err = act(ctx, c); !unanswered(err) {
				answered(sv)
				return asked, true, err
			}
			s.suspect(sv)
		} else if ctx.Err() == nil {
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

// order lists the servers to ask: those in service, the one in use first. When
// there are none it lists all, for one caller at a time and once in a while;
// the others fail at once.
func (s *servers) order() (order []*server, sweep bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	var up, due []*server
	for _, sv := range s.list {
		switch {
		case sv.until.IsZero():
			up = append(up, sv)
		case !sv.probing && !now.Before(sv.until):
			due = append(due, sv)
		}
	}
	if len(up) > 0 {
		for _, sv := range due {
			s.probeLater(sv)
		}
		slices.SortStableFunc(up, func(a, b *server) int { return b2i(b == s.current) - b2i(a == s.current) })
		return up, false, nil
	}
	if s.sweeping || now.Before(s.swept.Add(sweepPause)) {
		return nil, false, s.last
	}
	s.sweeping = true
	all := slices.Clone(s.list)
	slices.SortStableFunc(all, func(a, b *server) int { return a.tried.Compare(b.tried) })
	return all, true, nil
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
