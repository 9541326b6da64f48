package caddyldap

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// Figures about what a directory keeps: connections and identities.

// lookups count what the cache of a directory knew. They go on over a reload.
type lookups struct{ hits, misses atomic.Uint64 }

// keptDescs describe the figures of kept things.
type keptDescs struct{ connections, used, identities, lookups *prometheus.Desc }

func newKeptDescs() keptDescs {
	servers, directories := []string{"directory", "server"}, []string{"directory"}
	return keptDescs{
		connections: prometheus.NewDesc("caddy_windows_auth_ldap_pool_connections",
			"Connections of the service account that are open.", servers, nil),
		used: prometheus.NewDesc("caddy_windows_auth_ldap_pool_connections_in_use",
			"Connections of the service account on which something is being asked.", servers, nil),
		identities: prometheus.NewDesc("caddy_windows_auth_cache_identities",
			"Identities in the cache.", directories, nil),
		lookups: prometheus.NewDesc("caddy_windows_auth_cache_lookups_total",
			"Identities that were needed, by whether the cache had them.", append(directories, "outcome"), nil),
	}
}

func (k keptDescs) describe(to chan<- *prometheus.Desc) {
	for _, desc := range [...]*prometheus.Desc{k.connections, k.used, k.identities, k.lookups} {
		to <- desc
	}
}

// lookupsOf are the counters of the directories of a name.
func (m *metrics) lookupsOf(directory string) *lookups {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.lookups[directory]
	if l == nil {
		l = new(lookups)
		m.lookups[directory] = l
	}
	return l
}

// collectKept gives the figures of kept things. Several configurations may hold
// the same ones, which count once. The caller holds the lock.
func (m *metrics) collectKept(to chan<- prometheus.Metric) {
	type label struct{ directory, server string }
	open, used, identities := make(map[label]int), make(map[label]int), make(map[string]int)
	seen := make(map[*holdings]bool)
	for d := range m.directories {
		if seen[d.holdings] {
			continue
		}
		seen[d.holdings] = true
		identities[d.name] += d.cache.entries.EstimatedSize()
		if d.service == nil {
			continue
		}
		all, busy := d.service.pool.counts()
		for _, sv := range d.servers.all() {
			l := label{d.name, sv.url.Addr()}
			open[l] += all[sv]
			used[l] += busy[sv]
		}
	}
	gauge := func(desc *prometheus.Desc, n int, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(n), labels...)
	}
	for l := range open {
		gauge(m.kept.connections, open[l], l.directory, l.server)
		gauge(m.kept.used, used[l], l.directory, l.server)
	}
	for directory, n := range identities {
		gauge(m.kept.identities, n, directory)
	}
	for directory, l := range m.lookups {
		to <- prometheus.MustNewConstMetric(m.kept.lookups, prometheus.CounterValue, float64(l.hits.Load()), directory, "hit")
		to <- prometheus.MustNewConstMetric(m.kept.lookups, prometheus.CounterValue, float64(l.misses.Load()), directory, "miss")
	}
}
