package caddyldap

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/dcerpc"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/netlogon"
)

// firstController is how long a controller has where there is another one.
const firstController = 3 * time.Second

// connector opens a stream to a controller's Netlogon.
type connector = func(context.Context) (dcerpc.Stream, error)

// logOn asks one controller after another, in the order of the configuration,
// until one has decided. One that opens no channel is put aside, as LDAP servers
// are; one that only leaves a log-in unanswered is looked at, and the log-in is sent
// once more.
func (m *machine) logOn(ctx context.Context, d *Directory, l *netlogon.Logon) (*netlogon.Validation, string, error) {
	all, err := m.controllersOf(ctx, d)
	if err != nil {
		return nil, "", err
	}
	order, swept, failure := m.order(all, d)
	defer m.rest(swept, d.now)
	for i, c := range order {
		allowed := overall
		if i < len(order)-1 {
			allowed = firstController
		}
		v, err := m.ask(ctx, c, allowed, l)
		if err == nil {
			m.back(c, d)
			return v, c.addr, nil
		}
		failure = explainNetlogon(c.addr, m.account, err)
		switch {
		case errors.Is(ctx.Err(), context.Canceled):
			return nil, "", failure // the client has left, which is nobody's fault
		case decided(failure):
			m.back(c, d)
			return nil, "", failure
		case cannotServe(failure):
			m.failed(c, d, failure)
		default:
			m.suspect(c, d)
		}
		if l.Spent() {
			return nil, "", failure
		}
	}
	if failure == nil {
		failure = identity.Fail(identity.KindUnavailable, errors.New("the directory has no server"))
	}
	return nil, "", failure
}

func (m *machine) ask(ctx context.Context, c *controller, allowed time.Duration, l *netlogon.Logon) (*netlogon.Validation, error) {
	ctx, cancel := context.WithTimeout(ctx, allowed)
	defer cancel()
	return c.client.LogOn(ctx, l)
}

// order lists the controllers to ask: those in service. When there are none it
// lists all, for one caller at a time and once in a while; the others get the last
// failure.
func (m *machine) order(all []*controller, d *Directory) (order []*controller, sweep bool, err *identity.Error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := d.now()
	for _, c := range all {
		switch due := !now.Before(c.until); {
		case c.until.IsZero(), due && c.refusing:
			order = append(order, c)
		case due && !c.probing:
			m.probeLater(c, d)
		}
	}
	if len(order) > 0 {
		return order, false, nil
	}
	if m.sweeping || now.Before(m.swept.Add(sweepPause)) {
		return nil, false, m.last
	}
	m.sweeping = true
	order = slices.Clone(all)
	slices.SortStableFunc(order, func(a, b *controller) int { return a.tried.Compare(b.tried) })
	return order, true, nil
}

// rest ends a sweep, where there was one.
func (m *machine) rest(swept bool, now func() time.Time) {
	if !swept {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweeping, m.swept = false, now()
}

// back returns a controller to service.
func (m *machine) back(c *controller, d *Directory) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !c.until.IsZero() {
		d.log().Info("netlogon: controller is back in service", zap.String("server", c.addr))
	}
	c.failures, c.until = 0, time.Time{}
}

// failed puts a controller aside. Failures of log-ins that were under way when it
// was put aside count once.
func (m *machine) failed(c *controller, d *Directory, err *identity.Error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := d.now()
	m.last, c.tried = noServer(err), now
	if now.Before(c.until) {
		return
	}
	if c.until.IsZero() {
		d.log().Warn("netlogon: controller put aside", zap.String("server", c.addr), zap.Stringer("reason", err.Kind), zap.Error(err), zap.String("hint", err.Hint))
	}
	c.failures++
	c.refusing = err.Kind == identity.KindSecureChannel || err.Kind == identity.KindClock
	c.until = now.Add(backoff(c.failures))
}

// suspect has a controller looked at that gave no answer to somebody.
func (m *machine) suspect(c *controller, d *Directory) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !c.probing {
		m.probeLater(c, d)
	}
}

// probeLater looks in the background whether a controller's Netlogon can be reached,
// and nothing more: a channel is for who needs one. Called with the lock held.
func (m *machine) probeLater(c *controller, d *Directory) {
	if m.life.Err() != nil {
		return
	}
	c.probing = true
	m.probes.Go(func() {
		ctx, cancel := context.WithTimeout(m.life, firstController)
		defer cancel()
		stream, err := c.connect(ctx)
		if err == nil {
			_ = stream.Close()
		}
		m.mu.Lock()
		c.probing = false
		m.mu.Unlock()
		switch {
		case m.life.Err() != nil:
		case err == nil:
			m.back(c, d)
		default:
			m.failed(c, d, explainNetlogon(c.addr, m.account, &netlogon.ChannelError{Server: c.addr, Err: err}))
		}
	})
}
