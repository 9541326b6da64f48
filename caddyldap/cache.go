package caddyldap

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// afresh is the age up to which an identity is as good as one just read: a
// denial may be decided on it.
const afresh = 5 * time.Second

// cacheKey is whose identity it is and how it came about: verifiers differ in
// the well-known SIDs they give, and configurations in what they read.
type cacheKey struct {
	sid               identity.SID
	dn                string // folded, where no controller vouches for the SID
	uuid              string // there too: a DN may be somebody else's tomorrow
	verifier, reading string
}

func (k cacheKey) String() string {
	return strings.Join([]string{k.sid.String(), k.dn, k.uuid, k.verifier, k.reading}, "\x00")
}

// securityContext is a hash of the SIDs of a security context; zero where the server
// shows none.
type securityContext [sha256.Size]byte

func contextOf(token []identity.SID) securityContext {
	if len(token) == 0 {
		return securityContext{}
	}
	texts := make([]string, len(token))
	for i, sid := range token {
		texts[i] = sid.String()
	}
	slices.Sort(texts)
	return sha256.Sum256([]byte(strings.Join(texts, " ")))
}

// sidsOf are the SIDs that a log-in as it was read shows in its security
// context. Where it shows others, the cache will not know it: no harm.
func sidsOf(id *identity.Identity) []identity.SID {
	groups := id.Groups()
	list := make([]identity.SID, 0, len(groups)+1)
	if list = append(list, id.SID); id.SID.IsZero() {
		return nil
	}
	for _, g := range groups {
		list = append(list, g.SID)
	}
	return list
}

// known is an identity in the cache, and the security context of the log-in
// that it was made for.
type known struct {
	id      *identity.Identity
	context securityContext
}

// cache keeps identities for a while. Failures are not kept.
type cache struct {
	now     func() time.Time
	entries *otter.Cache[cacheKey, known]
	flights singleflight.Group
	purged  purges
	*lookups
}

func (d *Directory) newCache() (*cache, error) {
	entries, err := otter.New(&otter.Options[cacheKey, known]{
		MaximumSize:      d.cacheSize(),
		ExpiryCalculator: otter.ExpiryWriting[cacheKey, known](d.ttl()),
	})
	if err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	return &cache{now: d.now, entries: entries, lookups: d.metrics.lookupsOf(d.name)}, nil
}

func (c *cache) close() {
	c.entries.InvalidateAll()
	c.entries.StopAllGoroutines()
}

// serves reports whether an identity is young enough, and was not purged.
func (c *cache) serves(id *identity.Identity, limit time.Duration) bool {
	return c.now().Sub(id.At) <= limit && id.At.UnixNano() >= c.purged.of(id)
}

// recall is an identity no older than limit, or nil.
func (c *cache) recall(key cacheKey, limit time.Duration) *identity.Identity {
	if e, ok := c.entries.GetIfPresent(key); ok && c.serves(e.id, limit) {
		c.hits.Add(1)
		return e.id
	}
	c.misses.Add(1)
	return nil
}

// recallContext is the identity of whoever has a security context, where that
// is the very one of a former log-in. Which SID is the account's the cache
// knows: it finds nothing under the others.
func (c *cache) recallContext(token []identity.SID, verifier, reading string, limit time.Duration) *identity.Identity {
	context := contextOf(token)
	for _, sid := range token {
		e, ok := c.entries.GetIfPresent(cacheKey{sid: sid, verifier: verifier, reading: reading})
		if ok && e.context == context && c.serves(e.id, limit) {
			c.hits.Add(1)
			return e.id
		}
	}
	c.misses.Add(1)
	return nil
}

// limit is how old an identity may be that serves a log-in: where nothing can
// look it up again before a denial, no older than a denial may be decided on.
func (d *Directory) limit() time.Duration {
	if d.service == nil {
		return min(afresh, d.ttl())
	}
	return d.ttl()
}

// keyOf tells people apart by their SIDs where a controller listed those itself,
// in a token. Elsewhere an attribute of that name is an attribute like others,
// and two entries may have one value; and a DN may be given to a new entry.
func (d *Directory) keyOf(sid identity.SID, dn, uuid, verifier string, byToken bool) cacheKey {
	k := cacheKey{sid: sid, verifier: verifier, reading: d.reading.print}
	if sid.IsZero() || !byToken {
		k.dn, k.uuid = policy.FoldDN(dn), uuid
	}
	return k
}

func (d *Directory) keyOfIdentity(id *identity.Identity) cacheKey {
	return d.keyOf(id.SID, id.DN, id.UUID, id.Verifier, id.ByToken)
}

// once asks something about one user, for everybody who wants to know it now.
// It is asked on behalf of all of them: it goes on when one leaves.
func (d *Directory) once(ctx context.Context, key cacheKey, look func(context.Context) (*identity.Identity, error)) (*identity.Identity, error) {
	results := d.cache.flights.DoChan(key.String(), func() (_ any, err error) {
		defer func() {
			if r := recover(); r != nil { // a goroutine without a request around it would take the program along
				err = identity.Fail(identity.KindInternal, fmt.Errorf("a panic while looking somebody up: %v", r))
			}
		}()
		ctx, cancel := context.WithTimeout(d.life, overall)
		defer cancel()
		return look(ctx)
	})
	select {
	case r := <-results:
		id, _ := r.Val.(*identity.Identity)
		if r.Err == nil && id == nil {
			return nil, identity.Fail(identity.KindInternal, errors.New("a look-up without an outcome"))
		}
		return id, r.Err
	case <-ctx.Done():
		return nil, identity.Fail(identity.KindTimeout, context.Cause(ctx))
	}
}
