package spnego

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
)

// fakeContext protects messages with a key that both sides know.
type fakeContext struct{ key, sends, takes string }

func (c fakeContext) sign(way string, message []byte) []byte {
	h := hmac.New(sha256.New, []byte(c.key+way))
	h.Write(message)
	return h.Sum(nil)[:16]
}

func (c fakeContext) GetMIC(message []byte) ([]byte, error) { return c.sign(c.sends, message), nil }

func (c fakeContext) VerifyMIC(message, mic []byte) error {
	if !bytes.Equal(mic, c.sign(c.takes, message)) {
		return errors.New("not signed by the client")
	}
	return nil
}

func serverContext(mech OID) fakeContext { return fakeContext{mech.Name(), "server", "client"} }
func clientContext(mech OID) fakeContext { return fakeContext{mech.Name(), "client", "server"} }

// initiator is a client's side of RFC 4178 5, for tests. Its mechanisms send
// "1", "2", … and are complete after the number of legs given.
type initiator struct {
	offers    []OID
	hope      bool                            // send a token for the first mechanism at once
	legs      int                             // tokens of the client
	last      bool                            // the server has a token after the client's last one
	always    bool                            // send a mechListMIC where none is required, as Windows does
	leaveOut  bool                            // never send one
	change    func(MechTypeList) MechTypeList // somebody on the way
	list      MechTypeList
	mech      OID
	sent      int
	needsMIC  bool
	micSent   bool
	completed bool
}

func (i *initiator) next() []byte {
	i.sent++
	return fmt.Appendf(nil, "%s %d", i.mech.Name(), i.sent)
}

func (i *initiator) first() []byte {
	i.list, i.mech = NewMechTypeList(i.offers...), i.offers[0]
	t := &NegTokenInit{MechTypes: i.list}
	if i.hope {
		t.MechToken = i.next()
		if i.always && i.legs == 1 && !i.last {
			t.MechListMIC, _ = clientContext(i.mech.Mechanism()).GetMIC(i.list.DER())
		}
	}
	if i.change != nil {
		t.MechTypes = i.change(t.MechTypes)
	}
	out, err := t.Marshal()
	if err != nil {
		panic(err)
	}
	return out
}

// step takes the server's token; nil with no error means that all is over.
func (i *initiator) step(token []byte) ([]byte, error) {
	r, err := ParseResp(token)
	if err != nil {
		return nil, err
	}
	if r.NegState == Rejected {
		return nil, ErrRejected
	}
	if r.SupportedMech != "" && r.SupportedMech.Mechanism() != i.mech.Mechanism() {
		i.mech, i.sent = r.SupportedMech, 0
		i.needsMIC = true
	}
	i.needsMIC = i.needsMIC || r.NegState == RequestMIC
	context := clientContext(i.mech.Mechanism())
	if r.MechListMIC != nil {
		if err := context.VerifyMIC(i.list.DER(), r.MechListMIC); err != nil {
			return nil, ErrMIC
		}
	}
	if r.NegState == AcceptCompleted {
		if i.micSent && r.MechListMIC == nil {
			return nil, ErrMIC
		}
		i.completed = true
		return nil, nil
	}
	out := &NegTokenResp{NegState: AcceptIncomplete}
	if i.sent < i.legs {
		out.ResponseToken = i.next()
	}
	final := i.sent == i.legs && (!i.last || out.ResponseToken == nil)
	if final && !i.leaveOut && (i.needsMIC || i.always || r.MechListMIC != nil) {
		out.MechListMIC, _ = context.GetMIC(i.list.DER())
		i.micSent = true
	}
	i.completed = final && r.MechListMIC != nil
	return out.Marshal()
}
