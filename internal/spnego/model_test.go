package spnego

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

// model is the acceptor's conversation said again, as short as can be: where it
// stands, whether a MIC is due, whether one is at hand and is right.
type model struct {
	at         string // fresh, running, waiting, mic, done, failed
	raw        bool
	required   bool
	came, good bool
	protected  bool
}

// incoming is a token of a client and what the model has to know of it.
type incoming struct {
	what       string // init, resp, raw, reject, garbage
	mech       OID    // init: that is selected, "" for none
	reselected bool
	token      bool
	mic, good  bool
	bytes      []byte
}

func drawIncoming(t *rapid.T, list *MechTypeList) incoming {
	in := incoming{
		what:  rapid.SampledFrom([]string{"init", "resp", "resp", "resp", "raw", "reject", "garbage"}).Draw(t, "what"),
		token: rapid.IntRange(0, 4).Draw(t, "token") > 0,
		mic:   rapid.Bool().Draw(t, "mic"),
		good:  rapid.IntRange(0, 3).Draw(t, "good") > 0,
	}
	var body, mic []byte
	if in.token {
		body = []byte("token")
	}
	if in.what == "init" {
		l := rapid.SampledFrom([][]OID{
			{NTLMSSP}, {Kerberos, NTLMSSP}, {NegoEx, NTLMSSP}, {NTLMSSP, Kerberos}, {NegoEx}, {MSKerberos},
		}).Draw(t, "offers")
		*list = NewMechTypeList(l...)
		for i, o := range l {
			if o == NTLMSSP {
				in.mech, in.reselected = o, i > 0
			}
		}
	}
	if in.mic {
		mic = clientContext(NTLMSSP).sign("client", list.DER())
		if !in.good {
			mic[0] ^= 1
		}
	}
	switch in.what {
	case "init":
		in.bytes = mustMarshal(&NegTokenInit{MechTypes: *list, MechToken: body, MechListMIC: mic})
	case "resp":
		in.bytes = mustMarshal(&NegTokenResp{ResponseToken: body, MechListMIC: mic})
	case "reject":
		in.bytes = mustMarshal(&NegTokenResp{NegState: Rejected, ResponseToken: body})
	case "raw":
		in.bytes = []byte("NTLMSSP\x00\x01")
	case "garbage":
		in.bytes = []byte{0xa1, 0x03, 0x30, 0x80, 0x00}
	}
	return in
}

func mustMarshal(m interface{ Marshal() ([]byte, error) }) []byte {
	b, err := m.Marshal()
	if err != nil {
		panic(err)
	}
	return b
}

// step says what is due after a token: what the caller is asked for, or the
// error.
func (m *model) step(in incoming) (Need, error) {
	fail := func(err error) (Need, error) { m.at = "failed"; return 0, err }
	switch m.at {
	case "fresh":
		switch {
		case in.what == "garbage":
			return fail(errEither)
		case in.what == "resp", in.what == "reject":
			return fail(ErrUnexpected)
		case in.what == "raw":
			m.raw, m.at = true, "running"
			return Run, nil
		case in.mech == "":
			return fail(ErrNoMechanism)
		}
		m.required = in.reselected
		if in.reselected || !in.token {
			m.at = "waiting"
			return Send, nil
		}
	case "waiting":
		switch {
		case m.raw != (in.what == "raw"):
			return fail(anyOf(in, ErrUnexpected))
		case m.raw:
			m.at = "running"
			return Run, nil
		case in.what != "resp":
			return fail(anyOf(in, ErrUnexpected))
		case !in.token:
			return fail(ErrMalformed)
		}
	case "mic":
		switch {
		case in.what != "resp":
			return fail(anyOf(in, ErrUnexpected))
		case in.token:
			return fail(ErrUnexpected)
		case !in.mic || !in.good:
			return fail(ErrMIC)
		}
		m.at, m.protected = "done", true
		return Done, nil
	default:
		return 0, ErrOutOfOrder
	}
	m.at, m.came, m.good = "running", in.mic, in.good
	return Run, nil
}

// anyOf is the error for a token that has no place in the middle.
func anyOf(in incoming, otherwise error) error {
	switch in.what {
	case "garbage":
		return errEither
	case "reject":
		return ErrRejected
	default:
		return otherwise
	}
}

// errEither is malformed or out of place: for garbage it depends on its bytes.
var errEither = errors.New("either")

func same(got, want error) bool {
	if errors.Is(want, errEither) {
		return errors.Is(got, ErrMalformed) || errors.Is(got, ErrUnexpected)
	}
	if errors.Is(want, ErrRejected) { // for a raw client it is only a token out of place
		return errors.Is(got, ErrRejected) || errors.Is(got, ErrUnexpected)
	}
	return errors.Is(got, want) && (want != nil || got == nil)
}

func (m *model) complete(out, keyed bool) (Need, error) {
	due := !m.raw && (m.required || m.came)
	switch {
	case m.at != "running":
		return 0, ErrOutOfOrder
	case due && !keyed:
		return 0, ErrUnprotected
	case due && m.came && !m.good, due && !m.came && !out:
		m.at = "failed"
		return 0, ErrMIC
	case due && !m.came:
		m.at = "mic"
		return Send, nil
	}
	m.at, m.protected = "done", due
	return Done, nil
}

// TestModel takes random turns with the acceptor and the model at once.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, m := NewAcceptor(onlyNTLM...), &model{at: "fresh"}
		var list MechTypeList
		compare := func(call string, turn Turn, err error, need Need, want error) {
			if turn.Need != need || !same(err, want) {
				t.Fatalf("%s: got %v, %v, want %v, %v", call, turn.Need, err, need, want)
			}
			if a.Protected() != m.protected {
				t.Fatalf("%s: protected %v, want %v", call, a.Protected(), m.protected)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"step": func(t *rapid.T) {
				used := list
				in := drawIncoming(t, &used)
				if m.at == "fresh" {
					list = used
				}
				turn, err := a.Step(in.bytes)
				need, want := m.step(in)
				compare("Step of "+in.what, turn, err, need, want)
			},
			"continue": func(*rapid.T) {
				reply, err := a.Continue([]byte("out"))
				if running := m.at == "running"; (err == nil) != running || (reply != nil) != running {
					t.Fatalf("Continue while %s: got %x, %v", m.at, reply, err)
				} else if running {
					m.at, m.came = "waiting", false
				}
			},
			"complete": func(t *rapid.T) {
				var out []byte
				var in Integrity
				if rapid.Bool().Draw(t, "out") {
					out = []byte("out")
				}
				if rapid.Bool().Draw(t, "keyed") {
					in = serverContext(NTLMSSP)
				}
				need, want := m.complete(out != nil, in != nil)
				turn, err := a.Complete(out, in)
				compare("Complete", turn, err, need, want)
			},
			"unprotected": func(*rapid.T) {
				if rapid.IntRange(0, 3).Draw(t, "rarely") > 0 {
					return
				}
				turn, err := a.CompleteUnprotected(nil)
				if m.at != "running" {
					compare("CompleteUnprotected", turn, err, 0, ErrOutOfOrder)
					return
				}
				m.at = "done"
				compare("CompleteUnprotected", turn, err, Done, nil)
			},
			"reject": func(*rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "seldom") > 0 {
					return
				}
				reply := a.Reject(nil)
				if reply != nil && !bytes.Contains(reply, []byte{0x0a, 1, 2}) {
					t.Fatalf("Reject: got %x", reply)
				}
				if m.at == "done" && reply != nil {
					t.Fatalf("Reject after the end: got %x", reply)
				} else if m.at != "done" {
					m.at = "failed"
				}
			},
		})
	})
}
