package caddyldap

import (
	"cmp"
	"context"
	"crypto/tls"
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
	url        URL
	discovered bool                   // by DNS
	rank       atomic.Int64           // its place in the list
	gone       atomic.Bool            // DNS names it no longer
	tls        *tls.Config            // nil without TLS
	ignored    func([]string)         // told of referrals, may be nil
	took       prometheus.Observer    // of exchanges, may be nil
	host       atomic.Pointer[string] // as it calls itself, see hostOf

	// Under servers.mu.
	tier     int // 0 in the configuration, then one for each priority in DNS
	failures int
	tried    time.Time // the last failure
	until    time.Time // aside until then; zero when in service
	probing  bool
}

// servers is the list in order of preference. What works is kept: within a tier
// the server in use is left only when it fails. A client of DNS uses the first
// priority that it can reach, RFC 2782, so it goes back to an earlier tier.
type servers struct {
	now   func() time.Time
	dial  func(context.Context, *server) (*conn, error)
	probe func(context.Context, *server) error // asks something and hangs up
	spawn func(func(context.Context))          // runs in the background
	turn  func(sv *server, err error)          // told when one is put aside, and with nil when it is back
	later func(time.Duration, func())          // does something after a while; nil never does

	finder *finder // nil where DNS is not asked
	fixed  int     // how many are of the configuration, the first of the list

	mu       sync.Mutex
	list     []*server
	current  *server // may be nil, or one that is gone
	sweeping bool
	swept    time.Time
	last     error // why everything is aside
}

func (d *Directory) newServers() *servers {
	s := &servers{now: d.now, dial: d.dial, spawn: d.spawn, turn: d.logTurn, probe: func(ctx context.Context, sv *server) error {
		_, err := d.look(ctx, sv)
		return err
	}}
	s.later = d.later
	for i, configured := range d.Server {
		url, _ := ParseServer(configured.URL) // CheckStatic has read it before
		sv := d.newServer(url, configured.ServerName)
		sv.rank.Store(int64(i))
		s.list = append(s.list, sv)
	}
	s.fixed = len(s.list)
	if s.fixed > 0 {
		s.current = s.list[0]
	}
	s.finder = d.newFinder(d.discovered)
	s.last = identity.Fail(identity.KindUnavailable, nil)
	return s
}

// newServer makes a server whose certificate is for a name; where that is empty,
// for the one of the word tls or the URL's host.
func (d *Directory) newServer(url URL, name string) *server {
	sv := &server{url: url, took: d.metrics.exchanges.WithLabelValues(d.name, url.Addr()), ignored: func(referrals []string) {
		d.log().Debug("referrals ignored", zap.Strings("referrals", referrals))
	}}
	if url.TLS || d.StartTLS {
		sv.tls = d.trust.Clone()
		sv.tls.ServerName = cmp.Or(name, d.trust.ServerName, url.Host)
	}
	return sv
}

// order lists the servers to ask: those in service, of a tier the one in use
// first. When there are none it lists all, for one caller at a time and once in
// a while; the others fail at once.
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
		slices.SortStableFunc(up, func(a, b *server) int {
			return cmp.Or(a.tier-b.tier, b2i(b == s.current)-b2i(a == s.current))
		})
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
