package krb

import (
	"errors"
	"testing"

	"github.com/jcmturner/gokrb5/v8/messages"
)

// TestKeysOfTwoRealms: threats C-07. A keytab that holds keys of two realms makes
// neither realm's centre a witness about the clients of the other: whoever runs it
// knows its own key alone, and writes into a ticket what it likes.
func TestKeysOfTwoRealms(t *testing.T) {
	own, others := aKey(etypeAES256SHA1, 0x11), aKey(etypeAES256SHA1, 0x22)
	is := func(realm string) func(*forge, *Acceptor) {
		return func(f *forge, _ *Acceptor) { f.Part.CRealm, f.Sent.CRealm = realm, realm }
	}
	listed := func(f *forge, a *Acceptor) { a.Realms = []string{"EXAMPLE.TEST", "OTHER.TEST", "THIRD.TEST"} }
	all := func(changes ...func(*forge, *Acceptor)) func(*forge, *Acceptor) {
		return func(f *forge, a *Acceptor) {
			for _, change := range changes {
				change(f, a)
			}
		}
	}
	of := func(realm string) func(*forge, *Acceptor) { return func(f *forge, _ *Acceptor) { f.Realm = realm } }
	for name, c := range map[string]struct {
		change func(*forge, *Acceptor)
		want   error
	}{
		"the other's own client":                        {all(of("OTHER.TEST"), is("OTHER.TEST")), nil},
		"our client under the other's key":              {is("EXAMPLE.TEST"), ErrForged},
		"our client, by the other's centre":             {all(of("OTHER.TEST"), is("EXAMPLE.TEST")), ErrRealm},
		"our client, by the other's centre, listed":     {all(listed, of("OTHER.TEST"), is("EXAMPLE.TEST")), ErrRealm},
		"a third realm's client, by the other's centre": {all(listed, of("OTHER.TEST"), is("THIRD.TEST")), nil},
		"said to be of the realm that it crossed to": {all(listed, of("THIRD.TEST"), is("THIRD.TEST"), func(f *forge, _ *Acceptor) {
			f.Part.Transited = messages.TransitedEncoding{TRType: 1, Contents: []byte("EVIL.TEST")}
		}), ErrService},
		"unchecked, under the key of the realm that it crossed to": {all(listed, func(f *forge, a *Acceptor) {
			a.Keytab.Keys = append(a.Keytab.Keys, &Key{Realm: "THIRD.TEST", Name: []string{"HTTP"}, Version: 3, Etype: etypeAES256SHA1, value: aKey(etypeAES256SHA1, 0x33)})
			f.Part.Transited = messages.TransitedEncoding{TRType: 1, Contents: []byte("EVIL.TEST")}
		}, of("THIRD.TEST"), is("THIRD.TEST")), ErrForged},
	} {
		t.Run(name, func(t *testing.T) {
			f, a := newForge(noon, others), acceptorOf(noon, own)
			a.Keytab.Keys = append(a.Keytab.Keys, &Key{Realm: "OTHER.TEST", Name: []string{"svc-web"}, Version: 3, Etype: etypeAES256SHA1, value: others})
			c.change(f, a)
			ticket, _, err := a.Accept(f.Token(t))
			if !errors.Is(err, c.want) || c.want == nil && err != nil {
				t.Errorf("got %v, %v, want %v", ticket, err, c.want)
			}
		})
	}
}

// TestRememberedOfTwoRealms: a ticket that was opened by one realm's key is not
// remembered for whoever says that it is of another's.
func TestRememberedOfTwoRealms(t *testing.T) {
	own, others := aKey(etypeAES256SHA1, 0x11), aKey(etypeAES256SHA1, 0x22)
	f, a := newForge(noon, others), acceptorOf(noon, own)
	a.Realms = []string{"EXAMPLE.TEST", "THIRD.TEST"}
	a.Keytab.Keys = append(a.Keytab.Keys, &Key{Realm: "OTHER.TEST", Name: []string{"svc-web"}, Version: 3, Etype: etypeAES256SHA1, value: others})
	f.Realm, f.Part.CRealm, f.Sent.CRealm = "OTHER.TEST", "THIRD.TEST", "THIRD.TEST"
	var first messages.Ticket
	f.Request = func(r *messages.APReq) { first = r.Ticket }
	if _, _, err := a.Accept(f.Token(t)); err != nil {
		t.Fatal(err)
	}
	for realm, want := range map[string]error{"OTHER.TEST": nil, "EXAMPLE.TEST": ErrForged} {
		f.Sent.Cusec++
		f.Request = func(r *messages.APReq) { r.Ticket = first; r.Ticket.Realm = realm }
		if _, _, err := a.Accept(f.Token(t)); !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("said to be of %s: got %v, want %v", realm, err, want)
		}
	}
}
