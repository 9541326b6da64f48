package krb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// cacheEntry is a ticket in a cache.
type cacheEntry struct {
	server string
	key    types.EncryptionKey
	auth   time.Time
	ends   time.Time
	ticket []byte
}

// cacheOf is a ticket cache of alice's, version 4 of MIT's format.
func cacheOf(entries ...cacheEntry) []byte {
	var b bytes.Buffer
	number := func(v any) { _ = binary.Write(&b, binary.BigEndian, v) }
	data := func(raw string) { number(uint32(len(raw))); b.WriteString(raw) }
	name := func(text string) {
		parts := strings.Split(text, "/")
		number(uint32(1))
		number(uint32(len(parts)))
		data("EXAMPLE.TEST")
		for _, p := range parts {
			data(p)
		}
	}
	b.Write([]byte{5, 4, 0, 0})
	name("alice")
	for _, e := range entries {
		name("alice")
		name(e.server)
		number(uint16(e.key.KeyType))
		data(string(e.key.KeyValue))
		for _, at := range []time.Time{e.auth, e.auth, e.ends, e.ends} {
			number(uint32(at.Unix()))
		}
		b.Write(make([]byte, 1+4+4+4)) // is_skey, flags, no addresses, no authorization data
		data(string(e.ticket))
		data("")
	}
	return b.Bytes()
}

// TestPresentKept: a ticket that is in the cache is what a service accepts, and no
// KDC is asked; one that has ended is not used.
func TestPresentKept(t *testing.T) {
	now := time.Now()
	long := aKey(etypeAES256SHA1, 0x11)
	f := newForge(now, long)
	var sealed []byte
	f.Ticket = func(made *messages.Ticket) {
		raw, err := made.Marshal()
		sealed = must(t, raw, err)
	}
	f.Token(t)
	granting := cacheEntry{"krbtgt/EXAMPLE.TEST", f.Part.Key, now.Add(-time.Hour), now.Add(time.Hour), sealed}
	web := cacheEntry{"HTTP/web.example.test", f.Part.Key, now.Add(-time.Hour), now.Add(9 * time.Hour), sealed}
	ended, old := web, granting
	ended.ends, old.ends = now.Add(-time.Minute), now.Add(-time.Minute)
	present := func(cache []byte) (*Initiation, *Issued, error) {
		return (&Credential{CCache: cache, KDCs: []string{"127.0.0.1:1"}}).Present(t.Context(), "HTTP/Web.example.test", &[16]byte{7})
	}
	made, issued, err := present(cacheOf(granting, ended, web))
	if err != nil {
		t.Fatal(err)
	}
	const want = "{alice@EXAMPLE.TEST HTTP/web.example.test@EXAMPLE.TEST 18 18 3 true}"
	if got := fmt.Sprint(struct {
		c, s    string
		e, k    int32
		version int
		kept    bool
	}{issued.Client, issued.Service, issued.Etype, issued.Session, issued.Version, issued.Kept}); got != want || issued.Ends.Unix() != web.ends.Unix() || issued.Starts.Unix() != web.auth.Unix() {
		t.Errorf("got %s from %v until %v, want %s until %v", got, issued.Starts, issued.Ends, want, web.ends)
	}
	ticket, context, err := acceptorOf(now, long).Accept(made.Token)
	if err != nil || ticket.Binding == nil || ticket.Binding[0] != 7 {
		t.Fatalf("the service: got %v, %v, want the ticket with its binding", ticket, err)
	}
	if err := made.Finish(context.Reply()); err != nil {
		t.Errorf("the service's answer: %v", err)
	}
	for name, c := range map[string]struct {
		cache []byte
		want  error
	}{
		"ended, and no KDC": {cacheOf(granting, ended), ErrUnreachable},
		"all ended":         {cacheOf(old, ended), ErrCredential},
		"no ticket":         {cacheOf(), ErrCredential},
		"odd ticket":        {cacheOf(granting, cacheEntry{web.server, web.key, web.auth, web.ends, []byte("x")}), ErrCredential},
		"cut":               {bytes.Clone(cacheOf(granting)[:40]), ErrMalformed},
		"no cache":          {[]byte("x"), ErrCredential},
	} {
		if _, _, err := present(c.cache); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

// TestFailure sorts what the library says.
func TestFailure(t *testing.T) {
	for text, want := range map[string]error{
		"KDC_Error: TGS Exchange Error: KRB Error: (7) KDC_ERR_S_PRINCIPAL_UNKNOWN Server not found": ErrNoService,
		"KRB Error: (8) KDC_ERR_PRINCIPAL_NOT_UNIQUE Multiple principal entries in database":         ErrNoService,
		"KRB Error: (24) KDC_ERR_PREAUTH_FAILED Pre-authentication information was invalid":          ErrRefused,
		"KRB Error: (37) KRB_AP_ERR_SKEW Clock skew too great":                                       ErrClock,
		"clock skew with KDC too large. Greater than 300 seconds":                                    ErrClock,
		"Networking_Error: communication error with KDC via TCP":                                     ErrUnreachable,
	} {
		err := failure(errors.New(text))
		if !errors.Is(err, want) || errors.Is(err, ErrNoService) && want != ErrNoService {
			t.Errorf("%s: got %v, want %v", text, err, want)
		}
	}
	if !errors.Is(ErrNoService, ErrRefused) {
		t.Error("a service that nobody has is refused too")
	}
}

// TestPlainConf: DNS names the KDCs where nobody else does.
func TestPlainConf(t *testing.T) {
	for _, kdcs := range [][]string{nil, {"dc1.example.test"}} {
		conf, err := (&Credential{Realm: "EXAMPLE.TEST", KDCs: kdcs}).config()
		if err != nil || conf.LibDefaults.DNSLookupKDC != (kdcs == nil) {
			t.Errorf("%v: got %v, %v", kdcs, conf, err)
		}
	}
}
