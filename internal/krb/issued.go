package krb

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/credentials"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// Issued is what the owner of a ticket can see of it. What is sealed inside, the
// service alone can read.
type Issued struct {
	Client  string // name@REALM
	Service string // name@REALM, as the KDC has it
	Etype   int32  // of the ticket, by the service's key
	Session int32  // enctype of the session key
	Version int    // kvno of the service's key; 0 where the KDC does not say
	Starts  time.Time
	Ends    time.Time
	Kept    bool // it was in the cache already
}

// grant is a ticket with the key that its owner shares with the service.
type grant struct {
	ticket messages.Ticket
	key    types.EncryptionKey
	starts time.Time
	ends   time.Time
	kept   bool
}

// Present makes the token for a service as Initiate does, and says what ticket is
// in it. A ticket for the service that is in the cache is used, as any client
// would. Errors are ErrCredential, where nothing can be got with what there is,
// ErrNoService, ErrRefused, ErrUnreachable and ErrClock.
func (c *Credential) Present(ctx context.Context, spn string, binding *[16]byte) (*Initiation, *Issued, error) {
	type presented struct {
		initiation *Initiation
		issued     *Issued
	}
	p, err := guard(ctx, func() (p presented, err error) {
		cl, g, err := c.grant(spn)
		if err != nil {
			return p, err
		}
		defer cl.Destroy()
		p.issued = &Issued{
			Client:  cl.Credentials.CName().PrincipalNameString() + "@" + cl.Credentials.Domain(),
			Service: g.ticket.SName.PrincipalNameString() + "@" + g.ticket.Realm,
			Etype:   g.ticket.EncPart.EType, Session: g.key.KeyType, Version: g.ticket.EncPart.KVNO,
			Starts: g.starts, Ends: g.ends, Kept: g.kept,
		}
		p.initiation, err = initiate(cl.Credentials.Domain(), cl.Credentials.CName(), g.ticket, g.key, binding)
		return p, err
	})
	return p.initiation, p.issued, err
}

// grant gets a ticket for a service. The client must be destroyed.
func (c *Credential) grant(spn string) (*client.Client, *grant, error) {
	var cache *credentials.CCache
	if c.CCache != nil {
		cache = new(credentials.CCache)
		if err := cache.Unmarshal(c.CCache); err != nil {
			return nil, nil, fmt.Errorf("%w: the cache: %w", ErrCredential, err)
		}
		if c.Realm == "" {
			c = &Credential{CCache: c.CCache, Conf: c.Conf, KDCs: c.KDCs, Realm: cache.DefaultPrincipal.Realm}
		}
	}
	cl, err := c.open()
	if err != nil {
		return nil, nil, err
	}
	g, err := kept(cache, spn)
	if err == nil && g == nil {
		g, err = asked(cl, cache, spn)
	}
	if err != nil {
		cl.Destroy()
		return nil, nil, err
	}
	return cl, g, nil
}

// kept finds a ticket in a cache that is good now, nil where there is none.
func kept(cache *credentials.CCache, spn string) (*grant, error) {
	if cache == nil {
		return nil, nil
	}
	for _, e := range cache.GetEntries() {
		if !strings.EqualFold(e.Server.PrincipalName.PrincipalNameString(), spn) || !isNow(e.StartTime, e.AuthTime, e.EndTime) {
			continue
		}
		g := &grant{key: e.Key, starts: begins(e.StartTime, e.AuthTime), ends: e.EndTime, kept: true}
		if err := g.ticket.Unmarshal(e.Ticket); err != nil {
			return nil, fmt.Errorf("%w: the cache: the ticket for %s: %w", ErrCredential, spn, err)
		}
		return g, nil
	}
	return nil, nil
}

// begins is the time from which a ticket is good, RFC 4120 5.3.
func begins(starts, authenticated time.Time) time.Time {
	if starts.Unix() <= 0 {
		return authenticated
	}
	return starts
}

func isNow(starts, authenticated, ends time.Time) bool {
	now := time.Now()
	return now.Before(ends) && !now.Add(defaultSkew).Before(begins(starts, authenticated))
}

// asked asks the KDC, by the ticket-granting ticket of the cache, or by one that
// password or key get first.
func asked(cl *client.Client, cache *credentials.CCache, spn string) (*grant, error) {
	realm := cl.Credentials.Domain()
	granting, key, err := granting(cl, cache, realm)
	if err != nil {
		return nil, err
	}
	_, reply, err := cl.TGSREQGenerateAndExchange(types.NewPrincipalName(1, spn), realm, granting, key, false)
	if err != nil {
		return nil, fmt.Errorf("getting a ticket for %s: %w", spn, failure(err))
	}
	part := &reply.DecryptedEncPart
	return &grant{ticket: reply.Ticket, key: part.Key, starts: begins(part.StartTime, part.AuthTime), ends: part.EndTime}, nil
}

// granting is the ticket-granting ticket of a realm, RFC 4120 3.1 and 3.3.
func granting(cl *client.Client, cache *credentials.CCache, realm string) (messages.Ticket, types.EncryptionKey, error) {
	var none messages.Ticket
	if cache == nil {
		request, err := messages.NewASReqForTGT(realm, cl.Config, cl.Credentials.CName())
		if err != nil {
			return none, types.EncryptionKey{}, fmt.Errorf("%w: %w", ErrCredential, err)
		}
		reply, err := cl.ASExchange(realm, request, 0)
		if err != nil {
			return none, types.EncryptionKey{}, fmt.Errorf("logging in at the KDC of %s: %w", realm, failure(err))
		}
		return reply.Ticket, reply.DecryptedEncPart.Key, nil
	}
	g, err := kept(cache, "krbtgt/"+realm)
	if err != nil {
		return none, types.EncryptionKey{}, err
	}
	if g == nil {
		return none, types.EncryptionKey{}, fmt.Errorf("%w: the cache: its tickets have ended, or it has none that gets others", ErrCredential)
	}
	return g.ticket, g.key, nil
}
