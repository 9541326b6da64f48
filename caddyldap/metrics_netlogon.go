package caddyldap

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
)

// Figures about secure channels. They are a machine account's, which several
// directories may share.

// channelDescs describe the figures that are read when somebody asks.
type channelDescs struct{ up, running *prometheus.Desc }

var channelLabels = []string{"account", "server"}

func newChannelDescs() channelDescs {
	return channelDescs{
		up: prometheus.NewDesc("caddy_windows_auth_netlogon_server_up",
			"1 while a controller takes log-ins of a machine account, 0 while it is put aside.", channelLabels, nil),
		running: prometheus.NewDesc("caddy_windows_auth_netlogon_logins_running",
			"Log-ins that a controller is judging, or that wait for a channel to it.", channelLabels, nil),
	}
}

func newChannels() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "caddy_windows_auth_netlogon_channels_total",
		Help: "Attempts to open a secure channel to a controller, by their outcome.",
	}, append(channelLabels, "outcome"))
}

// channelOpened counts an attempt to open a channel.
func (m *metrics) channelOpened(ctx context.Context, of *machine, c *controller, err error) {
	if m == nil {
		return
	}
	if err != nil {
		err = explainNetlogon(c.addr, of.account, err)
	}
	m.channels.WithLabelValues(of.key, c.addr, outcomeOf(ctx, err)).Inc()
}

// machines are those of the directories that are counted, each with the controllers
// that one of them names. The caller holds the lock.
func (m *metrics) machines() map[*machine]map[string]bool {
	all := make(map[*machine]map[string]bool)
	for d := range m.directories {
		n := d.netlogon()
		if n == nil {
			continue
		}
		if all[n.machine] == nil {
			all[n.machine] = make(map[string]bool)
		}
		for _, sv := range d.servers.all() {
			all[n.machine][sv.mapper()] = true
		}
	}
	return all
}

// channelStanding is how a controller stands with a machine account.
type channelStanding struct {
	aside   bool
	running int
}

// collectChannels gives the figures of channels. The caller holds the lock.
func (m *metrics) collectChannels(to chan<- prometheus.Metric) {
	m.channels.Collect(to)
	for of, named := range m.machines() {
		for addr, s := range of.standings() {
			if named[addr] {
				to <- prometheus.MustNewConstMetric(m.channel.up, prometheus.GaugeValue, float64(b2i(!s.aside)), of.key, addr)
				to <- prometheus.MustNewConstMetric(m.channel.running, prometheus.GaugeValue, float64(s.running), of.key, addr)
			}
		}
	}
}

// standings are those of the controllers that were asked anything, by address.
func (m *machine) standings() map[string]channelStanding {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make(map[string]channelStanding)
	for _, c := range m.controllers {
		s := all[c.addr] // one controller may be asked under two names of the domain
		all[c.addr] = channelStanding{s.aside || !c.until.IsZero(), s.running + c.client.Running()}
	}
	return all
}

// forgetChannels removes the figures of a controller that no directory names any
// more. The caller holds the lock.
func (m *metrics) forgetChannels(addr string) {
	for _, named := range m.machines() {
		if named[addr] {
			return
		}
	}
	m.channels.DeletePartialMatch(prometheus.Labels{"server": addr})
}
