package ntlm

import (
	"errors"
	"math"
	"reflect"
	"testing"
	"time"
)

// parseLimit is the time that reading one message may take, threat B-05. It is
// generous: reading one takes microseconds.
const parseLimit = 200 * time.Millisecond

// The fuzzers read their seeds from testdata/fuzz: messages of curl,
// go-ntlmssp, Chromium and [MS-NLMP], and hostile ones. Whatever parses must
// marshal and read back the same.

func FuzzParseNegotiate(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		roundTrip(t, b, ParseNegotiate, (*Negotiate).Marshal, func(a, b *Negotiate) bool { return reflect.DeepEqual(a, b) })
	})
}

func FuzzParseChallenge(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		roundTrip(t, b, ParseChallenge, (*Challenge).Marshal, func(a, b *Challenge) bool { return reflect.DeepEqual(a, b) })
	})
}

func FuzzParseAuthenticate(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		roundTrip(t, b, ParseAuthenticate, (*Authenticate).Marshal, sameAuthenticate)
		m, err := ParseAuthenticate(b)
		if err != nil {
			return
		}
		r, err := m.V2()
		if kind := m.ResponseKind(); (kind != ResponseNTLMv2) != errors.Is(err, ErrNotV2) {
			t.Errorf("%v response: V2 says %v", kind, err)
		}
		_ = m.Anonymous()
		if err == nil {
			_, _ = m.VerifyMIC(r, specSessionKey, nil, nil)
		}
		checkRefuses(t, b)
	})
}

// checkRefuses gives the message to a Server that knows no account.
func checkRefuses(t *testing.T, b []byte) {
	s := testServer()
	if _, err := s.Challenge(testClient().Negotiate()); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Check(b, func(string, string) ([16]byte, bool) { return [16]byte{}, false }); err == nil {
		t.Errorf("accepted %v", got)
	}
}

func FuzzAVPairs(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		parse := func(b []byte) (*AVPairs, error) {
			p, err := ParseAVPairs(b)
			if err != nil {
				return nil, err
			}
			return &p, nil
		}
		roundTrip(t, b, parse, func(p *AVPairs) ([]byte, error) { return p.Marshal() }, func(a, b *AVPairs) bool { return reflect.DeepEqual(a, b) })
		p, err := ParseAVPairs(b)
		if err == nil && len(p) > maxAVPairs {
			t.Errorf("got %d pairs", len(p))
		}
	})
}

// fastest is how long a function takes, the least of some runs where the first
// is over the limit: a busy machine may halt one, but not each of them.
func fastest(f func()) time.Duration {
	least := time.Duration(math.MaxInt64)
	for range 5 {
		before := time.Now()
		f()
		if least = min(least, time.Since(before)); least <= parseLimit {
			break
		}
	}
	return least
}

func roundTrip[M any](t *testing.T, b []byte, parse func([]byte) (*M, error), marshal func(*M) ([]byte, error), same func(a, b *M) bool) {
	t.Helper()
	m, err := parse(b)
	if d := fastest(func() { _, _ = parse(b) }); d > parseLimit {
		t.Errorf("parsing %d bytes took %v", len(b), d)
	}
	if err != nil {
		if m != nil || !errors.Is(err, ErrMalformed) {
			t.Fatalf("got %v, %v, want nil and ErrMalformed", m, err)
		}
		return
	}
	out, err := marshal(m)
	if err != nil {
		if len(b) > math.MaxUint16/3 {
			return // Windows-1252 grows threefold as UTF-8 and may no longer fit
		}
		t.Fatalf("marshal what parsed: %v", err)
	}
	again, err := parse(out)
	if err != nil || !same(m, again) {
		t.Fatalf("%x parses as %v, %v, want %v", out, again, err, m)
	}
	if twice, err := marshal(again); err != nil || string(twice) != string(out) {
		t.Fatalf("marshalled twice: got %x, %v, want %x", twice, err, out)
	}
}
