package krb

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func acceptorOf(now time.Time, long types.EncryptionKey) *Acceptor {
	return &Acceptor{
		Keytab:  keytabOf("EXAMPLE.TEST", "svc-web", map[int]types.EncryptionKey{3: long}),
		Replays: NewReplays(), Now: func() time.Time { return now },
	}
}

// TestAccept: every enctype, with and without mutual authentication, and what
// the ticket says is what comes out.
func TestAccept(t *testing.T) {
	for _, etype := range []int32{etypeAES128SHA1, etypeAES256SHA1, etypeAES128SHA2, etypeAES256SHA2, etypeRC4} {
		long := aKey(etype, 0x11)
		f, a := newForge(noon, long), acceptorOf(noon, long)
		a.AllowRC4 = etype == etypeRC4
		f.Sent.Cksum.Checksum[4] = 9
		f.PAC(t, []byte("pac"))
		ticket, context, err := a.Accept(f.Token(t))
		if err != nil {
			t.Errorf("%s: %v", Etype(etype), err)
			continue
		}
		if ticket.Client() != "alice@EXAMPLE.TEST" || ticket.Service != "HTTP/web.example.test" || ticket.Etype != etype || !ticket.Ends.Equal(noon.Add(9*time.Hour)) {
			t.Errorf("%s: got %s for %s", Etype(etype), ticket.Client(), ticket.Service)
		}
		if ticket.Binding == nil || ticket.Binding[0] != 9 || string(ticket.PAC) != "pac" {
			t.Errorf("%s: got binding %v, PAC %q", Etype(etype), ticket.Binding, ticket.PAC)
		}
		client := &Initiation{key: f.Part.Key, sent: f.Sent}
		if err := client.Finish(context.Reply()); err != nil {
			t.Errorf("%s: the client refuses the answer: %v", Etype(etype), err)
		}
		f.Options = []byte{0, 0, 0, 0}
		f.Sent.Cusec++
		if _, context, err := a.Accept(f.Token(t)); err != nil || context.Reply() != nil {
			t.Errorf("%s, not mutual: got %v and an answer of %d bytes", Etype(etype), err, len(context.Reply()))
		}
	}
}

// TestAcceptRefuses: threats C-01, C-03, C-04, C-05, C-07, C-08, C-10. Each lie
// alone, in a request that is good otherwise.
func TestAcceptRefuses(t *testing.T) {
	long := aKey(etypeAES256SHA1, 0x11)
	bob := types.PrincipalName{NameType: 1, NameString: []string{"bob"}}
	for name, c := range map[string]struct {
		change func(*forge, *Acceptor)
		want   error
	}{
		"nothing":                   {func(*forge, *Acceptor) {}, nil},
		"the authenticator's name":  {func(f *forge, _ *Acceptor) { f.Sent.CName = bob }, ErrOtherClient},
		"the authenticator's realm": {func(f *forge, _ *Acceptor) { f.Sent.CRealm = "OTHER.TEST" }, ErrOtherClient},
		"a longer name":             {func(f *forge, _ *Acceptor) { f.Sent.CName.NameString = []string{"alice", "admin"} }, ErrOtherClient},
		"another letter case":       {func(f *forge, _ *Acceptor) { f.Sent.CName.NameString = []string{"Alice"} }, ErrOtherClient},
		"a clock behind":            {func(f *forge, _ *Acceptor) { f.Sent.CTime = noon.Add(-301 * time.Second) }, ErrClock},
		"a clock ahead":             {func(f *forge, _ *Acceptor) { f.Sent.CTime = noon.Add(301 * time.Second) }, ErrClock},
		"a clock just behind":       {func(f *forge, _ *Acceptor) { f.Sent.CTime = noon.Add(-299 * time.Second) }, nil},
		"an ended ticket":           {func(f *forge, _ *Acceptor) { f.Part.EndTime = noon.Add(-301 * time.Second) }, ErrExpired},
		"a ticket of tomorrow":      {func(f *forge, _ *Acceptor) { f.Part.StartTime = noon.Add(301 * time.Second) }, ErrExpired},
		"an invalid ticket":         {func(f *forge, _ *Acceptor) { f.Part.Flags.Bytes[0] |= 0x01 }, ErrExpired},
		"a client of another realm": {func(f *forge, _ *Acceptor) { f.Part.CRealm, f.Sent.CRealm = "OTHER.TEST", "OTHER.TEST" }, ErrRealm},
		"a listed realm": {func(f *forge, a *Acceptor) {
			f.Part.CRealm, f.Sent.CRealm, a.Realms = "OTHER.TEST", "OTHER.TEST", []string{"OTHER.TEST"}
		}, nil},
		"a realm by another": {func(f *forge, a *Acceptor) {
			f.Part.CRealm, f.Sent.CRealm, a.Realms = "OTHER.TEST", "OTHER.TEST", []string{"OTHER.TEST"}
			f.Part.Transited = messages.TransitedEncoding{TRType: 1, Contents: []byte("EVIL.TEST")}
		}, ErrRealm},
		"the own realm, not listed": {func(_ *forge, a *Acceptor) { a.Realms = []string{"OTHER.TEST"} }, ErrRealm},
		"a slash in a component": {func(f *forge, _ *Acceptor) {
			f.Part.CName.NameString, f.Sent.CName.NameString = []string{"alice/admin"}, []string{"alice/admin"}
		}, ErrMalformed},
		"nobody": {func(f *forge, _ *Acceptor) {
			f.Part.CName.NameString, f.Sent.CName.NameString = []string{"WELLKNOWN", "ANONYMOUS"}, []string{"WELLKNOWN", "ANONYMOUS"}
		}, ErrMalformed},
		"a nameless client":          {func(f *forge, _ *Acceptor) { f.Part.CName.NameString, f.Sent.CName.NameString = nil, nil }, ErrMalformed},
		"another service":            {func(f *forge, _ *Acceptor) { f.Service = "cifs/web.example.test" }, ErrService},
		"the host":                   {func(f *forge, _ *Acceptor) { f.Service = "host/web.example.test" }, ErrService},
		"HTTP alone":                 {func(f *forge, _ *Acceptor) { f.Service = "HTTP" }, ErrService},
		"HTTP with a third part":     {func(f *forge, _ *Acceptor) { f.Service = "HTTP/web.example.test/x" }, ErrService},
		"another host":               {func(f *forge, a *Acceptor) { a.Services = []string{"HTTP/intranet.example.test"} }, ErrService},
		"the listed host":            {func(f *forge, a *Acceptor) { a.Services = []string{"http/WEB.example.test"} }, nil},
		"a service of another realm": {func(f *forge, _ *Acceptor) { f.Realm = "OTHER.TEST" }, ErrService},
		"no service name":            {func(f *forge, _ *Acceptor) { f.Ticket = func(t *messages.Ticket) { t.SName.NameString = nil } }, ErrService},
		"an address of elsewhere": {func(f *forge, _ *Acceptor) {
			f.Part.CAddr = types.HostAddresses{{AddrType: 2, Address: []byte{192, 0, 2, 1}}}
		}, nil},
		"user to user": {func(f *forge, _ *Acceptor) { f.Options = []byte{0x40, 0, 0, 0} }, ErrService},
		"RC4": {func(f *forge, a *Acceptor) {
			f.Long = aKey(etypeRC4, 1)
			a.Keytab.Keys = append(a.Keytab.Keys, &Key{Realm: f.Realm, Version: 3, Etype: etypeRC4, value: f.Long})
		}, ErrEtype},
		"an RC4 session key": {func(f *forge, _ *Acceptor) { f.Part.Key = aKey(etypeRC4, 1) }, ErrEtype},
		"a forged ticket":    {func(f *forge, _ *Acceptor) { f.Long = aKey(etypeAES256SHA1, 0x12) }, ErrForged},
		"a changed ticket":   {func(f *forge, _ *Acceptor) { f.Ticket = func(t *messages.Ticket) { t.EncPart.Cipher[40] ^= 1 } }, ErrForged},
		"an empty ticket":    {func(f *forge, _ *Acceptor) { f.Ticket = func(t *messages.Ticket) { t.EncPart.Cipher = nil } }, ErrForged},
		"a short ticket": {func(f *forge, _ *Acceptor) {
			f.Ticket = func(t *messages.Ticket) { t.EncPart.Cipher = t.EncPart.Cipher[:20] }
		}, ErrForged},
		"a key that is gone":       {func(f *forge, _ *Acceptor) { f.Long, f.Version = aKey(etypeAES256SHA1, 0x12), 4 }, ErrNoKey},
		"the same key, renumbered": {func(f *forge, _ *Acceptor) { f.Version = 4 }, nil},
		"no version":               {func(f *forge, _ *Acceptor) { f.Version = 0 }, nil},
		"a key of another enctype": {func(f *forge, _ *Acceptor) { f.Long = aKey(etypeAES128SHA1, 0x11) }, ErrNoKey},
		"another session key": {func(f *forge, _ *Acceptor) {
			f.Request = func(r *messages.APReq) { r.EncryptedAuthenticator.Cipher[30] ^= 1 }
		}, ErrForged},
		"an empty authenticator": {func(f *forge, _ *Acceptor) {
			f.Request = func(r *messages.APReq) { r.EncryptedAuthenticator.Cipher = nil }
		}, ErrForged},
		"an old authenticator":  {func(f *forge, _ *Acceptor) { f.Sent.AVNO = 4 }, ErrMalformed},
		"no checksum":           {func(f *forge, _ *Acceptor) { f.Sent.Cksum = types.Checksum{} }, ErrMalformed},
		"a checksum of CRC":     {func(f *forge, _ *Acceptor) { f.Sent.Cksum.CksumType = 1 }, ErrMalformed},
		"a short checksum":      {func(f *forge, _ *Acceptor) { f.Sent.Cksum.Checksum = f.Sent.Cksum.Checksum[:23] }, ErrMalformed},
		"bindings of no length": {func(f *forge, _ *Acceptor) { f.Sent.Cksum.Checksum[0] = 15 }, ErrMalformed},
		"a short session key":   {func(f *forge, _ *Acceptor) { f.Plain = func([]byte) []byte { return []byte{0x63, 2, 0x30, 0} } }, ErrMalformed},
		"nonsense inside":       {func(f *forge, _ *Acceptor) { f.Plain = func([]byte) []byte { return bytes.Repeat([]byte{0xff}, 64) } }, ErrMalformed},
		"another version":       {func(f *forge, _ *Acceptor) { f.Request = func(r *messages.APReq) { r.PVNO = 4 } }, ErrMalformed},
		"a subkey too short": {func(f *forge, _ *Acceptor) {
			f.Sent.SubKey = types.EncryptionKey{KeyType: etypeAES256SHA1, KeyValue: []byte{1}}
		}, ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			f, a := newForge(noon, long), acceptorOf(noon, long)
			c.change(f, a)
			ticket, _, err := a.Accept(f.Token(t))
			if !errors.Is(err, c.want) || c.want == nil && err != nil {
				t.Errorf("got %v, %v, want %v", ticket, err, c.want)
			}
			if (ticket == nil) != (err != nil) {
				t.Errorf("got a ticket %v beside %v", ticket, err)
			}
		})
	}
}

// TestTwoPACs: threats C-05.
func TestTwoPACs(t *testing.T) {
	long := aKey(etypeAES256SHA1, 0x11)
	f, a := newForge(noon, long), acceptorOf(noon, long)
	counted(a)
	f.PAC(t, []byte("one"), []byte("two"))
	if _, _, err := a.Accept(f.Token(t)); !errors.Is(err, ErrPAC) {
		t.Errorf("got %v, want %v", err, ErrPAC)
	}
	f.PAC(t)
	f.Part.AuthorizationData[0].ADData = []byte{0x30} // an AD-IF-RELEVANT of nothing
	if _, _, err := a.Accept(f.Token(t)); !errors.Is(err, ErrMalformed) {
		t.Errorf("cut: got %v, want %v", err, ErrMalformed)
	}
}

// TestReplay: threats C-02. At once, 64 in parallel, late within twice the skew,
// with other names beside the sealed part; and a new request passes.
func TestReplay(t *testing.T) {
	long := aKey(etypeAES256SHA1, 0x11)
	now := noon
	a := acceptorOf(noon, long)
	a.Now = func() time.Time { return now }
	f := newForge(noon, long)
	f.Sent.CTime = noon.Add(4 * time.Minute) // a clock that is ahead
	token := f.Token(t)

	var all sync.WaitGroup
	var mu sync.Mutex
	passed := 0
	for range 64 {
		all.Go(func() {
			_, _, err := a.Accept(token)
			if err != nil && !errors.Is(err, ErrReplay) {
				t.Errorf("got %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				passed++
			}
		})
	}
	all.Wait()
	if passed != 1 {
		t.Errorf("got %d of 64 at once let in, want 1", passed)
	}
	f.Request = func(r *messages.APReq) { r.Ticket.SName = types.NewPrincipalName(1, "http/web.example.test") }
	for _, late := range []time.Duration{time.Second, 4 * time.Minute, 8*time.Minute + 59*time.Second} {
		now = noon.Add(late)
		if _, _, err := a.Accept(token); !errors.Is(err, ErrReplay) {
			t.Errorf("after %v: got %v, want %v", late, err, ErrReplay)
		}
	}
	now = noon.Add(10 * time.Minute)
	if _, _, err := a.Accept(token); !errors.Is(err, ErrClock) {
		t.Errorf("after ten minutes: got %v, want %v", err, ErrClock)
	}
	now = noon
	f.Sent.Cusec++
	if _, _, err := a.Accept(f.Token(t)); err != nil {
		t.Errorf("a new request: %v", err)
	}
}

// TestSingle: two nodes that accept one request call it by one name, and another
// request by another, until neither takes it any more.
func TestSingle(t *testing.T) {
	long := aKey(etypeAES256SHA1, 0x11)
	f := newForge(noon, long)
	f.Sent.CTime = noon.Add(time.Minute)
	name := func(token []byte) (string, time.Time) {
		_, c, err := acceptorOf(noon, long).Accept(token)
		if err != nil {
			t.Fatal(err)
		}
		return c.Single()
	}
	token := f.Token(t)
	first, until := name(token)
	second, _ := name(token)
	f.Sent.Cusec++
	other, _ := name(f.Token(t))
	if first != second || first == other || first == "" {
		t.Errorf("got %q and %q of one request, %q of another", first, second, other)
	}
	if want := noon.Add(6 * time.Minute); until.Sub(want).Abs() >= time.Second {
		t.Errorf("got until %v, want %v", until, want)
	}
}

// TestReplaysAreForgotten when no clock takes them any more, and not before.
func TestReplaysAreForgotten(t *testing.T) {
	r := NewReplays()
	for i := range 1000 {
		if _, err := r.note("alice", []byte{byte(i), byte(i >> 8)}, noon, noon.Add(10*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.note("bob", []byte("later"), noon.Add(9*time.Minute), noon.Add(19*time.Minute)); err != nil || r.Len() != 1001 {
		t.Errorf("got %v and %d, want 1001", err, r.Len())
	}
	if _, err := r.note("bob", []byte("last"), noon.Add(11*time.Minute), noon.Add(21*time.Minute)); err != nil || r.Len() != 2 {
		t.Errorf("got %v and %d, want 2", err, r.Len())
	}
}

// TestReplayAfterClockSetBack: threats C-02 and E-07. A clock that was ahead for a
// moment has let requests be forgotten, which are not accepted again when it is right;
// others are, at once.
func TestReplayAfterClockSetBack(t *testing.T) {
	r := NewReplays()
	ahead := noon.Add(365 * 24 * time.Hour)
	for _, step := range []struct {
		name       string
		now, until time.Time
		want       error
	}{
		{"first", noon, noon.Add(5 * time.Minute), nil},
		{"while the clock is ahead", ahead, ahead.Add(5 * time.Minute), nil},
		{"first", noon, noon.Add(5 * time.Minute), ErrReplay},
		{"another", noon.Add(time.Minute), noon.Add(6 * time.Minute), nil},
		{"another", noon.Add(time.Minute), noon.Add(6 * time.Minute), ErrReplay},
		{"while the clock is ahead", ahead, ahead.Add(5 * time.Minute), ErrReplay},
	} {
		if _, err := r.note("alice", []byte(step.name), step.now, step.until); !errors.Is(err, step.want) || step.want == nil && err != nil {
			t.Errorf("%s at %s: got %v, want %v", step.name, step.now, err, step.want)
		}
	}
}

// TestOneFillsTheMemory: threats C-02. Whoever sends more requests than are
// remembered waits, and the others go on; none of them is accepted twice. Where
// everybody has a few, all wait.
func TestOneFillsTheMemory(t *testing.T) {
	const most = 640
	until := noon.Add(10 * time.Minute)
	of := func(client string, i int) []byte { return fmt.Appendf(nil, "%s %d", client, i) }
	r := NewReplays()
	r.most = most
	if _, err := r.note("bob", of("bob", 0), noon, until); err != nil {
		t.Fatal(err)
	}
	for i := range most - 1 {
		if _, err := r.note("mallory", of("mallory", i), noon, until.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
	}
	if _, err := r.note("alice", of("alice", 0), noon, until); err != nil {
		t.Errorf("somebody else: %v", err)
	}
	last := until.Add((most - 2) * time.Second)
	for _, c := range []struct {
		name, client string
		request      []byte
		now, until   time.Time
		want         error
	}{
		{"another of his", "mallory", of("mallory", most), noon, until, ErrTooMany},
		{"one of his again", "mallory", of("mallory", 0), noon, until, ErrTooMany},
		{"one of another's again", "bob", of("bob", 0), noon, until, ErrReplay},
		{"the one that came after", "alice", of("alice", 0), noon, until, ErrReplay},
		{"the last of his, late", "mallory", of("mallory", most-2), last, last, ErrTooMany},
		{"another of his, when all are too old", "mallory", of("mallory", most), last.Add(time.Minute), last.Add(2 * time.Minute), nil},
	} {
		if _, err := r.note(c.client, c.request, c.now, c.until); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
	if len(r.senders) != 1 || r.Len() != 1 {
		t.Errorf("got %d senders and %d requests, want 1 and 1", len(r.senders), r.Len())
	}

	few := NewReplays()
	few.most = most
	for i := range most {
		if _, err := few.note(string(of("user", i%100)), of("few", i), noon, until); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := few.note("alice", of("alice", 0), noon, until); !errors.Is(err, ErrTooMany) || few.Len() != most {
		t.Errorf("full of everybody's: got %v and %d, want %v", err, few.Len(), ErrTooMany)
	}
}

// TestCheckPAC: threats C-05. The checksum of the ticket's own key alone, of its own
// type alone.
func TestCheckPAC(t *testing.T) {
	for _, etype := range []int32{etypeAES128SHA1, etypeAES256SHA1, etypeAES128SHA2, etypeAES256SHA2} {
		long := aKey(etype, 0x11)
		f, a := newForge(noon, long), acceptorOf(noon, long)
		ticket, _, err := a.Accept(f.Token(t))
		if err != nil {
			t.Fatal(err)
		}
		signed := []byte("what the KDC says")
		sum, err := checksum(long, signed, usagePAC)
		if err != nil {
			t.Fatal(err)
		}
		other, _ := checksum(aKey(etype, 0x12), signed, usagePAC)
		session, _ := checksum(f.Part.Key, signed, usagePAC)
		usage, _ := checksum(long, signed, usageAcceptorSign)
		kind := checksumOf[etype]
		for name, c := range map[string]struct {
			signed []byte
			kind   int32
			sum    []byte
			good   bool
		}{
			"as it should be":  {signed, kind, sum, true},
			"changed":          {[]byte("what the KDC said"), kind, sum, false},
			"another key":      {signed, kind, other, false},
			"the session key":  {signed, kind, session, false},
			"another usage":    {signed, kind, usage, false},
			"cut":              {signed, kind, sum[:8], false},
			"nothing":          {signed, kind, nil, false},
			"said to be CRC":   {signed, 1, sum, false},
			"said to be MD5":   {signed, 7, sum, false},
			"said to be HMAC":  {signed, -138, sum, false},
			"of another AES's": {signed, 31 - kind, sum, false},
		} {
			if err := ticket.CheckPAC(c.signed, c.kind, c.sum); (err == nil) != c.good || err != nil && !errors.Is(err, ErrPAC) {
				t.Errorf("%s, %s: got %v", Etype(etype), name, err)
			}
		}
	}
}
