package caddyntlm

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

const webFilter = "(department=Web)"

var (
	filterRule  = policy.Rule{Filter: webFilter}
	filterNone  = policy.Rule{All: []policy.Rule{{ValidUser: true}, {None: []policy.Rule{filterRule}}}}
	departments = policy.Rule{Attribute: &policy.Attribute{Name: "department", Value: "Web"}}
)

func fitting(fit identity.Fit) *identity.Details {
	return &identity.Details{Fittings: []identity.Fitting{{Filter: webFilter, Fit: fit}}}
}

// reloaded is a door and the one that a reload puts in its place: with another
// rule, before the same directory, and on the same connections.
type reloaded struct {
	*door
	dir     *fakeDirectory
	clock   *clock
	current atomic.Pointer[http.Handler]
	next    http.Handler
}

// newReloaded makes the first door with a rule that asks nothing. The rule of the
// second stands in the door itself, or alone inside of it.
func newReloaded(t *testing.T, rule policy.Rule, alone bool) *reloaded {
	t.Helper()
	l := &reloaded{clock: new(clock)}
	furnish := func(d *door) { d.now, d.dir.at = l.clock.now, l.clock.now }
	old := prepareDoor(t, furnish)
	l.dir = old.dir
	l.door = prepareDoor(t, func(d *door) {
		d.dir = old.dir
		furnish(d)
		if alone {
			d.inner = append(d.inner, newRequire(t, rule))
			return
		}
		d.Require = &rule
	})
	before := old.handler()
	l.next = l.handler()
	l.current.Store(&before)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*l.current.Load()).ServeHTTP(w, r) }))
	s.Config.ConnContext, s.Config.ConnState = old.conns.connContext, old.conns.connState
	l.server, old.server = s, s
	s.Start()
	t.Cleanup(old.close)
	return l
}

func (l *reloaded) reload() { l.current.Store(&l.next) }

// TestRuleOfAReload: what a connection remembers holds no answer to what a new rule
// asks. The directory is asked before the rule is decided, however young that is.
func TestRuleOfAReload(t *testing.T) {
	for name, c := range map[string]struct {
		rule    policy.Rule
		details *identity.Details // as the directory has them from the reload on
		status  int
	}{
		"filter, yes":      {filterRule, fitting(identity.FitYes), 200},
		"filter, no":       {filterRule, fitting(identity.FitNo), 403},
		"filter, unknown":  {filterRule, fitting(identity.FitUnknown), 403},
		"none, no":         {filterNone, fitting(identity.FitNo), 200},
		"none, yes":        {filterNone, fitting(identity.FitYes), 403},
		"attribute":        {departments, &identity.Details{Attributes: []identity.Attribute{{Name: "department", Values: []string{"Web"}}}}, 200},
		"attribute absent": {departments, &identity.Details{Attributes: []identity.Attribute{{Name: "department"}}}, 403},
	} {
		for _, alone := range []bool{false, true} {
			for way, first := range map[string]func(*client) answer{
				"ntlm":  func(c *client) answer { return c.login("alice", "secret-a") },
				"basic": func(c *client) answer { return c.get(basic("alice", "secret-a")) },
			} {
				t.Run(name+" "+way, func(t *testing.T) {
					l := newReloaded(t, c.rule, alone)
					conn := l.dial(t)
					first(conn).wantUser(t, "alice")
					l.reload()
					l.dir.details = c.details
					asked := l.dir.asked.Load() + l.dir.refreshed.Load()
					var again []string
					if way == "basic" {
						again = append(again, basic("alice", "secret-a"))
					}
					for range 3 {
						if got := conn.get(again...); got.StatusCode != c.status {
							t.Errorf("got %d, want %d", got.StatusCode, c.status)
						}
					}
					if got := l.dir.asked.Load() + l.dir.refreshed.Load() - asked; got != 1 {
						t.Errorf("the directory was asked %d times, want once", got)
					}
				})
			}
		}
	}
}

// TestRuleThatCannotBeAsked: where nobody can be asked what a rule wants to know,
// that is as with any identity too old to use: nobody passes on an unknown answer.
func TestRuleThatCannotBeAsked(t *testing.T) {
	for _, rule := range []policy.Rule{filterRule, filterNone, departments} {
		t.Run("no service account", func(t *testing.T) {
			l := newReloaded(t, rule, false)
			c := l.dial(t)
			c.login("alice", "secret-a").wantUser(t, "alice")
			l.reload()
			l.refreshFails(identity.KindCannotRefresh)
			c.get().want(t, 401, both...)
			l.wantReason(t, identity.KindCannotRefresh)
			c.get().want(t, 401, both...)
			l.wantReason(t, identity.KindNoCredentials)
			c.login("alice", "secret-a").want(t, 403) // not even a log-in has it asked
			l.dir.details = fitting(identity.FitYes)
			if rule.Filter != "" {
				c.login("alice", "secret-a").wantUser(t, "alice")
			}
		})
		t.Run("no controller", func(t *testing.T) {
			l := newReloaded(t, rule, false)
			c := l.dial(t)
			c.login("alice", "secret-a").wantUser(t, "alice")
			l.reload()
			l.refreshFails(identity.KindUnavailable)
			for range 3 {
				c.get().want(t, 503)
			}
			if got := l.dir.refreshed.Load(); got != 1 {
				t.Errorf("got %d refreshes, want 1: a dead controller is not asked on every request", got)
			}
			l.clock.advance(6 * time.Minute) // older than fresh, and not yet stale
			c.get().want(t, 503)
		})
	}
}
