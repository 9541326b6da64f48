package caddyntlm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// fakeDirectory knows accounts and verifies for itself.
type fakeDirectory struct {
	name string

	mu        sync.Mutex
	passwords map[string]string
	groups    map[string][]string
	failures  map[string]error // of password and NTLM log-ins, by user
	open      map[*fakeExchange]bool
	at        func() time.Time
	fresh     time.Duration
	purged    time.Time

	start   func(ctx context.Context) error // before a Type 2 is given
	finish  func(ctx context.Context) error // before a Type 3 is looked at
	resolve func(id *identity.Identity) error
	refresh func(id *identity.Identity) error
	verify  func(ctx context.Context) error

	as                             identity.SID      // everybody's, where set
	details                        *identity.Details // everybody's, as rules have them asked for
	noNTLM, noPasswords            bool
	signs                          bool // takes clients that ask for signing
	keyless                        bool // and cannot sign, as SMB
	asked, refreshed, resolved     atomic.Int64
	accepts                        func(identity.Name) bool
	challenges                     uint64
	lastNegotiate, lastAuthenicate []byte
	lastChannel                    *identity.Channel
	meant                          identity.Meant      // what every client says
	tickets                        *fakeTickets        // nil without
	uris                           map[string][]string // of second factors, by user
	enrolment                      func() error        // before they are read
	read                           atomic.Int64        // how often they were
}

func newFakeDirectory(name string) *fakeDirectory {
	return &fakeDirectory{
		name:      name,
		passwords: map[string]string{"alice": "secret-a", "bob": "secret-b", "älice": "pässwort"},
		groups:    map[string][]string{"alice": {"HR", "Users"}, "bob": {"Users"}},
		failures:  map[string]error{},
		open:      map[*fakeExchange]bool{},
		at:        time.Now,
		fresh:     5 * time.Minute,
		accepts:   func(identity.Name) bool { return true },
	}
}

func (d *fakeDirectory) checkClosed(t testing.TB) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.open) != 0 {
		t.Errorf("got %d exchanges left open, want 0", len(d.open))
	}
}

func (d *fakeDirectory) Name() string                        { return d.name }
func (d *fakeDirectory) Key() string                         { return "key of " + d.name }
func (d *fakeDirectory) Purged(*identity.Identity) time.Time { return d.purged }
func (d *fakeDirectory) Accepts(name identity.Name) bool     { return d.accepts(name) }
func (d *fakeDirectory) Freshness() (fresh, stale time.Duration) {
	return d.fresh, 15 * time.Minute
}
func (d *fakeDirectory) GivesRole(role string) bool { return role == "staff" }
func (d *fakeDirectory) fold(dn string) string      { return policy.FoldDN(dn) }
func (d *fakeDirectory) sid(user string) identity.SID {
	if !d.as.IsZero() {
		return d.as
	}
	return fakeSID(d.name + user)
}

func (d *fakeDirectory) PasswordVerifier() identity.PasswordVerifier {
	if d.noPasswords {
		return nil
	}
	return d
}

func (d *fakeDirectory) NTLMVerifier() identity.NTLMVerifier {
	if d.noNTLM {
		return nil
	}
	return d
}

func (d *fakeDirectory) TakesSigning() bool { return d.signs }
func (d *fakeDirectory) KnowsKey() bool     { return d.signs && !d.keyless }

func (d *fakeDirectory) TicketVerifier() identity.TicketVerifier {
	if d.tickets == nil {
		return nil
	}
	return d.tickets
}

func fakeSID(text string) identity.SID {
	sum := uint32(1000)
	for _, r := range text {
		sum = sum*31 + uint32(r)
	}
	sid, err := identity.ParseSID(fmt.Sprintf("S-1-5-21-1-2-3-%d", sum))
	if err != nil {
		panic(err)
	}
	return sid
}

func (d *fakeDirectory) check(user, password string) (*identity.Principal, error) {
	d.asked.Add(1)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.failures[user]; err != nil {
		return nil, err
	}
	if known, ok := d.passwords[user]; !ok || known != password {
		return nil, identity.Fail(identity.KindBadCredentials, nil)
	}
	return identity.Prove(identity.Proof{
		SID: d.sid(user), Claimed: identity.Name{User: user}, Verifier: "fake", Server: "dc1.example.com:636", Meant: d.meant,
	}), nil
}

func (d *fakeDirectory) VerifyPassword(ctx context.Context, name identity.Name, password identity.Secret) (*identity.Principal, error) {
	if d.verify != nil {
		if err := d.verify(ctx); err != nil {
			return nil, err
		}
	}
	return d.check(name.User, password.Reveal())
}

func (d *fakeDirectory) Resolve(_ context.Context, p *identity.Principal) (*identity.Identity, error) {
	d.resolved.Add(1)
	id := d.account(p.Claimed().User)
	if d.resolve != nil {
		if err := d.resolve(id); err != nil {
			return nil, err
		}
	}
	return id, nil
}

func (d *fakeDirectory) Refresh(_ context.Context, id *identity.Identity) (*identity.Identity, error) {
	d.refreshed.Add(1)
	fresh := d.account(id.SAM)
	if d.refresh != nil {
		if err := d.refresh(fresh); err != nil {
			return nil, err
		}
	}
	return fresh, nil
}

func (d *fakeDirectory) account(user string) *identity.Identity {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := identity.Account{
		Directory: d.name, Home: d.name, Domain: d.name, DNSDomain: "example.com", SID: d.sid(user), SAM: user,
		UPN: user + "@example.com", DN: "CN=" + user + ",DC=example,DC=com", DisplayName: "The " + user,
		Mail: user + "@mail.example.com", Verifier: "fake", Server: "dc1.example.com:636", At: d.at(), Details: d.details,
	}
	for _, g := range d.groups[user] {
		a.Groups = append(a.Groups, identity.Group{SID: fakeSID(g), Name: g, Domain: d.name, DN: "CN=" + g + ",DC=example,DC=com"})
	}
	return identity.New(a, d.fold)
}

func (d *fakeDirectory) StartNTLM(ctx context.Context, negotiate []byte, channel *identity.Channel) (identity.NTLMExchange, error) {
	if d.start != nil {
		if err := d.start(ctx); err != nil {
			return nil, err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.challenges++
	d.lastNegotiate, d.lastChannel = negotiate, channel
	x := &fakeExchange{dir: d, channel: channel, challenge: ntlmMessage(2, fmt.Sprintf("challenge-%d", d.challenges))}
	d.open[x] = true
	return x, nil
}

type fakeExchange struct {
	dir       *fakeDirectory
	channel   *identity.Channel
	challenge []byte
	fakeContext
}

// Signs implements identity.SigningExchange.
func (x *fakeExchange) Signs() bool { return x.dir.KnowsKey() }

func (x *fakeExchange) Challenge() []byte { return x.challenge }

func (x *fakeExchange) Close() error {
	x.dir.mu.Lock()
	defer x.dir.mu.Unlock()
	delete(x.dir.open, x)
	return nil
}

func (x *fakeExchange) Finish(ctx context.Context, authenticate []byte) (*identity.Principal, error) {
	if x.dir.finish != nil {
		if err := x.dir.finish(ctx); err != nil {
			return nil, err
		}
	}
	x.dir.mu.Lock()
	open := x.dir.open[x]
	x.dir.lastAuthenicate = authenticate
	x.dir.mu.Unlock()
	var response []byte
	if m, err := ntlm.ParseAuthenticate(authenticate); err == nil {
		response = m.NTResponse
	}
	parts := strings.SplitN(string(response), "\x00", 3)
	if !open || len(parts) != 3 || parts[0] != string(x.challenge[12:]) {
		return nil, identity.Fail(identity.KindBadCredentials, errors.New("not the answer to this challenge"))
	}
	if err := x.channel.Check(x.dir.meant); err != nil {
		return nil, err
	}
	return x.dir.check(parts[1], parts[2])
}
