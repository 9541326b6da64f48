package krb

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// TestInspect: what is open in a request, and what a key shows of the rest, whatever
// the acceptor would say of it.
func TestInspect(t *testing.T) {
	long := aKey(etypeAES256SHA1, 0x11)
	const (
		open   = "HTTP/web.example.test EXAMPLE.TEST 18 3 18 true false"
		inside = "alice@EXAMPLE.TEST [] svc-web@EXAMPLE.TEST alice@EXAMPLE.TEST false false"
	)
	for name, c := range map[string]struct {
		change       func(*forge)
		open, inside string
		want         error
	}{
		"good":          {func(*forge) {}, open, inside, nil},
		"long ended":    {func(f *forge) { f.Part.EndTime = noon.AddDate(-1, 0, 0) }, open, inside, nil},
		"a wrong clock": {func(f *forge) { f.Sent.CTime = noon.AddDate(-1, 0, 0) }, open, inside, nil},
		"flags": {func(f *forge) { f.Part.Flags.Bytes = []byte{0x40, 0x05, 0x80, 0} }, open,
			"alice@EXAMPLE.TEST [forwardable ok-as-delegate enc-pa-rep bit 16] svc-web@EXAMPLE.TEST alice@EXAMPLE.TEST false false", nil},
		"a binding":        {func(f *forge) { f.Sent.Cksum.Checksum[4] = 1 }, open, "alice@EXAMPLE.TEST [] svc-web@EXAMPLE.TEST alice@EXAMPLE.TEST true false", nil},
		"delegation":       {func(f *forge) { f.Sent.Cksum.Checksum[20] = 1 }, open, "alice@EXAMPLE.TEST [] svc-web@EXAMPLE.TEST alice@EXAMPLE.TEST false true", nil},
		"another's name":   {func(f *forge) { f.Sent.CName.NameString = []string{"bob"} }, open, "alice@EXAMPLE.TEST [] svc-web@EXAMPLE.TEST bob@EXAMPLE.TEST false false", nil},
		"another service":  {func(f *forge) { f.Service, f.Options = "cifs/x", []byte{0x40, 0, 0, 0} }, "cifs/x EXAMPLE.TEST 18 3 18 false true", inside, nil},
		"another key":      {func(f *forge) { f.Long = aKey(etypeAES256SHA1, 0x12) }, open, "", ErrForged},
		"another enctype":  {func(f *forge) { f.Long = aKey(etypeAES128SHA1, 0x11) }, "HTTP/web.example.test EXAMPLE.TEST 17 3 18 true false", "", ErrNoKey},
		"no authenticator": {func(f *forge) { f.Request = func(r *messages.APReq) { r.EncryptedAuthenticator.Cipher = nil } }, open, "alice@EXAMPLE.TEST [] svc-web@EXAMPLE.TEST  false false", ErrForged},
		"no checksum":      {func(f *forge) { f.Sent.Cksum = types.Checksum{} }, open, inside, ErrMalformed},
		"two PACs":         {func(f *forge) { f.PAC(t, []byte("a"), []byte("b")) }, open, inside, ErrPAC},
	} {
		f := newForge(noon, long)
		c.change(f)
		m, err := Inspect(f.Token(t))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		r := m.Request
		if got := fmt.Sprint(r.Service, " ", r.Realm, " ", r.Etype, r.Version, r.Session, r.Mutual, r.UserToUser); got != c.open {
			t.Errorf("%s: got %s, want %s", name, got, c.open)
		}
		o, err := r.Open(acceptorOf(noon, long).Keytab)
		if !errors.Is(err, c.want) || (o == nil) != (c.inside == "") {
			t.Errorf("%s: got %v, %v, want %v", name, o, err, c.want)
		}
		if o == nil {
			continue
		}
		if got := fmt.Sprint(o.Client(), " ", o.Flags, " ", o.Under.Principal(), " ", o.Claimed, " ", o.Binding != nil, o.Delegates); got != c.inside {
			t.Errorf("%s: got %s, want %s", name, got, c.inside)
		}
		if shown := fmt.Sprintf("%+v %#v", o, o.Under); bytes.Contains([]byte(shown), []byte("17 17 17")) {
			t.Errorf("%s: it shows a key: %s", name, shown)
		}
	}
}

// TestInspectOthers: what comes the other way, and what is nothing.
func TestInspectOthers(t *testing.T) {
	long := aKey(etypeAES256SHA1, 0x11)
	_, context, err := acceptorOf(noon, long).Accept(newForge(noon, long).Token(t))
	if err != nil {
		t.Fatal(err)
	}
	if m, err := Inspect(context.Reply()); err != nil || m.Request != nil || m.Rejection != nil {
		t.Errorf("AP-REP: got %v, %v", m, err)
	}
	refusal := messages.NewKRBError(types.NewPrincipalName(2, "HTTP/web.example.test"), "EXAMPLE.TEST", 37, "clock")
	refusal.STime = noon
	raw, err := refusal.Marshal()
	m, err := Inspect(frame(tokenError, must(t, raw, err)))
	if want := (Rejection{37, "clock", "HTTP/web.example.test@EXAMPLE.TEST", noon}); err != nil || m.Rejection == nil || *m.Rejection != want {
		t.Errorf("KRB-ERROR: got %v, %v, want %v", m, err, want)
	}
	for name, token := range map[string][]byte{
		"nothing": nil, "one byte": {0x60}, "text": []byte("hello"), "an AP-REP in a hurry": {apRepTag, 0},
		"an empty request": frame(tokenAPReq, nil), "an empty answer": frame(tokenAPRep, nil), "an empty error": frame(tokenError, nil),
	} {
		if m, err := Inspect(token); m != nil || !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v, %v, want %v", name, m, err, ErrMalformed)
		}
	}
}

// TestOpenedUnder: of equal keys the one of the ticket's version is named.
func TestOpenedUnder(t *testing.T) {
	long := aKey(etypeAES256SHA1, 0x11)
	a := acceptorOf(noon, long)
	a.Keytab.Keys = append([]*Key{{Realm: "EXAMPLE.TEST", Name: []string{"old"}, Version: 2, Etype: long.KeyType, value: long, Since: time.Time{}}}, a.Keytab.Keys...)
	m, err := Inspect(newForge(noon, long).Token(t))
	if err != nil {
		t.Fatal(err)
	}
	if o, err := m.Request.Open(a.Keytab); err != nil || o.Under.Version != 3 {
		t.Errorf("got %v, %v, want the key of version 3", o, err)
	}
}
