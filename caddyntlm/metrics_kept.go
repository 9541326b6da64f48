package caddyntlm

import (
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"
)

// sharedMetrics keeps the one set of figures over reloads: a new configuration
// has a new registry, in which the same set is registered again.
var sharedMetrics = caddy.NewUsagePool()

const metricsKey = "door"

// loadMetrics finds the figures, and registers them in the registry of a configuration.
// After success whoever asked gives them back by sharedMetrics.Delete.
func loadMetrics(ctx caddy.Context) (*metrics, error) {
	shared, _, err := sharedMetrics.LoadOrNew(metricsKey, func() (caddy.Destructor, error) { return newMetrics(), nil })
	if err != nil {
		return nil, err
	}
	m := shared.(*metrics)
	err = ctx.GetMetricsRegistry().Register(m)
	if already, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok && already.ExistingCollector == prometheus.Collector(m) {
		return m, nil // by another one of the same configuration
	}
	if err != nil {
		_, _ = sharedMetrics.Delete(metricsKey) // Destruct never fails
		return nil, fmt.Errorf("registering the metrics: %w", err)
	}
	return m, nil
}
