package krb

import (
	"errors"
	"testing"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/asn1tools"
	"github.com/jcmturner/gokrb5/v8/messages"
)

// kinds are all errors that Accept may give.
var kinds = []error{ErrMalformed, ErrForged, ErrNoKey, ErrEtype, ErrService, ErrRealm, ErrExpired, ErrOtherClient, ErrClock, ErrReplay, ErrTooMany, ErrPAC}

func checkOutcome(t *testing.T, a *Acceptor, token []byte) {
	t.Helper()
	ticket, _, err := a.Accept(token)
	if m, failed := Inspect(token); failed != nil && (m != nil || !errors.Is(failed, ErrMalformed) || err == nil) {
		t.Errorf("Inspect: got %v, %v, and Accept says %v", m, failed, err)
	} else if failed == nil && m.Request != nil {
		opened, trouble := m.Request.Open(a.Keytab)
		if err == nil && (trouble != nil || opened.Client() != ticket.Client()) {
			t.Errorf("Open: got %v, %v, want what was accepted", opened, trouble)
		}
	}
	if err == nil {
		if ticket.Client() != "alice@EXAMPLE.TEST" {
			t.Errorf("accepted %s", ticket.Client())
		}
		return
	}
	for _, kind := range kinds {
		if errors.Is(err, kind) {
			return
		}
	}
	t.Errorf("an error of no kind: %v", err)
}

// FuzzToken: whatever the token, nothing panics, and nobody but alice comes in,
// for whom the one good request is.
func FuzzToken(f *testing.F) {
	long := aKey(etypeAES256SHA1, 0x11)
	good := newForge(noon, long).Token(f)
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add([]byte("\x60\x06\x06\x02\x2b\x06"))
	f.Fuzz(func(t *testing.T, token []byte) { checkOutcome(t, acceptorOf(noon, long), token) })
}

// FuzzTicketInside: what a KDC seals into a ticket, which the library decodes.
func FuzzTicketInside(f *testing.F) {
	long := aKey(etypeAES256SHA1, 0x11)
	plain := newForge(noon, long)
	plain.PAC(f, []byte("pac"))
	raw, err := asn1.Marshal(plain.Part)
	f.Add(asn1tools.AddASNAppTag(must(f, raw, err), 3))
	f.Add([]byte{0x63, 0x80})
	f.Fuzz(func(t *testing.T, inside []byte) {
		forged, a := newForge(noon, long), acceptorOf(noon, long)
		forged.Plain = func([]byte) []byte { return inside }
		var part messages.EncTicketPart
		if part.Unmarshal(inside) == nil && part.CRealm == "EXAMPLE.TEST" && len(part.CName.NameString) == 1 {
			forged.Sent.CName = part.CName
			part.CName.NameString[0] = "alice" // any name that the KDC seals is the KDC's word
		}
		token := forged.Token(t)
		m, err := Inspect(token)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Request.Open(a.Keytab); err != nil && !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrForged) && !errors.Is(err, ErrPAC) {
			t.Errorf("Open: an error of no kind: %v", err)
		}
		if _, _, err := a.Accept(token); err != nil {
			for _, kind := range kinds {
				if errors.Is(err, kind) {
					return
				}
			}
			t.Errorf("an error of no kind: %v", err)
		}
	})
}

// FuzzKeytab: no bytes make the reader panic or take more than they are.
func FuzzKeytab(f *testing.F) {
	f.Add(written(f))
	f.Add([]byte{5, 2, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, raw []byte) {
		table, err := ParseKeytab(raw)
		if (err == nil) != (table != nil) || err != nil && !errors.Is(err, ErrCredential) {
			t.Errorf("got %v, %v", table, err)
		}
	})
}
