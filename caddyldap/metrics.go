package caddyldap

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// Figures for Prometheus about controllers. docs/metrics.md tells of each.

// sharedMetrics keeps the one set of figures over reloads: a new configuration
// has a new registry, in which the same set is registered again.
var sharedMetrics = caddy.NewUsagePool()

const metricsKey = "ldap"

// Outcomes of an attempt to connect; the others are kinds of failure.
const (
	connected = "ok"
	givenUp   = "given_up" // the client left, or the configuration went
)

// exchangeBuckets are seconds, from a search on a kept connection to the
// deadline of an authentication.
var exchangeBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// metrics are the figures of all directories. A nil one counts nothing.
type metrics struct {
	connections *prometheus.CounterVec
	exchanges   *prometheus.HistogramVec
	up          *prometheus.Desc
	channels    *prometheus.CounterVec // of machine accounts
	channel     channelDescs

	mu          sync.Mutex
	directories map[*Directory]struct{}
	lookups     map[string]*lookups // by directory

	kept keptDescs
}

func newMetrics() *metrics {
	labels := []string{"directory", "server"}
	return &metrics{
		connections: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "caddy_windows_auth_ldap_connections_total",
			Help: "Attempts to connect to a controller, TLS included, by their outcome.",
		}, append(labels, "outcome")),
		exchanges: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "caddy_windows_auth_ldap_exchange_duration_seconds",
			Help:    "How long a controller took for one question: a leg of a bind, or a search.",
			Buckets: exchangeBuckets,
		}, labels),
		up: prometheus.NewDesc("caddy_windows_auth_ldap_server_up",
			"1 while a controller is in service, 0 while it is put aside.", labels, nil),
		channels:    newChannels(),
		channel:     newChannelDescs(),
		directories: make(map[*Directory]struct{}),
		lookups:     make(map[string]*lookups),
		kept:        newKeptDescs(),
	}
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(to chan<- *prometheus.Desc) {
	m.connections.Describe(to)
	m.exchanges.Describe(to)
	m.channels.Describe(to)
	for _, desc := range [...]*prometheus.Desc{m.up, m.channel.up, m.channel.running} {
		to <- desc
	}
	m.kept.describe(to)
}

// Collect implements prometheus.Collector. Several directories may have one
// name and server, during a reload among others: the server is up when it is
// for all of them.
func (m *metrics) Collect(to chan<- prometheus.Metric) {
	m.connections.Collect(to)
	m.exchanges.Collect(to)
	type label struct{ directory, server string }
	aside := make(map[label]bool)
	m.mu.Lock()
	for d := range m.directories {
		for server, out := range d.servers.aside() {
			l := label{d.name, server}
			aside[l] = aside[l] || out
		}
	}
	m.collectKept(to)
	m.collectChannels(to)
	m.mu.Unlock()
	for l, out := range aside {
		to <- prometheus.MustNewConstMetric(m.up, prometheus.GaugeValue, float64(b2i(!out)), l.directory, l.server)
	}
}

// aside tells for each server whether it is put aside.
func (s *servers) aside() map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	aside := make(map[string]bool, len(s.list))
	for _, sv := range s.list {
		aside[sv.url.Addr()] = !sv.until.IsZero()
	}
	return aside
}

// Destruct implements caddy.Destructor.
func (m *metrics) Destruct() error { return nil }

// loadMetrics takes part in the one set of figures. unmeasure ends that.
func (d *Directory) loadMetrics() error {
	shared, _, err := sharedMetrics.LoadOrNew(metricsKey, func() (caddy.Destructor, error) { return newMetrics(), nil })
	if err != nil {
		return err
	}
	d.metrics = shared.(*metrics)
	return nil
}

// measure counts the directory in with the others, in the registry of its
// configuration.
func (d *Directory) measure(ctx caddy.Context) error {
	m := d.metrics
	m.mu.Lock()
	m.directories[d] = struct{}{}
	m.mu.Unlock()
	err := ctx.GetMetricsRegistry().Register(m)
	if already, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok && already.ExistingCollector == prometheus.Collector(m) {
		return nil // by another directory of the same configuration
	}
	if err != nil {
		return fmt.Errorf("registering the metrics: %w", err)
	}
	return nil
}

// unmeasure undoes both. It may be called more than once.
func (d *Directory) unmeasure() {
	m := d.metrics
	if m == nil {
		return
	}
	d.unmeasureOnce.Do(func() {
		m.mu.Lock()
		delete(m.directories, d)
		m.mu.Unlock()
		_, _ = sharedMetrics.Delete(metricsKey) // its Destruct never fails
	})
}

// dialled counts an attempt to connect.
func (m *metrics) dialled(ctx context.Context, directory string, sv *server, err error) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !sv.gone.Load() { // or forget would have been in vain
		m.connections.WithLabelValues(directory, sv.url.Addr(), outcomeOf(ctx, err)).Inc()
	}
}

// outcomeOf is what became of an attempt, for a label.
func outcomeOf(ctx context.Context, err error) string {
	switch {
	case err == nil:
		return connected
	case errors.Is(ctx.Err(), context.Canceled):
		return givenUp
	}
	return identity.KindOf(err).String()
}

// forget removes the figures of a server that is gone, unless another directory
// of that name still has it.
func (m *metrics) forget(directory string, sv *server) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forgetChannels(sv.mapper())
	for d := range m.directories {
		if _, has := d.servers.aside()[sv.url.Addr()]; d.name == directory && has {
			return
		}
	}
	labels := prometheus.Labels{"directory": directory, "server": sv.url.Addr()}
	m.connections.DeletePartialMatch(labels)
	m.exchanges.DeletePartialMatch(labels)
}

// timed notes how long an exchange took that began then.
func (sv *server) timed(began time.Time) {
	if sv != nil && sv.took != nil {
		sv.took.Observe(time.Since(began).Seconds())
	}
}

// Interface guards.
var (
	_ prometheus.Collector = (*metrics)(nil)
	_ caddy.Destructor     = (*metrics)(nil)
)
