package caddyldap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// When DNS is asked again: Go's resolver tells no TTL, so the interval is fixed.
// After a failure it is shorter, and however many want to know, there is a pause
// between two look-ups.
const (
	lookupEvery = 15 * time.Minute
	lookupRetry = time.Minute
	lookupPause = 2 * time.Second
)

// maxDiscovered is how many controllers of DNS are used: an answer does not
// decide how many servers we hold.
const maxDiscovered = 64

// resolver is what is asked of DNS, as net.Resolver answers it.
type resolver interface {
	LookupSRV(ctx context.Context, service, proto, name string) (cname string, records []*net.SRV, err error)
}

// finder keeps the servers that DNS knows. It asks in the background, once for
// everybody who waits.
type finder struct {
	directory *Directory
	config    *Discover
	every     time.Duration
	put       func(order []record)
	keeping   sync.Once

	mu      sync.Mutex
	running chan struct{} // closed when the look-up under way has ended; nil without one
	ended   time.Time     // the last one
	err     error         // of the last one

	// Of the look-up under way alone.
	known   []record // the last good answer, canonical
	quiet   hush     // of failures
	refused hush     // of records
	nowhere hush     // of a site that has none
}

func (d *Directory) newFinder(put func([]record)) *finder {
	if d.Discover == nil {
		return nil
	}
	return &finder{directory: d, config: d.Discover, every: lookupEvery, put: put}
}

// keep asks now and from time to time, until the context ends.
func (f *finder) keep(ctx context.Context) {
	for {
		select {
		case <-f.look():
		case <-ctx.Done():
			return
		}
		wait := f.every
		if f.failure() != nil {
			wait = min(wait, lookupRetry)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

// look begins a look-up, unless one is under way or has ended a moment ago. The
// channel is closed when there is nothing to wait for any more.
func (f *finder) look() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.running != nil {
		return f.running
	}
	running := make(chan struct{})
	if !f.ended.IsZero() && f.directory.now().Before(f.ended.Add(lookupPause)) {
		close(running)
		return running
	}
	f.running = running
	f.directory.spawn(func(ctx context.Context) {
		err := f.lookUp(ctx)
		f.mu.Lock()
		f.running, f.ended, f.err = nil, f.directory.now(), err
		f.mu.Unlock()
		close(running)
	})
	return running
}

// wait has DNS asked and gives what the look-up fails with.
func (f *finder) wait(ctx context.Context) error {
	select {
	case <-f.look():
		return f.failure()
	case <-ctx.Done():
		return &identity.Error{
			Kind: identity.KindTimeout, Err: fmt.Errorf("waiting for DNS to name the controllers: %w", context.Cause(ctx)),
			Hint: "check that the DNS servers of this machine (/etc/resolv.conf) answer: dig SRV " + f.config.preferred()[0],
		}
	}
}

// failure is what the last look-up failed with.
func (f *finder) failure() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// lookUp asks DNS and puts the servers in place. Where it knows none the former
// ones stay: a domain does not lose all its controllers, a name server does lose
// its zone.
func (f *finder) lookUp(ctx context.Context) error {
	found, err := f.ask(ctx)
	if ctx.Err() != nil {
		return identity.Fail(identity.KindUnavailable, ctx.Err())
	}
	if err != nil {
		f.complain(err)
		return err
	}
	if !slices.Equal(found, f.known) {
		f.known = found
		f.put(drawn(found, f.directory.intn))
	}
	return nil
}

func (f *finder) complain(err error) {
	if !f.quiet.due(f.directory.now()) {
		return
	}
	message := "DNS names no controllers"
	if len(f.known) > 0 {
		message += "; the former ones stay in use"
	}
	f.directory.log().Warn(message, faultFields(nil, err)...)
}

// ask reads the records under the preferred names, and where there are none
// those under the plain one. One name that gets no answer leaves the whole
// unknown: which controllers are near must not depend on a lost packet.
func (f *finder) ask(ctx context.Context) ([]record, error) {
	preferred := f.config.preferred()
	var all []record
	for i, name := range append(preferred, f.config.plain()) {
		if i == len(preferred) && len(all) > 0 {
			break
		}
		records, err := f.records(ctx, name, i)
		if err != nil {
			return nil, err
		}
		if len(records) == 0 && i < len(preferred)-1 && f.nowhere.due(f.directory.now()) {
			f.directory.log().Warn("DNS names no controller of the site; those of the whole domain are used", zap.String("record", name),
				zap.String("hint", "check the site's name after discover: it is written as in Active Directory Sites and Services"))
		}
		all = append(all, records...)
	}
	if len(all) == 0 {
		return nil, &identity.Error{
			Kind: identity.KindUnavailable,
			Err:  fmt.Errorf("DNS has no SRV record %s, nor %s", strings.Join(preferred, " or "), f.config.plain()),
			Hint: "check the domain's name after discover, and that this machine asks the domain's DNS servers: dig SRV " + preferred[len(preferred)-1],
		}
	}
	good, refused := f.sift(all)
	if len(good) == 0 {
		return nil, &identity.Error{
			Kind: identity.KindUnavailable,
			Err:  fmt.Errorf("none of the controllers that DNS names for %s is to be believed: %s", f.config.domain(), strings.Join(refused, ", ")),
			Hint: hintStrangers,
		}
	}
	return canonical(good), nil
}

// records asks for one name. None of that name is no error.
func (f *finder) records(ctx context.Context, name string, far int) ([]record, error) {
	ctx, cancel := context.WithTimeout(ctx, overall)
	defer cancel()
	_, answer, err := f.directory.resolver.LookupSRV(ctx, "", "", name)
	if none, ok := errors.AsType[*net.DNSError](err); ok && none.IsNotFound {
		return nil, nil
	}
	if err != nil && len(answer) == 0 { // beside an answer it tells of names that are none
		return nil, &identity.Error{
			Kind: identity.KindUnavailable, Err: fmt.Errorf("asking DNS for the SRV record %s: %w", name, err),
			Hint: "the DNS servers of this machine (/etc/resolv.conf) do not answer, or do not know the domain: dig SRV " + name,
		}
	}
	var records []record
	for _, r := range answer {
		if host := strings.ToLower(strings.TrimSuffix(r.Target, ".")); host != "" { // "." is: no such service
			records = append(records, record{far: far, priority: r.Priority, weight: r.Weight, host: host, port: r.Port})
		}
	}
	return records, nil
}

const hintStrangers = "DNS proves nothing, so a controller's name must be below the domain after discover: where one has another name, write a server line for it; otherwise somebody may be forging DNS"

// sift leaves out what must not be followed, and says so. Of those it gives a few.
func (f *finder) sift(all []record) (good []record, refused []string) {
	for _, r := range all {
		if why := f.config.refuses(r); why != "" {
			refused = append(refused, fmt.Sprintf("%.255s:%d (%s)", r.host, r.port, why))
			continue
		}
		good = append(good, r)
	}
	const shown = 5
	few := refused[:min(len(refused), shown)]
	if len(refused) > 0 && f.refused.due(f.directory.now()) {
		f.directory.log().Warn("DNS names controllers that are not to be believed",
			zap.Strings("refused", few), zap.Int("count", len(refused)), zap.String("hint", hintStrangers))
	}
	return good, few
}
