package caddyntlm

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/redisstore"
	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

// watched is a store whose failures are counted and written down: one line a minute
// while it is down, and one when it is back.
type watched struct {
	*keptStore
	log      *zap.Logger
	failures *prometheus.CounterVec
	now      func() time.Time
}

// Operations, as the metrics name them.
const (
	operationGet    = "get"
	operationUpdate = "update"
	operationEach   = "each"
)

// Get implements store.Store.
func (w *watched) Get(ctx context.Context, key store.Key) ([]byte, error) {
	value, err := w.Store.Get(ctx, key)
	w.note(operationGet, err)
	return value, err
}

// Update implements store.Store.
func (w *watched) Update(ctx context.Context, key store.Key, change store.Change) error {
	err := w.Store.Update(ctx, key, change)
	w.note(operationUpdate, err)
	return err
}

// Each implements store.Store.
func (w *watched) Each(ctx context.Context, kind store.Kind, visit func(string, []byte) bool) error {
	err := w.Store.Each(ctx, kind, visit)
	w.note(operationEach, err)
	return err
}

func (w *watched) note(operation string, err error) {
	switch writes := operation == operationUpdate; {
	case err == nil:
		if !w.outage.on.Load() {
			return
		}
		if lasted, tell := w.outage.worked(w.now(), writes); tell {
			w.log.Info("the store works again", zap.Duration("after", lasted))
		}
	case errors.Is(err, store.ErrBusy): // of one value, and no outage
		w.failures.WithLabelValues(operation).Inc()
	case errors.Is(err, store.ErrDown):
		w.failures.WithLabelValues(operation).Inc()
		if w.outage.failed(w.now(), writes) {
			w.log.Warn("the store does not work: sessions and second factors get 503, and each node counts wrong passwords by itself",
				append(faultFields(err), zap.String("operation", operation))...)
		}
	}
}

// faultFields describe why a store does not work.
func faultFields(err error) []zap.Field {
	fields := []zap.Field{zap.Error(err)}
	if fault, ok := errors.AsType[*redisstore.Error](err); ok {
		fields = append(fields, zap.String("server", fault.Server))
		if fault.Hint != "" {
			fields = append(fields, zap.String("hint", fault.Hint))
		}
	}
	return fields
}

var _ store.Store = (*watched)(nil)
