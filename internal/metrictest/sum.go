// Package metrictest reads a registry for the tests of whoever counts in it.
package metrictest

import (
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// Sum adds up the series of a metric that have all the labels, each written
// name=value, and counts them. For a histogram it is the number of observations.
func Sum(t testing.TB, from prometheus.Gatherer, name string, labels ...string) (sum float64, series int) {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			var has []string
			for _, pair := range m.GetLabel() {
				has = append(has, pair.GetName()+"="+pair.GetValue())
			}
			if slices.ContainsFunc(labels, func(l string) bool { return !slices.Contains(has, l) }) {
				continue
			}
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			series++
		}
	}
	return sum, series
}
