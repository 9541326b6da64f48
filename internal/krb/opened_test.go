package krb

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// again makes one ticket of all that f seals: the first. Each request has another
// authenticator still.
func again(f *forge) {
	var first types.EncryptedData
	f.Ticket = func(t *messages.Ticket) {
		if first.Cipher == nil {
			first = t.EncPart
		}
		t.EncPart = first
	}
}

// counted is an acceptor that counts how often a PAC was read.
func counted(a *Acceptor) (times *int) {
	times = new(int)
	a.Certify = func(t *Ticket) (any, error) {
		*times++
		return string(t.PAC) + " of " + t.Client(), nil
	}
	return times
}

// TestOpenedOnce: a ticket that comes again says the same and is not opened again;
// another one is.
func TestOpenedOnce(t *testing.T) {
	for _, etype := range []int32{etypeAES128SHA1, etypeAES256SHA1, etypeAES128SHA2, etypeAES256SHA2, etypeRC4} {
		long := aKey(etype, 0x11)
		f, a := newForge(noon, long), acceptorOf(noon, long)
		a.AllowRC4 = true
		f.PAC(t, []byte("pac"))
		again(f)
		times := counted(a)
		for i := range 3 {
			f.Sent.Cusec, f.Sent.Cksum.Checksum[4] = i, byte(i)
			f.Service = []string{"HTTP/web.example.test", "HTTP/WEB.example.test", "http/web.example.test"}[i]
			ticket, context, err := a.Accept(f.Token(t))
			if err != nil {
				t.Fatalf("%s, request %d: %v", Etype(etype), i, err)
			}
			if ticket.Client() != "alice@EXAMPLE.TEST" || string(ticket.PAC) != "pac" || ticket.Certificate != "pac of alice@EXAMPLE.TEST" || !ticket.Ends.Equal(noon.Add(9*time.Hour)) {
				t.Errorf("%s, request %d: got %v with %q, %v", Etype(etype), i, ticket, ticket.PAC, ticket.Certificate)
			}
			if ticket.Service != f.Service || (ticket.Binding == nil) != (i == 0) || i > 0 && ticket.Binding[0] != byte(i) {
				t.Errorf("%s, request %d: got %s, bound to %v", Etype(etype), i, ticket.Service, ticket.Binding)
			}
			if err := (&Initiation{key: f.Part.Key, sent: f.Sent}).Finish(context.Reply()); err != nil {
				t.Errorf("%s, request %d: the client refuses the answer: %v", Etype(etype), i, err)
			}
		}
		if *times != 1 {
			t.Errorf("%s: got the PAC read %d times, want once", Etype(etype), *times)
		}
		f.Ticket = nil
		f.Part.CName.NameString, f.Sent.CName.NameString = []string{"bob"}, []string{"bob"}
		if ticket, _, err := a.Accept(f.Token(t)); err != nil || ticket.Client() != "bob@EXAMPLE.TEST" || *times != 2 {
			t.Errorf("%s, another ticket: got %v, %v", Etype(etype), ticket, err)
		}
	}
}

// TestOpenedIsChecked: threats C-01 to C-04, C-07, C-08. A ticket that is remembered
// proves no more than one that is not: each check is made of each request.
func TestOpenedIsChecked(t *testing.T) {
	long := aKey(etypeAES256SHA1, 0x11)
	for name, c := range map[string]struct {
		change func(*forge, *Acceptor)
		want   error
	}{
		"nothing":                  {func(*forge, *Acceptor) {}, nil},
		"the same request":         {func(f *forge, _ *Acceptor) { f.Sent.Cusec-- }, nil}, // sealed anew; TestReplay has the very bytes
		"the authenticator's name": {func(f *forge, _ *Acceptor) { f.Sent.CName.NameString = []string{"bob"} }, ErrOtherClient},
		"a clock behind":           {func(f *forge, _ *Acceptor) { f.Sent.CTime = noon.Add(-301 * time.Second) }, ErrClock},
		"the ticket has ended": {func(f *forge, a *Acceptor) {
			late := noon.Add(50*time.Minute + 301*time.Second)
			f.Sent.CTime, a.Now = late, func() time.Time { return late }
		}, ErrExpired},
		"the ticket has just not ended": {func(f *forge, a *Acceptor) {
			late := noon.Add(50*time.Minute + 299*time.Second)
			f.Sent.CTime, a.Now = late, func() time.Time { return late }
		}, nil},
		"our clock was set back": {func(f *forge, a *Acceptor) {
			early := noon.Add(-10 * time.Minute)
			f.Sent.CTime, a.Now = early, func() time.Time { return early }
		}, ErrExpired},
		"another session key":   {func(f *forge, _ *Acceptor) { f.Part.Key = aKey(etypeAES256SHA1, 0x56) }, ErrForged},
		"another service":       {func(f *forge, _ *Acceptor) { f.Service = "cifs/web.example.test" }, ErrService},
		"another realm's":       {func(f *forge, _ *Acceptor) { f.Realm = "OTHER.TEST" }, ErrService},
		"a name that was taken": {func(_ *forge, a *Acceptor) { a.Services = []string{"HTTP/intranet.example.test"} }, ErrService},
		"a realm that was taken": {func(_ *forge, a *Acceptor) {
			a.Realms = []string{"OTHER.TEST"}
		}, ErrRealm},
		"user to user":        {func(f *forge, _ *Acceptor) { f.Options = []byte{0x40, 0, 0, 0} }, ErrService},
		"said to be of RC4":   {func(f *forge, _ *Acceptor) { ofEtype(f, etypeRC4) }, ErrEtype},
		"said to be of SHA-2": {func(f *forge, _ *Acceptor) { ofEtype(f, etypeAES256SHA2) }, ErrNoKey},
		"no checksum":         {func(f *forge, _ *Acceptor) { f.Sent.Cksum = types.Checksum{} }, ErrMalformed},
		"a keytab read anew": {func(_ *forge, a *Acceptor) {
			a.Keytab = keytabOf("EXAMPLE.TEST", "svc-web", map[int]types.EncryptionKey{4: aKey(etypeAES256SHA1, 0x12)})
		}, ErrNoKey},
	} {
		t.Run(name, func(t *testing.T) {
			f, a := newForge(noon, long), acceptorOf(noon, long)
			f.Part.EndTime = noon.Add(50 * time.Minute) // while it is remembered
			again(f)
			times := counted(a)
			if _, _, err := a.Accept(f.Token(t)); err != nil {
				t.Fatal(err)
			}
			f.Sent.Cusec++
			c.change(f, a)
			ticket, _, err := a.Accept(f.Token(t))
			if !errors.Is(err, c.want) || c.want == nil && err != nil {
				t.Errorf("got %v, %v, want %v", ticket, err, c.want)
			}
			if *times != 1 {
				t.Errorf("got the PAC read %d times, want once", *times)
			}
		})
	}
}

func ofEtype(f *forge, etype int32) {
	same := f.Ticket
	f.Ticket = func(t *messages.Ticket) { same(t); t.EncPart.EType = etype }
}

// TestOpenedReplay: threats C-02. The very request again, of a ticket that is
// remembered.
func TestOpenedReplay(t *testing.T) {
	long := aKey(etypeAES256SHA1, 0x11)
	f, a := newForge(noon, long), acceptorOf(noon, long)
	again(f)
	for i := range 2 {
		f.Sent.Cusec = i
		token := f.Token(t)
		for n, want := range []error{nil, ErrReplay} {
			if _, _, err := a.Accept(token); !errors.Is(err, want) {
				t.Errorf("request %d, time %d: got %v, want %v", i, n+1, err, want)
			}
		}
	}
}

// TestOpenedIsTheSameBytes: whatever bit of a remembered ticket is changed, it is
// another ticket, and forged.
func TestOpenedIsTheSameBytes(t *testing.T) {
	long := aKey(etypeAES256SHA1, 0x11)
	f, a := newForge(noon, long), acceptorOf(noon, long)
	again(f)
	if _, _, err := a.Accept(f.Token(t)); err != nil {
		t.Fatal(err)
	}
	same, size := f.Ticket, 1
	for at := 0; at < size; at++ {
		f.Ticket = func(t *messages.Ticket) {
			same(t)
			size = len(t.EncPart.Cipher)
			t.EncPart.Cipher = bytes.Clone(t.EncPart.Cipher)
			t.EncPart.Cipher[at] ^= 1
		}
		f.Sent.Cusec = at + 100
		if _, _, err := a.Accept(f.Token(t)); !errors.Is(err, ErrForged) {
			t.Errorf("byte %d: got %v, want %v", at, err, ErrForged)
		}
	}
	if size < 100 || len(a.Keytab.opened.now) != 1 {
		t.Errorf("got %d bytes tried and %d tickets remembered, want one", size, len(a.Keytab.opened.now))
	}
}

// TestRefusedIsNotRemembered: a request that is refused leaves nothing behind, and a
// certificate that nobody vouches for is refused each time.
func TestRefusedIsNotRemembered(t *testing.T) {
	long := aKey(etypeAES256SHA1, 0x11)
	for name, change := range map[string]func(*forge, *Acceptor){
		"a clock": func(f *forge, _ *Acceptor) { f.Sent.CTime = noon.Add(-time.Hour) },
		"another session key": func(f *forge, _ *Acceptor) {
			f.Request = func(r *messages.APReq) { r.EncryptedAuthenticator.Cipher[30] ^= 1 }
		},
		"a PAC":       func(_ *forge, a *Acceptor) { a.Certify = func(*Ticket) (any, error) { return "", ErrPAC } },
		"no checksum": func(f *forge, _ *Acceptor) { f.Sent.Cksum = types.Checksum{} },
		"too many":    func(_ *forge, a *Acceptor) { a.Replays.most = 0 },
	} {
		f, a := newForge(noon, long), acceptorOf(noon, long)
		again(f)
		change(f, a)
		for range 2 {
			f.Sent.Cusec++
			if ticket, _, err := a.Accept(f.Token(t)); err == nil {
				t.Errorf("%s: got %v", name, ticket)
			}
		}
		if n := len(a.Keytab.opened.now); n != 0 {
			t.Errorf("%s: got %d tickets remembered, want none", name, n)
		}
	}
}

// TestOpeningsAreBounded: in bytes and in time. Who comes again stays.
func TestOpeningsAreBounded(t *testing.T) {
	var m openings
	print := func(i int) [sha256.Size]byte { return sha256.Sum256([]byte{byte(i), byte(i >> 8), byte(i >> 16)}) }
	loyal := &opened{pac: make([]byte, 1<<10)}
	m.keep(print(0), loyal, noon)
	const each = 64 << 10
	for i := 1; i < 4*maxOpenings/each; i++ {
		m.keep(print(i), &opened{pac: make([]byte, each)}, noon)
		if i%50 == 0 && m.recall(print(0), noon) != loyal {
			t.Fatalf("after %d others: who came again was forgotten", i)
		}
		total := 0
		for _, half := range []map[[sha256.Size]byte]*opened{m.now, m.before} {
			for _, o := range half {
				total += len(o.pac)
			}
		}
		if total > 2*maxOpenings || m.size > maxOpenings {
			t.Fatalf("after %d: got %d bytes, want at most %d", i, total, 2*maxOpenings)
		}
	}
	if m.recall(print(1), noon) != nil {
		t.Error("got the first of many, want it forgotten")
	}
	for _, c := range []struct {
		name  string
		after time.Duration
		want  *opened
	}{
		{"within the hour", 59 * time.Minute, loyal},
		{"an hour and more later", 118 * time.Minute, loyal},
		{"unused for two hours", 300 * time.Minute, nil},
	} {
		if got := m.recall(print(0), noon.Add(c.after)); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}
