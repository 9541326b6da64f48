package caddyntlm

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
	"github.com/caddy-ntlm/caddy-ntlm/internal/totp"
)

const (
	aliceSecret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	aliceURI    = "otpauth://totp/EXAMPLE:alice?secret=" + aliceSecret + "&issuer=EXAMPLE"
	otherURI    = "otpauth://totp/OTHER:anybody?secret=KRSXG5CTMVRXEZLUKRSXG5CTMVRXEZLU"
	bobURI      = "otpauth://totp/EXAMPLE:bob?secret=MFRGGZDFMZTWQ2LKNNWG23TPOBYXE43U&digits=8"
)

// Conceal implements identity.FactorSource.
func (d *fakeDirectory) Conceal(attribute string) error {
	if attribute != "secretAttribute" && attribute != "otherAttribute" {
		return errors.New("everybody reads " + attribute)
	}
	return nil
}

// EnrolmentOf implements identity.FactorSource.
func (d *fakeDirectory) EnrolmentOf(_ context.Context, name identity.Name, attribute string) (identity.Enrolment, error) {
	d.read.Add(1)
	if d.enrolment != nil {
		if err := d.enrolment(); err != nil {
			return identity.Enrolment{}, err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, known := d.passwords[name.User]; !known {
		return identity.Enrolment{}, nil
	}
	e := identity.Enrolment{Account: d.sid(name.User).String()}
	if attribute == "otherAttribute" {
		e.Secrets = []identity.Secret{identity.NewSecret(otherURI)}
		return e, nil
	}
	for _, uri := range d.uris[name.User] {
		e.Secrets = append(e.Secrets, identity.NewSecret(uri))
	}
	return e, nil
}

// Enrolment implements identity.FactorSource.
func (d *fakeDirectory) Enrolment(ctx context.Context, id *identity.Identity, attribute string) (identity.Enrolment, error) {
	return d.EnrolmentOf(ctx, identity.Name{User: id.SAM}, attribute)
}

// codeAt is the code of a URI, some steps from now.
func codeAt(t testing.TB, uri string, now time.Time, steps int) string {
	t.Helper()
	f, err := totp.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	code, err := f.Code(now.Add(time.Duration(steps) * 30 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// middleOfStep is a clock that stands in the middle of a step.
func middleOfStep() *clock {
	c := new(clock)
	c.advance(25 * time.Second)
	return c
}

// withTOTP has a door ask for codes.
func withTOTP(d *door, clock *clock, change func(*TOTP)) {
	d.TOTP = &TOTP{Attribute: "secretAttribute"}
	if change != nil {
		change(d.TOTP)
	}
	d.now, d.dir.at = clock.now, clock.now
	d.Handler.store = store.NewMemory(nil, clock.now)
	d.dir.uris = map[string][]string{"alice": {aliceURI}, "bob": {bobURI}}
}

func newFactorDoor(t *testing.T, change func(*TOTP)) (*door, *clock) {
	t.Helper()
	clock := middleOfStep()
	d := newDoor(t, func(d *door) {
		d.dir.tickets = &fakeTickets{directory: d.dir}
		d.dir.passwords["carol"] = "secret-c"
		withTOTP(d, clock, change)
	})
	t.Cleanup(func() { d.wantNoSecrets(t) })
	return d, clock
}

// wantNoSecrets looks through all that was logged.
func (d *door) wantNoSecrets(t *testing.T) {
	t.Helper()
	for _, line := range d.logs.All() {
		raw, err := json.Marshal([]any{line.Message, line.ContextMap()})
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{aliceSecret, "MFRGGZDF", "otpauth://totp/E", "secret-a", "secret-b"} {
			if strings.Contains(string(raw), secret) {
				t.Errorf("the log shows %s: %s", secret, raw)
			}
		}
	}
}

// C22–C26, F-06: the code follows the password, and is good once.
func TestFactorByBasic(t *testing.T) {
	d, clock := newFactorDoor(t, nil)
	c := d.dial(t)
	now := codeAt(t, aliceURI, clock.now(), 0)
	c.get(basic("alice", "secret-a"+now)).wantUser(t, "alice")
	c.get(basic("alice", "secret-a"+now)).want(t, 401, basicChallenge) // the same again, on the same connection
	d.wantReason(t, identity.KindFactor)
	d.dial(t).get(basic("alice", "secret-a"+now)).want(t, 401, basicChallenge)
	c.get(basic("alice", "secret-a"+codeAt(t, aliceURI, clock.now(), -1))).want(t, 401, basicChallenge)
	c.get(basic("alice", "secret-a"+codeAt(t, aliceURI, clock.now(), 1))).wantUser(t, "alice")
	c.get(basic(`EXAMPLE\bob`, "secret-b"+codeAt(t, bobURI, clock.now(), 0))).wantUser(t, "bob") // eight digits
	c.get().want(t, 401, basicChallenge)                                                         // the connection knows nobody
	if got := d.dir.asked.Load(); got != 6 {
		t.Errorf("got %d passwords judged, want 6: no connection remembers one that had a code behind it", got)
	}
}

// A wrong code is no wrong password, and a wrong password spends no code.
func TestFactorAndPasswordApart(t *testing.T) {
	d, clock := newFactorDoor(t, nil)
	c := d.dial(t)
	code := codeAt(t, aliceURI, clock.now(), 0)
	wrongCode := fmt.Sprintf("%06d", (mustNumber(t, code)+1)%1_000_000)
	c.get(basic("alice", "secret-a"+wrongCode)).want(t, 401, basicChallenge)
	d.wantReason(t, identity.KindFactor)
	c.get(basic("alice", "wrong"+code)).want(t, 401, basicChallenge)
	d.wantReason(t, identity.KindBadCredentials)
	c.get(basic("alice", "secret-a"+code)).wantUser(t, "alice")
	if got := d.dir.asked.Load(); got != 3 {
		t.Errorf("got %d passwords judged, want 3", got)
	}
	c.get(basic("alice", code)).want(t, 401, basicChallenge) // no password before the code
	d.wantReason(t, identity.KindBadCredentials)
	c.get(basic("alice", " "+code)).want(t, 401, basicChallenge)
	d.wantReason(t, identity.KindBadCredentials)
}

func mustNumber(t *testing.T, code string) (n int) {
	t.Helper()
	if _, err := fmt.Sscanf(code, "%d", &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// F-07, F-09: whatever is wrong, the client is told the same.
func TestFactorAnswersAlike(t *testing.T) {
	d, clock := newFactorDoor(t, nil)
	code := codeAt(t, aliceURI, clock.now(), 0)
	wrongCode := fmt.Sprintf("%06d", (mustNumber(t, code)+1)%1_000_000)
	d.dir.passwords["dave"], d.dir.uris["dave"] = "secret-d", []string{"AB 123"}
	d.dir.passwords["erin"], d.dir.uris["erin"] = "secret-e", []string{aliceURI, bobURI}
	for i := range 2 * totp.MostWrong {
		tests := map[string]struct {
			user, password string
			kind           identity.Kind
		}{
			"unknown":         {"nobody", "secret-a" + code, identity.KindBadCredentials},
			"wrong password":  {"alice", "wrong" + code, identity.KindBadCredentials},
			"wrong code":      {"alice", "secret-a" + wrongCode, identity.KindFactor},
			"no code":         {"alice", "secret-a", identity.KindFactor},
			"none enrolled":   {"carol", "secret-c", identity.KindFactor},
			"unusable":        {"dave", "secret-d" + code, identity.KindFactor},
			"uneven":          {"erin", "secret-e" + code, identity.KindFactor},
			"wrong, unusable": {"dave", "wrong" + code, identity.KindBadCredentials},
		}
		for name, test := range tests {
			got := d.dial(t).get(basic(test.user, test.password))
			got.want(t, 401, basicChallenge)
			d.wantReason(t, test.kind)
			if len(got.Header) != 3 || got.text != "" { // Date, Content-Length and the challenge
				t.Errorf("%s, try %d: got %v %q", name, i, got.Header, got.text)
			}
		}
	}
	for _, line := range d.logs.FilterMessage(decision).All() {
		if fields := line.ContextMap(); fields["reason"] == identity.KindFactor.String() && (fields["hint"] == nil || fields["error"] == nil) {
			t.Errorf("got %v, want the cause and the cure", fields)
		}
	}
	d.dial(t).get(basic("alice", "secret-a"+code)).want(t, 401, basicChallenge) // right, and after too many wrong ones
	clock.advance(totp.Within)
	d.dial(t).get(basic("alice", "secret-a"+codeAt(t, aliceURI, clock.now(), 0))).wantUser(t, "alice")
}

// F-08: who has proven himself without a code is refused, on each request, whatever the
// scheme, and is offered what can carry one.
func TestFactorIsOfTheRequest(t *testing.T) {
	d, _ := newFactorDoor(t, func(f *TOTP) { f.Require = &policy.Rule{Group: []string{"HR"}} })
	c := d.dial(t)
	c.login("alice", "secret-a").want(t, 401, basicChallenge)
	d.wantReason(t, identity.KindFactor)
	c.get().want(t, 401, basicChallenge)
	d.wantReason(t, identity.KindFactor)
	c.get(negotiate(ticketOf("alice"))).want(t, 401, basicChallenge)
	d.wantReason(t, identity.KindFactor)
	c.get(basic("alice", "secret-a")).want(t, 401, negotiated...) // as for a wrong password
	d.wantReason(t, identity.KindFactor)
	c.send("GET", "/", "", append([]string{negotiate(ticketOf("alice"))}, upgrade...)...)
	c.receive("GET").want(t, 401, basicChallenge)
	if got := d.served.Load(); got != 0 {
		t.Errorf("got %d requests served, want 0", got)
	}
}

// Whom no require line fits owes nothing, and comes in as on any site.
func TestFactorIsOwedByRule(t *testing.T) {
	d, clock := newFactorDoor(t, func(f *TOTP) { f.Require = &policy.Rule{Group: []string{"HR"}} })
	d.dir.uris["bob"] = nil
	c := d.dial(t)
	c.login("bob", "secret-b").wantUser(t, "bob")
	c.get().wantUser(t, "bob")
	for range 3 {
		d.dial(t).get(basic("bob", "secret-b")).wantUser(t, "bob")
	}
	c = d.dial(t)
	c.get(basic("bob", "secret-b")).wantUser(t, "bob")
	asked := d.dir.asked.Load()
	c.get(basic("bob", "secret-b")).wantUser(t, "bob")
	if got := d.dir.asked.Load(); got != asked {
		t.Errorf("got %d more passwords judged, want a connection that remembers whoever owes no code", got-asked)
	}
	c.get(basic("alice", "secret-a"+codeAt(t, aliceURI, clock.now(), 0))).wantUser(t, "alice")

	// The rule is asked of each request: bob joins HR.
	ntlm := d.dial(t)
	ntlm.login("bob", "secret-b").wantUser(t, "bob")
	d.dir.groups["bob"] = []string{"HR"}
	clock.advance(10 * time.Minute)
	ntlm.get().want(t, 401, basicChallenge)
	c.get(basic("bob", "secret-b")).want(t, 401, negotiated...)
	d.wantReason(t, identity.KindFactor)
}

// What a directory does not show frees nobody: bob is in a group without a name.
func TestFactorIsOwedByTheUnsure(t *testing.T) {
	d, _ := newFactorDoor(t, func(f *TOTP) { f.Require = &policy.Rule{Group: []string{"HR"}} })
	d.dir.groups["bob"] = []string{""}
	d.dial(t).login("bob", "secret-b").want(t, 401, basicChallenge)
	d.wantReason(t, identity.KindFactor)
}

// Exempt schemes need no code, and exempt nobody else.
func TestFactorExempt(t *testing.T) {
	for _, test := range []struct {
		exempt       []string
		ntlm, ticket int
	}{
		{[]string{"kerberos"}, 401, 200}, {[]string{"ntlm"}, 200, 401}, {[]string{"kerberos", "ntlm"}, 200, 200},
	} {
		t.Run(strings.Join(test.exempt, " "), func(t *testing.T) {
			d, clock := newFactorDoor(t, func(f *TOTP) {
				f.Exempt, f.Require = test.exempt, &policy.Rule{ValidUser: true}
			})
			c := d.dial(t)
			if got := c.login("alice", "secret-a").StatusCode; got != test.ntlm {
				t.Errorf("NTLM: got %d, want %d", got, test.ntlm)
			}
			if got := c.get().StatusCode; got != test.ntlm {
				t.Errorf("NTLM, the next request: got %d, want %d", got, test.ntlm)
			}
			c = d.dial(t)
			if got := c.get(negotiate(ticketOf("alice"))).StatusCode; got != test.ticket {
				t.Errorf("Kerberos: got %d, want %d", got, test.ticket)
			}
			if got := c.get(basic("alice", "secret-a")).StatusCode; got != 401 {
				t.Errorf("Basic: got %d, want 401", got)
			}
			c.get(basic("alice", "secret-a"+codeAt(t, aliceURI, clock.now(), 0))).wantUser(t, "alice")
		})
	}
}

// An inner windows_auth that asks for codes checks the one that came with the request;
// an outer one that has checked it is believed.
func TestFactorOfAnInnerSite(t *testing.T) {
	clock := middleOfStep()
	memory := store.NewMemory(nil, clock.now)
	for name, outerAsks := range map[string]bool{"inner alone": false, "both": true} {
		t.Run(name, func(t *testing.T) {
			var inner *door
			outer := newDoor(t, func(d *door) {
				withTOTP(d, clock, nil)
				if !outerAsks {
					d.TOTP = nil
				}
				d.Handler.store = memory
				inner = prepareDoor(t, func(in *door) {
					in.dir = d.dir
					withTOTP(in, clock, nil)
					in.Handler.store = memory
				})
				d.inner = []caddyhttp.MiddlewareHandler{inner.Handler}
			})
			c := outer.dial(t)
			c.get(basic("alice", "secret-a")).want(t, 401, basicChallenge)
			got := c.get(basic("alice", "secret-a"+codeAt(t, aliceURI, clock.now(), 0)))
			if want := map[bool]int{false: 401, true: 200}[outerAsks]; got.StatusCode != want {
				t.Errorf("got %d, want %d", got.StatusCode, want)
			}
			if !outerAsks {
				c.login("alice", "secret-a").want(t, 401, basicChallenge)
			}
		})
	}
}

// Each stream of HTTP/2 is asked.
func TestFactorOnHTTP2(t *testing.T) {
	clock := middleOfStep()
	d := prepareDoor(t, func(d *door) { withTOTP(d, clock, nil) })
	d.server = newTLSServer(d)
	t.Cleanup(d.close)
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // a test's own server
	t.Cleanup(transport.CloseIdleConnections)
	code := codeAt(t, aliceURI, clock.now(), 0)
	for _, test := range []struct {
		password string
		want     int
	}{{"secret-a", 401}, {"secret-a" + code, 200}, {"secret-a" + code, 401}, {"secret-a", 401}} {
		r, err := http.NewRequest("GET", d.server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("alice", test.password)
		response, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		if got := readAnswer(t, response); got.StatusCode != test.want || got.ProtoMajor != 2 {
			t.Errorf("got %d by %s, want %d by HTTP/2", got.StatusCode, got.Proto, test.want)
		}
	}
}

// F-06: one code, 50 times at once over two nodes.
func TestFactorAtATime(t *testing.T) {
	clock := middleOfStep()
	memory := store.NewMemory(nil, clock.now)
	var nodes [2]*door
	for i := range nodes {
		nodes[i] = newDoor(t, func(d *door) {
			withTOTP(d, clock, nil)
			d.Handler.store = memory
		})
	}
	code := codeAt(t, aliceURI, clock.now(), 0)
	var accepted, refused atomic.Int64
	var wg sync.WaitGroup
	for i := range 50 {
		c := nodes[i%2].dial(t)
		wg.Go(func() {
			switch c.get(basic("alice", "secret-a"+code)).StatusCode {
			case 200:
				accepted.Add(1)
			case 401:
				refused.Add(1)
			}
		})
	}
	wg.Wait()
	if accepted.Load() != 1 || refused.Load() != 49 {
		t.Errorf("got %d accepted and %d refused, want 1 and 49", accepted.Load(), refused.Load())
	}
}

// downStore is a store that does not answer.
type downStore struct{ store.Store }

func (downStore) Update(context.Context, store.Key, store.Change) error {
	return fmt.Errorf("asking: %w", store.ErrDown)
}

// No code is accepted where nobody can be asked: neither the store nor the directory.
func TestFactorUnavailable(t *testing.T) {
	clock := middleOfStep()
	d := newDoor(t, func(d *door) {
		withTOTP(d, clock, nil)
		d.Handler.store = downStore{d.Handler.store}
	})
	code := codeAt(t, aliceURI, clock.now(), 0)
	d.dial(t).get(basic("alice", "secret-a"+code)).want(t, 503)
	d.wantReason(t, identity.KindStore)
	d.dial(t).get(basic("alice", "wrong"+code)).want(t, 401, basicChallenge)
	asked := d.dir.asked.Load()
	d.dir.enrolment = func() error { return identity.Fail(identity.KindServiceAccount, nil) }
	for _, user := range []string{"alice", "nobody"} {
		d.dial(t).get(basic(user, "secret-a"+code)).want(t, 503)
		d.wantReason(t, identity.KindServiceAccount)
	}
	if got := d.dir.asked.Load(); got != asked {
		t.Errorf("got %d passwords judged, want none while the secret cannot be read", got-asked)
	}
}

// What the directory found under a typed name need not be who is proven.
func TestFactorIsOfWhoeverIsProven(t *testing.T) {
	d, clock := newFactorDoor(t, nil)
	d.dir.mu.Lock()
	d.dir.as = fakeSID("somebody else")
	d.dir.mu.Unlock()
	id := d.dir.account("bob")
	held := identity.Enrolment{Account: "S-1-5-21-1-2-3-4", Secrets: []identity.Secret{identity.NewSecret(aliceURI)}}
	v := &visit{door: d.Handler, r: new(http.Request)}
	if err := v.checkCode(d.dir, id, held, codeAt(t, aliceURI, clock.now(), 0)); kindOf(err) != identity.KindFactor {
		t.Errorf("a code of somebody else: got %v, want %v", err, identity.KindFactor)
	}
	if err := v.checkCode(d.dir, id, held, codeAt(t, bobURI, clock.now(), 0)); err != nil {
		t.Errorf("bob's own code: got %v", err)
	}
}

func TestFactorConfiguration(t *testing.T) {
	tests := map[string]struct {
		totp    TOTP
		schemes []string
		want    string // in the error; empty: none
	}{
		"well":              {TOTP{Attribute: "secretAttribute"}, nil, ""},
		"no attribute":      {TOTP{}, nil, "no attribute is named"},
		"shown attribute":   {TOTP{Attribute: "mail"}, nil, "everybody reads mail"},
		"negotiate":         {TOTP{Attribute: "secretAttribute", Exempt: []string{"negotiate"}}, nil, "write kerberos, ntlm or both"},
		"basic":             {TOTP{Attribute: "secretAttribute", Exempt: []string{"basic"}}, nil, "carries its code itself"},
		"unknown":           {TOTP{Attribute: "secretAttribute", Exempt: []string{"krb"}}, nil, "known: kerberos, ntlm"},
		"twice":             {TOTP{Attribute: "secretAttribute", Exempt: []string{"ntlm", "ntlm"}}, nil, "twice"},
		"a rule of nothing": {TOTP{Attribute: "secretAttribute", Require: &policy.Rule{}}, nil, "totp: require"},
		"none alone":        {TOTP{Attribute: "secretAttribute", Require: &policy.Rule{None: []policy.Rule{{ValidUser: true}}}}, nil, "totp: require"},
		"NTLM for nobody":   {TOTP{Attribute: "secretAttribute"}, []string{"ntlm", "basic"}, "ntlm carries none"},
		"NTLM for some":     {TOTP{Attribute: "secretAttribute", Require: &policy.Rule{Group: []string{"HR"}}}, []string{"ntlm", "basic"}, ""},
		"NTLM exempt":       {TOTP{Attribute: "secretAttribute", Exempt: []string{"ntlm"}}, []string{"ntlm", "basic"}, ""},
		"a role of nobody":  {TOTP{Attribute: "secretAttribute", Require: &policy.Rule{Role: []string{"nosuch"}}}, nil, "nosuch"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := &Handler{TOTP: &test.totp, Schemes: test.schemes, now: time.Now, store: store.NewMemory(nil, time.Now)}
			err := h.settle([]directory{newFakeDirectory("EXAMPLE")})
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// newFactorSessionDoor asks for codes and keeps sessions, whose pages are those of
// actOnSession. Doors that share a store are sites of one server.
func newFactorSessionDoor(t *testing.T, kept store.Store, clock *clock, change func(*door)) *sessionDoor {
	t.Helper()
	return newSessionDoor(t, func(d *door) {
		d.kept = kept
		d.dir.tickets = &fakeTickets{directory: d.dir}
		d.dir.passwords["carol"], d.dir.uris = "secret-c", nil
		withTOTP(d, clock, func(f *TOTP) { f.Require = &policy.Rule{ValidUser: true} })
		d.Handler.store = kept
		if change != nil {
			change(d)
		}
	})
}

// F-08: a session that a code opened holds the second factor, by cookie and by key; one
// that a password alone opened, at a site that asks for none, does not.
func TestFactorOfASession(t *testing.T) {
	clock := middleOfStep()
	kept := store.NewMemory(nil, clock.now)
	lax := newFactorSessionDoor(t, kept, clock, func(d *door) { d.TOTP = nil })
	strict := newFactorSessionDoor(t, kept, clock, nil)
	refused := func(what string, got answer) {
		t.Helper()
		if got.StatusCode != 401 {
			t.Errorf("%s: got %d, want 401", what, got.StatusCode)
		}
		strict.wantReason(t, identity.KindFactor)
	}

	weak := lax.logIn(t, "alice")
	refused("a session of a password", strict.get(t, weak))
	refused("the same on HTTP/2", strict.ask(t, 2, "/", weak))
	refused("the same for a WebSocket", strict.get(t, append([]string{weak}, upgrade...)...))
	key := "Authorization: Bearer " + lax.ask(t, 1, "/key", weak).text
	refused("its key", strict.get(t, key))
	refused("its cookie beside a ticket", strict.get(t, weak, negotiate(ticketOf("alice"))))

	// The code makes it one that holds the factor, under a new name.
	first := strict.get(t, asPage, weak, basic("alice", "secret-a"+codeAt(t, aliceURI, clock.now(), 0)))
	first.wantUser(t, "alice")
	strong := cookieOf(first)
	if strong == "" || strong == weak {
		t.Fatalf("got cookie %q, want a new one", strong)
	}
	strict.get(t, weak).want(t, 401, negotiated...)
	strict.get(t, strong).wantUser(t, "alice")
	strict.ask(t, 2, "/", strong).wantUser(t, "alice")
	lax.get(t, strong).wantUser(t, "alice")
	key = "Authorization: Bearer " + strict.ask(t, 1, "/key", strong).text
	refused("a key that was opened without a code", strict.get(t, key))

	// What a browser sends with each request: the same code, and the cookie.
	for range 3 {
		again := strict.get(t, asPage, strong, basic("alice", "secret-a"+codeAt(t, aliceURI, clock.now(), 0)))
		again.wantUser(t, "alice")
		if cookieOf(again) != "" {
			t.Error("got another session for the same browser")
		}
	}
	strict.get(t, strong, negotiate(ticketOf("alice"))).wantUser(t, "alice")
	strict.get(t, asPage, strong, negotiate(ticketOf("alice"))).wantUser(t, "alice")
	strict.get(t, strong).wantUser(t, "alice") // a log-in that carries no code has not replaced it
	strict.get(t, strong, basic("alice", "wrong"+codeAt(t, aliceURI, clock.now(), 0))).want(t, 401, negotiated...)
	refused("somebody else's session", strict.get(t, strong, negotiate(ticketOf("bob"))))

	// A log-in with a code opens one that holds it at once.
	fresh := cookieOf(strict.get(t, asPage, basic("bob", "secret-b"+codeAt(t, bobURI, clock.now(), 0))))
	strict.get(t, fresh).wantUser(t, "bob")
}

// A session that a ticket opened where tickets need no code holds none elsewhere.
func TestFactorExemptOfASession(t *testing.T) {
	clock := middleOfStep()
	kept := store.NewMemory(nil, clock.now)
	exempting := newFactorSessionDoor(t, kept, clock, func(d *door) { d.TOTP.Exempt = []string{"kerberos"} })
	strict := newFactorSessionDoor(t, kept, clock, nil)
	cookie := cookieOf(exempting.get(t, asPage, negotiate(ticketOf("alice"))))
	exempting.get(t, cookie).wantUser(t, "alice")
	if got := strict.get(t, cookie); got.StatusCode != 401 {
		t.Errorf("got %d, want 401", got.StatusCode)
	}
	strict.wantReason(t, identity.KindFactor)
}

// C22–C26 without totp: password and code go to the directory as they were typed, which
// takes each code once; the connection they came on goes on, and no other one does.
func TestCodePassesThrough(t *testing.T) {
	d := newDoor(t, func(d *door) { d.dir.passwords["alice"] = "secret-a123456" })
	c := d.dial(t)
	c.get(basic("alice", "secret-a123456")).wantUser(t, "alice")
	d.dir.passwords["alice"] = "secret-a654321" // the directory has spent the code
	c.get(basic("alice", "secret-a123456")).wantUser(t, "alice")
	d.dial(t).get(basic("alice", "secret-a123456")).want(t, 401, both...)
	c.get(basic("alice", "secret-a")).want(t, 401, both...)
	c.get(basic("alice", "secret-a654321")).wantUser(t, "alice")
	if got := d.dir.read.Load(); got != 0 {
		t.Errorf("got %d secrets read, want none where no totp stands", got)
	}
}

// TestBlankBeforeACode: whoever types nothing before a code is answered by a controller, and
// counted, as everybody is: else the answer would tell which accounts have a secret. F-09.
func TestBlankBeforeACode(t *testing.T) {
	d, _ := newFactorDoor(t, nil)
	for i, name := range []string{"alice", "carol", "nobody"} {
		d.dial(t).get(basic(name, "  123456")).want(t, 401, basicChallenge)
		if got, want := d.dir.asked.Load(), int64(i+1); got != want {
			t.Errorf("%s: got %d questions to controllers, want %d", name, got, want)
		}
		d.wantReason(t, identity.KindBadCredentials)
	}
}
