package caddyldap

import (
	"context"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
)

// What becomes of the list of servers when DNS is asked.

// newcomersWait is how long somebody to whom no known server answers waits for
// DNS to name others.
const newcomersWait = time.Second

// all are the servers in order of preference.
func (s *servers) all() []*server {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.list)
}

// await waits for the first servers, where the configuration names none.
func (s *servers) await(ctx context.Context) error {
	if s.finder == nil || len(s.all()) > 0 {
		return nil
	}
	err := s.finder.wait(ctx)
	if len(s.all()) > 0 {
		return nil
	}
	return err
}

// renew has DNS asked once more where all servers are aside.
func (s *servers) renew(swept bool) {
	if swept && s.finder != nil {
		s.finder.look()
	}
}

// newcomers are servers that DNS names, asked now that all known ones fail.
func (s *servers) newcomers(ctx context.Context, known []*server) []*server {
	if s.finder == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, newcomersWait)
	defer cancel()
	select {
	case <-s.finder.look():
	case <-ctx.Done():
	}
	return slices.DeleteFunc(s.all(), func(sv *server) bool { return slices.Contains(known, sv) })
}

// replace puts what DNS names behind the servers of the configuration. A server
// that was there before keeps what became of it. It returns those that are there
// no longer.
func (s *servers) replace(order []record, reach func(record) URL, open func(URL) *server) (gone []*server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	former := s.list
	s.list = slices.Clip(former[:s.fixed]) // others hold the former list
	tier := 0
	for i, r := range order {
		if i == 0 || peers(order[i-1], r) != 0 {
			tier++
		}
		url := reach(r)
		if len(s.list) == s.fixed+maxDiscovered || s.covers(url) {
			continue
		}
		sv := serverAt(former, url)
		if sv == nil {
			sv = open(url)
		}
		sv.tier = tier
		s.list = append(s.list, sv)
	}
	for i, sv := range s.list {
		sv.rank.Store(int64(i))
	}
	for _, sv := range former {
		if !slices.Contains(s.list, sv) {
			sv.gone.Store(true)
			gone = append(gone, sv)
		}
	}
	return gone
}

// covers reports whether the list has a server: one that DNS named already, or
// the configuration, which says how it is reached.
func (s *servers) covers(url URL) bool {
	return serverAt(s.list, url) != nil || slices.ContainsFunc(s.list[:s.fixed], func(sv *server) bool {
		return strings.EqualFold(sv.url.Host, url.Host)
	})
}

func serverAt(list []*server, url URL) *server {
	if at := slices.IndexFunc(list, func(sv *server) bool { return sv.url == url }); at >= 0 {
		return list[at]
	}
	return nil
}

// discovered takes what DNS names, in order, into use.
func (d *Directory) discovered(order []record) {
	gone := d.servers.replace(order, d.reach, func(u URL) *server {
		sv := d.newServer(u, "")
		sv.discovered = true
		return sv
	})
	for _, sv := range gone {
		d.metrics.forget(d.name, sv)
		d.spare.drop(sv)
		if d.service != nil {
			d.service.pool.drop(sv)
		}
	}
	if d.service != nil {
		d.service.pool.reorder()
	}
	var names []string
	for _, sv := range d.servers.all() {
		names = append(names, sv.url.Addr())
	}
	fields := []zap.Field{zap.Strings("servers", names), zap.Int("records", len(order))}
	if len(order) > maxDiscovered {
		fields = append(fields, zap.String("hint", "more controllers than are used: name the site behind the domain after discover, so that the near ones are"))
	}
	d.log().Info("DNS names the controllers", fields...)
}
