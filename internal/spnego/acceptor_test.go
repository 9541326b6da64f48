package spnego

import (
	"errors"
	"strings"
	"testing"
)

// serve runs a whole negotiation with a fake mechanism and returns how it ended
// on either side.
func serve(t *testing.T, a *Acceptor, i *initiator, in func(OID) Integrity) (server, client error) {
	t.Helper()
	token := i.first()
	runs := 0
	for range 10 {
		turn, err := a.Step(token)
		if err != nil {
			if reply := a.Reject(nil); reply != nil {
				_, client = i.step(reply)
			}
			return err, client
		}
		if turn.Need == Run {
			runs++
			if want := i.mech.Name(); !strings.HasPrefix(string(turn.Token), want) {
				t.Fatalf("the mechanism got %q, want one of %s", turn.Token, want)
			}
			out := []byte("server")
			if runs < i.legs {
				if turn.Reply, err = a.Continue(out); err != nil {
					t.Fatal(err)
				}
			} else {
				if !i.last {
					out = nil
				}
				if turn, err = a.Complete(out, in(a.Mechanism())); err != nil {
					_, client = i.step(a.Reject(nil))
					return err, client
				}
			}
		}
		if turn.Reply == nil {
			return nil, client
		}
		if token, client = i.step(turn.Reply); client != nil || turn.Need == Done {
			return nil, client
		}
	}
	t.Fatal("it does not end")
	return nil, nil
}

func keyed(m OID) Integrity { return serverContext(m) }
func noKey(OID) Integrity   { return nil }

// otherKey is a context in which the client's MIC is wrong.
func otherKey(OID) Integrity { return serverContext("other") }

func withoutFirst(l MechTypeList) MechTypeList { return NewMechTypeList(l.OIDs()[1:]...) }
func rotated(l MechTypeList) MechTypeList {
	return NewMechTypeList(append(l.OIDs()[1:len(l.OIDs()):len(l.OIDs())], l.OIDs()[0])...)
}

// TestNegotiations is threat B-14 and the MIC half of B-12: who offers what, what
// is selected, and who notices a changed list.
func TestNegotiations(t *testing.T) {
	windows := []OID{MSKerberos, Kerberos, NegoEx, NTLMSSP}
	for _, c := range []struct {
		name         string
		mechanisms   []Mechanism
		client       initiator
		in           func(OID) Integrity
		mech         OID
		server, told error
		protected    bool
	}{
		{"first choice, token in hope", both, initiator{offers: windows, hope: true, legs: 1}, keyed, Kerberos, nil, nil, false},
		{"first choice, mutual", both, initiator{offers: windows, hope: true, legs: 1, last: true}, keyed, Kerberos, nil, nil, false},
		{"first choice, no token in hope", onlyNTLM, initiator{offers: []OID{NTLMSSP}, legs: 2}, keyed, NTLMSSP, nil, nil, false},
		{"first choice, no key", keyless, initiator{offers: []OID{NTLMSSP}, hope: true, legs: 2}, noKey, NTLMSSP, nil, nil, false},
		{"first choice, MIC all the same", both, initiator{offers: []OID{NTLMSSP}, hope: true, legs: 2, always: true}, keyed, NTLMSSP, nil, nil, true},
		{"MIC in the first token", both, initiator{offers: windows, hope: true, legs: 1, always: true}, keyed, Kerberos, nil, nil, true},
		{"MIC sent, no key", keyless, initiator{offers: []OID{NTLMSSP}, hope: true, legs: 2, always: true}, noKey, NTLMSSP, ErrUnprotected, nil, false},
		{"not the first choice", onlyNTLM, initiator{offers: windows, hope: true, legs: 2}, keyed, NTLMSSP, nil, nil, true},
		{"not the first choice, nothing in hope", onlyNTLM, initiator{offers: windows, legs: 2}, keyed, NTLMSSP, nil, nil, true},
		{"not the first choice, no key", keyless, initiator{offers: windows, hope: true, legs: 2}, noKey, NTLMSSP, ErrUnprotected, nil, false},
		{"not the first choice, MIC left out", onlyNTLM, initiator{offers: windows, hope: true, legs: 2, leaveOut: true}, keyed, NTLMSSP, ErrMIC, nil, false},
		{"not the first choice, server last", onlyKerberos, initiator{offers: []OID{NTLMSSP, Kerberos}, hope: true, legs: 1, last: true}, keyed, Kerberos, nil, nil, true},
		{"not the first choice, server last, MIC left out", onlyKerberos, initiator{offers: []OID{NTLMSSP, Kerberos}, hope: true, legs: 1, last: true, leaveOut: true}, keyed, Kerberos, ErrMIC, nil, false},
		{"wrong MIC", onlyNTLM, initiator{offers: windows, hope: true, legs: 2}, otherKey, NTLMSSP, ErrMIC, ErrRejected, false},
		{"Kerberos taken off the list", both, initiator{offers: []OID{Kerberos, NTLMSSP}, legs: 2, change: withoutFirst}, keyed, NTLMSSP, ErrMIC, nil, false},
		{"list in another order", both, initiator{offers: []OID{Kerberos, NTLMSSP}, legs: 2, change: rotated}, keyed, NTLMSSP, ErrMIC, nil, false},
		{"NegoEx first", onlyNTLM, initiator{offers: []OID{NegoEx, NTLMSSP}, hope: true, legs: 2}, keyed, NTLMSSP, nil, nil, true},
		{"NegoEx alone", both, initiator{offers: []OID{NegoEx}, hope: true, legs: 2}, keyed, "", ErrNoMechanism, ErrRejected, false},
		{"user-to-user alone", both, initiator{offers: []OID{UserToUser}, hope: true, legs: 1}, keyed, "", ErrNoMechanism, ErrRejected, false},
		{"no mechanism here", nil, initiator{offers: windows, hope: true, legs: 1}, keyed, "", ErrNoMechanism, ErrRejected, false},
		{"Kerberos by its second identifier", both, initiator{offers: []OID{Kerberos, MSKerberos}, hope: true, legs: 1}, keyed, Kerberos, nil, nil, false},
		{"the client's order decides", both, initiator{offers: []OID{NTLMSSP, Kerberos}, hope: true, legs: 2}, keyed, NTLMSSP, nil, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := NewAcceptor(c.mechanisms...)
			server, client := serve(t, a, &c.client, c.in)
			if !errors.Is(server, c.server) || c.server == nil && server != nil {
				t.Fatalf("server: got %v, want %v", server, c.server)
			}
			if c.told != nil && !errors.Is(client, c.told) || c.server == nil && client != nil {
				t.Errorf("client: got %v, want %v", client, c.told)
			}
			if a.Mechanism() != c.mech || a.Protected() != c.protected {
				t.Errorf("got %s, protected %v, want %s, %v", a.Mechanism().Name(), a.Protected(), c.mech.Name(), c.protected)
			}
			if server == nil && !c.client.completed {
				t.Error("the client is not done")
			}
		})
	}
}

func must(t testing.TB, m interface{ Marshal() ([]byte, error) }) []byte {
	t.Helper()
	b, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRefusals: what comes first, or in the middle, and does not belong there.
func TestRefusals(t *testing.T) {
	opening := must(t, &NegTokenInit{MechTypes: NewMechTypeList(NTLMSSP), MechToken: []byte("1")})
	reselected := must(t, &NegTokenInit{MechTypes: NewMechTypeList(Kerberos, NTLMSSP), MechToken: []byte("1")})
	next := must(t, &NegTokenResp{ResponseToken: []byte("2")})
	raw := []byte("NTLMSSP\x00\x01\x00\x00\x00")
	rawKerberos := readFlow(t, "mit_raw_kerberos")[0].token
	for _, c := range []struct {
		name   string
		before [][]byte // each answered by Continue where the mechanism runs
		token  []byte
		want   error
		reject bool // the client is told
	}{
		{"NegTokenResp first", nil, next, ErrUnexpected, false},
		{"text first", nil, []byte("hello"), ErrMalformed, false},
		{"empty token", nil, nil, ErrMalformed, false},
		{"empty mechTypes", nil, unhex(t, "6010 0606 2b0601050502 a006 3004 a002 3000"), ErrMalformed, false},
		{"no mechTypes", nil, unhex(t, "600c 0606 2b0601050502 a002 3000"), ErrMalformed, false},
		{"raw Kerberos, unsupported", nil, rawKerberos, ErrNoMechanism, false},
		{"raw NTLM of 65 KiB", nil, append([]byte("NTLMSSP\x00"), make([]byte, maxToken)...), ErrMalformed, false},
		{"NegTokenInit again", [][]byte{opening}, opening, ErrUnexpected, true},
		{"NegTokenInit after a selection", [][]byte{reselected}, opening, ErrUnexpected, true},
		{"raw NTLM in the middle", [][]byte{opening}, raw, ErrUnexpected, true},
		{"SPNEGO after raw NTLM", [][]byte{raw}, next, ErrUnexpected, false},
		{"raw Kerberos after raw NTLM", [][]byte{raw}, rawKerberos, ErrUnexpected, false},
		{"the client rejects", [][]byte{opening}, must(t, &NegTokenResp{NegState: Rejected, ResponseToken: []byte("2")}), ErrRejected, true},
		{"nothing for the mechanism", [][]byte{opening}, must(t, &NegTokenResp{NegState: AcceptIncomplete}), ErrMalformed, true},
		{"a MIC and nothing for the mechanism", [][]byte{opening}, must(t, &NegTokenResp{MechListMIC: []byte("mic")}), ErrMalformed, true},
		{"another mechanism in the middle", [][]byte{opening}, must(t, &NegTokenResp{SupportedMech: Kerberos, ResponseToken: []byte("2")}), ErrMalformed, true},
		{"malformed in the middle", [][]byte{opening}, []byte{0xa1, 0x80}, ErrMalformed, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := NewAcceptor(onlyNTLM...)
			for _, b := range c.before {
				turn, err := a.Step(b)
				if err == nil && turn.Need == Run {
					_, err = a.Continue([]byte("out"))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if turn, err := a.Step(c.token); !errors.Is(err, c.want) || turn.Need != 0 {
				t.Fatalf("got %v, %v, want %v", turn.Need, err, c.want)
			}
			over(t, a)
			r, err := ParseResp(a.Reject(nil))
			if (err == nil && r.NegState == Rejected) != c.reject {
				t.Errorf("reject: got %+v, %v, want %v", r, err, c.reject)
			}
			if got := a.Reject(nil); got != nil {
				t.Errorf("second reject: got %x", got)
			}
		})
	}
}

// over wants each call on a negotiation that has ended to be an error.
func over(t testing.TB, a *Acceptor) {
	t.Helper()
	_, stepped := a.Step(nil)
	_, continued := a.Continue(nil)
	_, completed := a.Complete(nil, keyed(NTLMSSP))
	_, unprotected := a.CompleteUnprotected(nil)
	for _, err := range []error{stepped, continued, completed, unprotected} {
		if !errors.Is(err, ErrOutOfOrder) {
			t.Errorf("after the end: got %v, want ErrOutOfOrder", err)
		}
	}
}

// TestRaw: messages without SPNEGO are answered without it.
func TestRaw(t *testing.T) {
	a := NewAcceptor(keyless...)
	for i, message := range []string{"NTLMSSP\x00\x01", "NTLMSSP\x00\x03"} {
		turn, err := a.Step([]byte(message))
		if err != nil || turn.Need != Run || string(turn.Token) != message {
			t.Fatalf("got %+v, %v", turn, err)
		}
		if i == 0 {
			if out, err := a.Continue([]byte("NTLMSSP\x00\x02")); err != nil || string(out) != "NTLMSSP\x00\x02" {
				t.Fatalf("got %q, %v", out, err)
			}
		}
	}
	turn, err := a.Complete(nil, nil)
	if err != nil || turn.Need != Done || turn.Reply != nil || a.Mechanism() != NTLMSSP || a.Offered() != nil {
		t.Errorf("got %+v, %v, %s", turn, err, a.Mechanism().Name())
	}
	over(t, a)
}

// TestRejectCarriesError: a mechanism's own error token reaches the client.
func TestRejectCarriesError(t *testing.T) {
	a := NewAcceptor(onlyKerberos...)
	if _, err := a.Step(readFlow(t, "mit_kerberos")[0].token); err != nil {
		t.Fatal(err)
	}
	r, err := ParseResp(a.Reject([]byte("KRB-ERROR")))
	if err != nil || r.NegState != Rejected || string(r.ResponseToken) != "KRB-ERROR" || r.SupportedMech != Kerberos {
		t.Errorf("got %+v, %v", r, err)
	}
	over(t, a)
}

// TestRepeatedToken: Windows 2000's MIC that is the token once more is none.
func TestRepeatedToken(t *testing.T) {
	a := NewAcceptor(onlyNTLM...)
	if _, err := a.Step(must(t, &NegTokenInit{MechTypes: NewMechTypeList(NTLMSSP), MechToken: []byte("1")})); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Continue([]byte("2")); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Step(must(t, &NegTokenResp{ResponseToken: []byte("3"), MechListMIC: []byte("3")})); err != nil {
		t.Fatal(err)
	}
	if turn, err := a.Complete(nil, nil); err != nil || turn.Need != Done || a.Protected() {
		t.Errorf("got %+v, %v", turn, err)
	}
}

// credulous takes any MIC for right.
type credulous struct{ fakeContext }

func (credulous) VerifyMIC(_, _ []byte) error { return nil }

// TestLastLeg: where the server's token is the mechanism's last, the client owes
// its MIC and nothing else.
func TestLastLeg(t *testing.T) {
	for _, c := range []struct {
		name  string
		token []byte
		want  error
	}{
		{"MIC", must(t, &NegTokenResp{MechListMIC: []byte("mic")}), nil},
		{"MIC, accept-completed", must(t, &NegTokenResp{NegState: AcceptCompleted, MechListMIC: []byte("mic")}), nil},
		{"MIC and an empty token", must(t, &NegTokenResp{ResponseToken: []byte{}, MechListMIC: []byte("mic")}), nil},
		{"MIC and a token", must(t, &NegTokenResp{ResponseToken: []byte("3"), MechListMIC: []byte("mic")}), ErrUnexpected},
		{"no MIC", must(t, &NegTokenResp{NegState: AcceptCompleted}), ErrMIC},
		{"reject", must(t, &NegTokenResp{NegState: Rejected, MechListMIC: []byte("mic")}), ErrRejected},
		{"NegTokenInit", must(t, &NegTokenInit{MechTypes: NewMechTypeList(Kerberos), MechListMIC: []byte("mic")}), ErrUnexpected},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := NewAcceptor(onlyKerberos...)
			if turn, err := a.Step(must(t, &NegTokenInit{MechTypes: NewMechTypeList(NTLMSSP, Kerberos)})); err != nil || turn.Need != Send {
				t.Fatalf("got %v, %v", turn.Need, err)
			}
			if turn, err := a.Step(must(t, &NegTokenResp{ResponseToken: []byte("1")})); err != nil || turn.Need != Run {
				t.Fatalf("got %v, %v", turn.Need, err)
			}
			if turn, err := a.Complete([]byte("2"), credulous{serverContext(Kerberos)}); err != nil || turn.Need != Send {
				t.Fatalf("got %v, %v", turn.Need, err)
			}
			turn, err := a.Step(c.token)
			if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) || a.Protected() != (c.want == nil) {
				t.Fatalf("got %v, protected %v, want %v", err, a.Protected(), c.want)
			}
			if err == nil && (turn.Need != Done || turn.Reply != nil) {
				t.Errorf("got %+v, want done and no reply", turn)
			}
			over(t, a)
		})
	}
}
