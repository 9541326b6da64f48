package caddyntlm

import (
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"
)

// Figures for Prometheus. docs/metrics.md tells of each. No label holds
// anything that a client chooses: a stranger must not be able to add a series.

// loginBuckets are seconds, from a warm connection to a controller to the
// deadline of an authentication.
var loginBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// metrics are the figures of all doors. What can be counted when somebody asks
// is counted then, over the doors that live: such a gauge cannot drift.
type metrics struct {
	decisions  *prometheus.CounterVec
	logins     *prometheus.HistogramVec
	ntlm       *prometheus.CounterVec
	sessions   *prometheus.CounterVec
	throttled  *prometheus.CounterVec
	stores     *prometheus.CounterVec
	pending    *prometheus.Desc
	remembered *prometheus.Desc

	mu    sync.Mutex
	doors map[*Handler]struct{}
}

func newMetrics() *metrics {
	m := &metrics{
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "caddy_windows_auth_decisions_total",
			Help: "Decisions about requests, by what became of them and why.",
		}, []string{"event", "reason", "scheme", "verifier", "directory"}),
		logins: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "caddy_windows_auth_login_duration_seconds",
			Help:    "How long log-ins took that a controller was asked about, without the client's share.",
			Buckets: loginBuckets,
		}, []string{"scheme", "verifier"}),
		ntlm: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "caddy_windows_auth_ntlm_logins_total",
			Help: "Log-ins by NTLM, bare or inside Negotiate, by why they were not by Kerberos.",
		}, []string{"scheme", "cause", "verifier", "directory"}),
		sessions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "caddy_windows_auth_sessions_total",
			Help: "What became of sessions: opened, rotated, and by what they ended but for time.",
		}, []string{"event", "form"}),
		throttled: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "caddy_windows_auth_throttled_total",
			Help: "Passwords that no controller was asked about, by whose limit of wrong ones it was.",
		}, []string{"limit", "directory"}),
		stores: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "caddy_windows_auth_store_errors_total",
			Help: "Operations of the store that failed for technical reasons.",
		}, []string{"operation"}),
		pending: prometheus.NewDesc("caddy_windows_auth_pending_handshakes",
			"NTLM handshakes that are half open.", nil, nil),
		remembered: prometheus.NewDesc("caddy_windows_auth_connections_remembered",
			"Log-ins that open connections remember: one for each connection and directory.", nil, nil),
		doors: make(map[*Handler]struct{}),
	}
	for _, operation := range [...]string{operationGet, operationUpdate, operationEach} {
		m.stores.WithLabelValues(operation) // 0 before the first failure, so that it shows as one
	}
	return m
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(to chan<- *prometheus.Desc) {
	m.decisions.Describe(to)
	m.logins.Describe(to)
	m.ntlm.Describe(to)
	m.sessions.Describe(to)
	m.throttled.Describe(to)
	m.stores.Describe(to)
	to <- m.pending
	to <- m.remembered
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(to chan<- prometheus.Metric) {
	m.decisions.Collect(to)
	m.logins.Collect(to)
	m.ntlm.Collect(to)
	m.sessions.Collect(to)
	m.throttled.Collect(to)
	m.stores.Collect(to)
	var pending, remembered int64
	m.mu.Lock()
	for h := range m.doors {
		pending += h.pending.taken.Load()
		remembered += h.conns.seated()
	}
	m.mu.Unlock()
	to <- prometheus.MustNewConstMetric(m.pending, prometheus.GaugeValue, float64(pending))
	to <- prometheus.MustNewConstMetric(m.remembered, prometheus.GaugeValue, float64(remembered))
}

// Destruct implements caddy.Destructor.
func (m *metrics) Destruct() error { return nil }

// seated counts the log-ins that connections remember.
func (t *conns) seated() (count int64) {
	t.eachSeat(func(s *seat) {
		if s.phase == phaseAuthenticated {
			count++
		}
	})
	return count
}

// measure counts the door in with the others. Cleanup counts it out.
func (h *Handler) measure(ctx caddy.Context) error {
	m, err := loadMetrics(ctx)
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.doors[h] = struct{}{}
	m.mu.Unlock()
	h.meter = newMeter(m, h.directories)
	return nil
}

// unmeasure undoes measure, where that was done.
func (h *Handler) unmeasure() error {
	if h.meter == nil {
		return nil
	}
	m := h.meter.metrics
	m.mu.Lock()
	_, counted := m.doors[h]
	delete(m.doors, h)
	m.mu.Unlock()
	if !counted {
		return nil
	}
	_, err := sharedMetrics.Delete(metricsKey)
	return err
}

// meter is what one door counts with.
type meter struct {
	*metrics
	lanes []lane
}

// lane is a way in: a directory and a scheme. What every request needs is
// looked up when the configuration loads.
type lane struct {
	from      directory
	scheme    scheme
	ticket    bool // and not NTLM, where both come under one scheme
	directory string
	verifier  string
	allowed   prometheus.Counter
	took      prometheus.Observer
}

func newMeter(m *metrics, directories []directory) *meter {
	meter := &meter{metrics: m}
	add := func(d directory, s scheme, verifier any, ticket bool) {
		l := lane{from: d, scheme: s, ticket: ticket, directory: d.Name(), verifier: verifierName(verifier)}
		l.allowed = m.decisions.WithLabelValues("allow", "", s.String(), l.verifier, l.directory)
		l.took = m.logins.WithLabelValues(s.String(), l.verifier)
		meter.lanes = append(meter.lanes, l)
	}
	for _, d := range directories {
		if v := d.NTLMVerifier(); v != nil {
			add(d, schemeNTLM, v, false)
			add(d, schemeNegotiate, v, false)
		}
		if v := d.TicketVerifier(); v != nil {
			add(d, schemeNegotiate, v, true)
		}
		if v := d.PasswordVerifier(); v != nil {
			add(d, schemeBasic, v, false)
			add(d, schemeForm, v, false)
		}
	}
	return meter
}

// verifierName is the word of the configuration for a verifier.
func verifierName(verifier any) string {
	if module, ok := verifier.(caddy.Module); ok {
		return module.CaddyModule().ID.Name()
	}
	return ""
}

// lane finds the way that a visit takes, nil while nobody knows.
func (m *meter) lane(v *visit) *lane {
	from := v.from
	if from == nil && (v.scheme == schemeNTLM || v.scheme == schemeNegotiate) {
		from = v.door.seats
	}
	for i := range m.lanes {
		if l := &m.lanes[i]; l.from == from && l.scheme == v.scheme && l.ticket == (v.by == byTicket) {
			return l
		}
	}
	return nil
}

// usedNTLM counts a log-in by NTLM.
func (m *meter) usedNTLM(v *visit, cause string) {
	if l := m.lane(v); l != nil {
		m.ntlm.WithLabelValues(v.scheme.String(), cause, l.verifier, l.directory).Inc()
	}
}

// count counts a decision, and the time of a log-in that it ends.
func (v *visit) count(event, reason string) {
	m := v.door.meter
	if m == nil {
		return
	}
	l := m.lane(v)
	switch {
	case l == nil:
		m.decisions.WithLabelValues(event, reason, v.scheme.String(), "", "").Inc()
		return
	case event == "allow":
		l.allowed.Inc()
	default:
		m.decisions.WithLabelValues(event, reason, v.scheme.String(), l.verifier, l.directory).Inc()
	}
	if v.asked && event != "challenge" {
		v.asked = false // a require further in ends no log-in
		l.took.Observe((v.earlier + v.door.now().Sub(v.start)).Seconds())
	}
}

// Interface guards.
var (
	_ prometheus.Collector = (*metrics)(nil)
	_ caddy.Destructor     = (*metrics)(nil)
)
