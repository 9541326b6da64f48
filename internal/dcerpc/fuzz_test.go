package dcerpc

import (
	"bytes"
	"context"
	"io"
	"testing"
	"time"
)

// recording answers with what was recorded, whatever is asked.
type recording struct{ io.Reader }

func (recording) Write(p []byte) (int, error)   { return len(p), nil }
func (recording) Close() error                  { return nil }
func (recording) SetDeadline(_ time.Time) error { return nil }

// FuzzBind: whatever a server answers to a bind, nothing panics, and no binding
// comes of a refusal.
func FuzzBind(f *testing.F) {
	f.Add(welcome(request{call: 1}))
	f.Add(fragment(kindBindNak, whole, 1, []byte{8, 0}))
	f.Add(fragment(kindFault, whole, 1, fault(5)))
	f.Fuzz(func(t *testing.T, answer []byte) {
		for _, s := range []Security{nil, new(mask)} {
			b, err := New(recording{bytes.NewReader(answer)}).Bind(context.Background(), testInterface, s)
			if (b == nil) == (err == nil) {
				t.Errorf("got %v and %v", b, err)
			}
			if err == nil && kind(answer[2]) != kindBindAck {
				t.Errorf("bound by a PDU of type %d", answer[2])
			}
		}
	})
}

// FuzzCall: whatever a server answers to a call, nothing panics, no more is given
// than came, and a fault is never a success.
func FuzzCall(f *testing.F) {
	f.Add(fragment(kindResponse, whole, 2, response(0, []byte("stub"))))
	f.Add(append(fragment(kindResponse, flagFirst, 2, response(0, []byte("one"))), fragment(kindResponse, flagLast, 2, response(0, []byte("two")))...))
	f.Add(sealedFragment(&mask{n: 1}, false, whole, 2, []byte("sealed")))
	f.Add(fragment(kindFault, whole, 2, fault(FaultProcedure)))
	f.Fuzz(func(t *testing.T, answer []byte) {
		for _, s := range []Security{nil, new(mask)} {
			hello := fragment(kindBindAck, whole, 1, ack(maxFragment, 0, 0, NDR))
			if s != nil {
				hello = withAuth(hello, 99, levelPrivacy, 0, authContextID, []byte("hello to you"))
			}
			b, err := New(recording{bytes.NewReader(append(hello, answer...))}).Bind(context.Background(), testInterface, s)
			if err != nil {
				t.Fatal(err)
			}
			stub, err := b.Call(context.Background(), 1, []byte("question"))
			if len(stub) > len(answer) || err != nil && stub != nil || err == nil && kind(answer[2]) != kindResponse {
				t.Errorf("got %d bytes of %d, %v", len(stub), len(answer), err)
			}
		}
	})
}

// FuzzMap: whatever an endpoint mapper answers, nothing panics, and port 0 is never
// an answer.
func FuzzMap(f *testing.F) {
	for _, raw := range towers(f) {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, stub []byte) {
		if port, err := decodeMap(stub, testInterface); (port == 0) == (err == nil) {
			t.Errorf("got %d, %v", port, err)
		}
	})
}
