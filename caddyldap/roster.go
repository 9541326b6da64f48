package caddyldap

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// firstController is how long a controller has where there is another one.
const firstController = 3 * time.Second

// controller is one that is asked for something other than LDAP, and what became
// of it lately.
type controller struct {
	addr   string                      // host:port
	greet  func(context.Context) error // asks no more than shows that it serves
	client judge                       // of verify netlogon
	tests  chan struct{}               // of verify netlogon: held by the one test at a time
	tested channelTest                 // the last one, whose holder alone may look

	// Under roster.mu.
	named    time.Time // when a server was last named for which it is asked
	failures int
	tried    time.Time // the last failure
	until    time.Time // aside until then; zero when in service
	probing  bool
	refusing bool // it answers, and takes no channel: a probe would show nothing
}

// roster says which controller is asked, as servers does for LDAP and apart from
// it: LDAP may answer where another service does not.
type roster struct {
	word  string                                       // of the verifier, for the log
	dead  func(addr string, err error) *identity.Error // what a failed probe means
	done  func(*identity.Error) bool                   // whether a failure settles a log-in
	unfit func(*identity.Error) bool                   // whether it is the controller's own
	life  context.Context                              // of probes
	end   context.CancelFunc

	probes sync.WaitGroup

	mu       sync.Mutex
	sweeping bool
	swept    time.Time
	last     *identity.Error // why everything is aside
}

// begin makes the roster ready for probes; rest them by finish.
func (r *roster) begin() { r.life, r.end = context.WithCancel(context.Background()) }

// finish ends all probes. It may be called more than once.
func (r *roster) finish() {
	r.mu.Lock() // or a probe could begin behind Wait
	r.end()
	r.mu.Unlock()
	r.probes.Wait()
}

// each asks one controller after another, in the order given, until one has
// decided. One that is unfit is put aside, as LDAP servers are; one that only
// leaves a log-in unanswered is looked at. spent, where it is not nil, says that the
// log-in may be sent no more.
func (r *roster) each(ctx context.Context, d *Directory, all []*controller, spent func() bool, ask func(context.Context, *controller) *identity.Error) *identity.Error {
	order, swept, failure := r.order(all, d)
	defer r.rest(swept, d.now)
	for i, c := range order {
		allowed := overall
		if i < len(order)-1 {
			allowed = firstController
		}
		failure = within(ctx, allowed, c, ask)
		switch {
		case failure == nil:
			r.back(c, d)
			return nil
		case errors.Is(ctx.Err(), context.Canceled):
			return failure // the client has left, which is nobody's fault
		case r.done(failure):
			r.back(c, d)
			return failure
		case r.unfit(failure):
			r.failed(c, d, failure)
		default:
			r.suspect(c, d)
		}
		if spent != nil && spent() {
			return failure
		}
	}
	if failure == nil {
		failure = identity.Fail(identity.KindUnavailable, errors.New("the directory has no server"))
	}
	return failure
}

func within(ctx context.Context, allowed time.Duration, c *controller, ask func(context.Context, *controller) *identity.Error) *identity.Error {
	ctx, cancel := context.WithTimeout(ctx, allowed)
	defer cancel()
	return ask(ctx, c)
}

// order lists the controllers to ask: those in service. When there are none it
// lists all, for one caller at a time and once in a while; the others get the last
// failure.
func (r *roster) order(all []*controller, d *Directory) (order []*controller, sweep bool, err *identity.Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := d.now()
	for _, c := range all {
		switch due := !now.Before(c.until); {
		case c.until.IsZero(), due && c.refusing:
			order = append(order, c)
		case due && !c.probing:
			r.probeLater(c, d)
		}
	}
	if len(order) > 0 {
		return order, false, nil
	}
	if r.sweeping || now.Before(r.swept.Add(sweepPause)) {
		return nil, false, r.last
	}
	r.sweeping = true
	order = slices.Clone(all)
	slices.SortStableFunc(order, func(a, b *controller) int { return a.tried.Compare(b.tried) })
	return order, true, nil
}

// rest ends a sweep, where there was one.
func (r *roster) rest(swept bool, now func() time.Time) {
	if !swept {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sweeping, r.swept = false, now()
}

// back returns a controller to service.
func (r *roster) back(c *controller, d *Directory) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !c.until.IsZero() {
		d.log().Info(r.word+": controller is back in service", zap.String("server", c.addr))
	}
	c.failures, c.until = 0, time.Time{}
}

// failed puts a controller aside. Failures of log-ins that were under way when it
// was put aside count once.
func (r *roster) failed(c *controller, d *Directory, err *identity.Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := d.now()
	r.last, c.tried = noServer(err), now
	if now.Before(c.until) {
		return
	}
	if c.until.IsZero() {
		d.log().Warn(r.word+": controller put aside", zap.String("server", c.addr), zap.Stringer("reason", err.Kind), zap.Error(err), zap.String("hint", err.Hint))
	}
	c.failures++
	c.refusing = err.Kind == identity.KindSecureChannel || err.Kind == identity.KindClock
	c.until = now.Add(backoff(c.failures))
}

// suspect has a controller looked at that gave no answer to somebody.
func (r *roster) suspect(c *controller, d *Directory) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !c.probing {
		r.probeLater(c, d)
	}
}

// probeLater looks in the background whether a controller serves, and nothing more:
// a channel is for who needs one. Called with the lock held.
func (r *roster) probeLater(c *controller, d *Directory) {
	if r.life.Err() != nil {
		return
	}
	c.probing = true
	r.probes.Go(func() {
		ctx, cancel := context.WithTimeout(r.life, firstController)
		defer cancel()
		err := c.greet(ctx)
		r.mu.Lock()
		c.probing = false
		r.mu.Unlock()
		switch {
		case r.life.Err() != nil:
		case err == nil:
			r.back(c, d)
		default:
			r.failed(c, d, r.dead(c.addr, err))
		}
	})
}
