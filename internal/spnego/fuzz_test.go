package spnego

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
)

// The fuzzers read their seeds from testdata/fuzz: tokens of curl, MIT, Samba and
// Java, and hostile ones.

// FuzzParse: whatever parses is written so that it reads back the same, and the
// list of mechanisms keeps its bytes.
func FuzzParse(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = KindOf(b).String()
		roundTrip(t, b, ParseInit, (*NegTokenInit).Marshal)
		roundTrip(t, b, ParseResp, (*NegTokenResp).Marshal)
		if p, err := ParseInit(b); err == nil {
			if !bytes.Contains(b, p.MechTypes.DER()) || len(p.MechTypes.OIDs()) > maxMechTypes {
				t.Errorf("got %d mechanisms, %x", len(p.MechTypes.OIDs()), p.MechTypes.DER())
			}
			for _, o := range p.MechTypes.OIDs() {
				_ = o.Name()
			}
		}
	})
}

func roundTrip[M any](t *testing.T, b []byte, parse func([]byte) (*M, error), marshal func(*M) ([]byte, error)) {
	t.Helper()
	m, err := parse(b)
	if err != nil {
		var e *MalformedError
		if m != nil || !errors.As(err, &e) || e.Field == "" || e.Offset < 0 || e.Offset > len(b) {
			t.Fatalf("got %v, %v, want nil and a MalformedError within %d bytes", m, err, len(b))
		}
		return
	}
	out, err := marshal(m)
	if err != nil {
		if len(b) > maxToken-100 {
			return // all flags written out may make it too long
		}
		t.Fatalf("marshal what parsed: %v", err)
	}
	again, err := parse(out)
	if err != nil || !reflect.DeepEqual(m, again) {
		t.Fatalf("%x parses as %+v, %v, want %+v", out, again, err, m)
	}
}

// FuzzAcceptor leads a conversation with tokens cut out of the input, each after
// its length, and wants it to be in order to the end.
func FuzzAcceptor(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		a := NewAcceptor(both...)
		over := false
		for leg := 0; len(b) >= 2; leg++ {
			n := min(int(b[0])<<8|int(b[1]), len(b)-2)
			token := b[2 : 2+n]
			b = b[2+n:]
			turn, err := a.Step(token)
			switch {
			case over != errors.Is(err, ErrOutOfOrder):
				t.Fatalf("leg %d: got %v, over %v", leg, err, over)
			case over:
			case err != nil:
				over = true
			case turn.Need == Run && leg%3 == 0:
				if _, err := a.Continue([]byte("out")); err != nil {
					t.Fatal(err)
				}
			case turn.Need == Run:
				turn, err = a.Complete([]byte("out")[:3*(leg%2)], serverContext(a.Mechanism()))
				if err != nil && !errors.Is(err, ErrMIC) {
					t.Fatal(err)
				}
				over = err != nil || turn.Need == Done
			case turn.Need == Done:
				over = true
			}
			if turn.Reply != nil && a.Offered() != nil {
				if _, err := ParseResp(turn.Reply); err != nil {
					t.Fatalf("our reply: %v", err)
				}
			}
		}
		_ = a.Reject(nil)
	})
}
