package dcerpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// TestCalls: calls go one after another with a number each, over more than one
// interface, and a fault ends its call alone.
func TestCalls(t *testing.T) {
	var kinds []kind
	c := serve(t, func(r request) []byte {
		kinds = append(kinds, r.kind)
		switch r.kind {
		case kindBind:
			return welcome(r)
		case kindAlter:
			return fragment(kindAlterAnswer, whole, r.call, ack(0, 0, 0, NDR))
		}
		context, opnum := uint16(r.raw[20]), r.raw[22]
		if opnum == 9 {
			return fragment(kindFault, whole, r.call, fault(FaultOperation))
		}
		return fragment(kindResponse, whole, r.call, response(context, []byte(fmt.Sprintf("%d %d %d %s", r.call, context, opnum, r.raw[24:]))))
	})
	first := bind(t, c, nil)
	second, err := c.Bind(context.Background(), endpointMapper, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range []*Binding{first, second, first} {
		if _, err := b.Call(context.Background(), 9, nil); err == nil || !strings.Contains(err.Error(), "nca_s_op_rng_error (0x1C010002)") {
			t.Errorf("got %v, want the fault", err)
		}
		got, err := b.Call(context.Background(), 7, []byte("stub"))
		if want := fmt.Sprintf("%d %d 7 stub", 2*i+4, b.contextID); string(got) != want || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	if kinds[0] != kindBind || kinds[1] != kindAlter {
		t.Errorf("got %v, want a bind and an alter_context", kinds)
	}
}

// TestFragments: stubs of any length arrive whole in both directions, in fragments
// that the receiver takes, sealed and not.
func TestFragments(t *testing.T) {
	for _, size := range []int{0, 1, 15, 16, 17, 1375, 1376, 1377, 1392, 1393, 1408, 5840, 70000} {
		for _, how := range []string{"plain", "sealed", "headers signed"} {
			sealed, signs := how != "plain", how == "headers signed"
			stub := bytes.Repeat([]byte("0123456789abcdefg"), size/17+1)[:size]
			theirs := new(mask)
			var got []byte
			c := serve(t, func(r request) []byte {
				if r.kind == kindBind {
					raw := welcome(r)
					raw[18], raw[19] = 0x98, 0x05 // takes 1,432 bytes
					return signing(raw, signs)
				}
				if len(r.raw) > 1432 {
					t.Errorf("a fragment of %d bytes", len(r.raw))
				}
				body := r.raw[24:]
				if sealed {
					at := len(body) - 4 - trailerLen
					plain, err := theirs.Unseal(body[:at], around(r.raw, signs), body[at+trailerLen:])
					if err != nil {
						t.Error(err)
					}
					body = plain[:len(plain)-int(body[at+2])]
				}
				got = append(got, body...)
				if r.flags&flagLast == 0 {
					return nil
				}
				var answer []byte
				rest := got
				for flags := uint8(flagFirst); ; flags = 0 {
					part := rest[:min(1000, len(rest))]
					if rest = rest[len(part):]; len(rest) == 0 {
						flags |= flagLast
					}
					if sealed {
						answer = append(answer, sealedFragment(theirs, signs, flags, r.call, part)...)
					} else {
						answer = append(answer, fragment(kindResponse, flags, r.call, response(0, part))...)
					}
					if len(rest) == 0 {
						return answer
					}
				}
			})
			var security Security
			want := stub
			if sealed {
				security = new(mask)
			}
			b := bind(t, c, security)
			if sealed {
				fresh := *b
				want = (&Conn{signsHeaders: signs}).verified(stub, 2, &fresh, 3)
			}
			answer, err := b.Call(context.Background(), 3, stub)
			if err != nil || !bytes.Equal(got, want) || !bytes.Equal(answer, want) {
				t.Errorf("%d bytes, %s: %v; the server got %d bytes, answered %d, want %d", size, how, err, len(got), len(answer), len(want))
			}
		}
	}
}

// TestRefuses: each answer is an error, and the connection is closed after it.
func TestRefuses(t *testing.T) {
	good := func(r request) []byte { return fragment(kindResponse, whole, r.call, response(0, []byte("yes"))) }
	change := func(at int, to byte) func(r request) []byte {
		return func(r request) []byte { raw := good(r); raw[at] = to; return raw }
	}
	for name, c := range map[string]struct {
		sealed bool
		answer func(r request) []byte
		want   error
	}{
		"another version":       {false, change(0, 4), ErrProtocol},
		"a later minor version": {false, change(1, 2), ErrProtocol},
		"big-endian":            {false, change(4, 0), ErrProtocol},
		"other floats":          {false, change(5, 1), ErrProtocol},
		"shorter than a header": {false, change(8, 15), ErrProtocol},
		"too long a fragment":   {false, change(9, 0x17), ErrProtocol},
		"another call":          {false, change(12, 77), ErrProtocol},
		"another kind":          {false, change(2, byte(kindRequest)), ErrProtocol},
		"a bind_ack":            {false, change(2, byte(kindBindAck)), ErrProtocol},
		"not the first":         {false, change(3, flagLast), ErrProtocol},
		"another context":       {false, change(20, 1), ErrProtocol},
		"too short a response": {false, func(r request) []byte {
			return fragment(kindResponse, whole, r.call, make([]byte, 7))
		}, ErrProtocol},
		"first twice": {false, func(r request) []byte {
			raw := fragment(kindResponse, flagFirst, r.call, response(0, nil))
			return append(raw, raw...)
		}, ErrProtocol},
		"a flood of empty fragments": {false, func(r request) []byte {
			raw := fragment(kindResponse, flagFirst, r.call, response(0, nil))
			return append(raw, bytes.Repeat(fragment(kindResponse, 0, r.call, response(0, nil)), 50000)...)
		}, ErrProtocol},
		"a flood of full fragments": {false, func(r request) []byte {
			full := response(0, make([]byte, maxFragment-headerLen-responseHead))
			return append(fragment(kindResponse, flagFirst, r.call, full), bytes.Repeat(fragment(kindResponse, 0, r.call, full), 200)...)
		}, ErrProtocol},
		"a fault of success": {false, func(r request) []byte { return fragment(kindFault, whole, r.call, fault(0)) }, ErrProtocol},
		"half a fault":       {false, func(r request) []byte { return fragment(kindFault, whole, r.call, fault(5)[:10]) }, ErrProtocol},
		"protected in vain":  {false, func(r request) []byte { return withAuth(good(r), 99, levelPrivacy, 0, authContextID, nil4) }, ErrProtocol},
		"a value too long": {false, func(r request) []byte {
			raw := good(r)
			raw[10] = 200
			return raw
		}, ErrProtocol},
		"no protection":    {true, good, ErrProtocol},
		"signed alone":     {true, func(r request) []byte { return withAuth(good(r), 99, 5, 0, authContextID, nil4) }, ErrProtocol},
		"another provider": {true, func(r request) []byte { return withAuth(good(r), 9, levelPrivacy, 0, authContextID, nil4) }, ErrProtocol},
		"another security context": {true, func(r request) []byte {
			return withAuth(good(r), 99, levelPrivacy, 0, 7, nil4)
		}, ErrProtocol},
		"a wrong signature": {true, func(r request) []byte {
			return withAuth(good(r), 99, levelPrivacy, 0, authContextID, nil4)
		}, errSignature},
		"more padding than bytes": {true, func(r request) []byte {
			raw := sealedFragment(&mask{n: 1}, false, whole, r.call, []byte("yes"))
			raw[len(raw)-4-trailerLen+2] = 200
			return raw
		}, ErrProtocol},
		"padding that eats the head": {true, func(r request) []byte {
			sealed, signature, _ := (&mask{n: 1}).Seal(nil, Around{})
			return withAuth(fragment(kindResponse, whole, r.call, response(0, sealed)), 99, levelPrivacy, 4, authContextID, signature)
		}, ErrProtocol},
		"the end instead": {false, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var conn *Conn
			conn = serve(t, func(r request) []byte {
				if r.kind == kindBind {
					return welcome(r)
				}
				if c.answer == nil {
					_ = conn.Close()
					return nil
				}
				return c.answer(r)
			})
			var security Security
			if c.sealed {
				security = new(mask)
			}
			b := bind(t, conn, security)
			stub, err := b.Call(context.Background(), 3, []byte("may I?"))
			if err == nil || stub != nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("got %q, %v, want %v", stub, err, c.want)
			}
			if _, err := b.Call(context.Background(), 3, nil); !errors.Is(err, ErrBroken) {
				t.Errorf("then %v, want %v", err, ErrBroken)
			}
		})
	}
}

var nil4 = make([]byte, 4)

// TestBindRefused: each is an error of its own, and no call follows.
func TestBindRefused(t *testing.T) {
	nak := func(reason byte) func(r request) []byte {
		return func(r request) []byte { return fragment(kindBindNak, whole, r.call, []byte{reason, 0}) }
	}
	for name, c := range map[string]struct {
		answer func(r request) []byte
		want   string
	}{
		"nak":                  {nak(8), "authentication type not recognized"},
		"nak for a new reason": {nak(77), "reason 77"},
		"empty nak":            {func(r request) []byte { return fragment(kindBindNak, whole, r.call, nil) }, "bind_nak"},
		"fault":                {func(r request) []byte { return fragment(kindFault, whole, r.call, fault(5)) }, "ERROR_ACCESS_DENIED (0x00000005)"},
		"no such interface":    {func(r request) []byte { return fragment(kindBindAck, whole, r.call, ack(4280, 2, 1, Syntax{})) }, "does not have the interface"},
		"another syntax":       {func(r request) []byte { return fragment(kindBindAck, whole, r.call, ack(4280, 0, 0, testInterface)) }, "transfer syntax"},
		"two results":          {func(r request) []byte { raw := welcome(r); raw[32] = 2; return raw }, "2 results"},
		"cut":                  {func(r request) []byte { return fragment(kindBindAck, whole, r.call, ack(4280, 0, 0, NDR)[:30]) }, "answer to a bind"},
		"no protection":        {func(r request) []byte { return fragment(kindBindAck, whole, r.call, ack(4280, 0, 0, NDR)) }, "without protection"},
		"another level": {func(r request) []byte {
			return withAuth(fragment(kindBindAck, whole, r.call, ack(4280, 0, 0, NDR)), 99, 5, 0, 1, nil4)
		}, "at level 5"},
		"a wrong token": {func(r request) []byte {
			return withAuth(fragment(kindBindAck, whole, r.call, ack(4280, 0, 0, NDR)), 99, 6, 0, 1, nil4)
		}, "token is wrong"},
		"tiny fragments":        {func(r request) []byte { raw := welcome(r); raw[18], raw[19] = 100, 0; return raw }, "100 bytes"},
		"another call":          {func(r request) []byte { raw := welcome(r); raw[12] = 9; return raw }, "call 9"},
		"half":                  {func(r request) []byte { raw := welcome(r); raw[3] = flagFirst; return raw }, "fragments"},
		"an alter_context_resp": {func(r request) []byte { raw := welcome(r); raw[2] = byte(kindAlterAnswer); return raw }, "type 15"},
		"a response":            {func(r request) []byte { raw := welcome(r); raw[2] = byte(kindResponse); return raw }, "type 2"},
	} {
		t.Run(name, func(t *testing.T) {
			conn := serve(t, c.answer)
			b, err := conn.Bind(context.Background(), testInterface, new(mask))
			if err == nil || b != nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if _, err := conn.Bind(context.Background(), testInterface, nil); !errors.Is(err, ErrBroken) {
				t.Errorf("then %v, want %v", err, ErrBroken)
			}
		})
	}
}

// TestSecurityStays: a second interface brings no second provider.
func TestSecurityStays(t *testing.T) {
	c := serve(t, func(r request) []byte {
		if r.kind == kindAlter {
			return fragment(kindAlterAnswer, whole, r.call, ack(0, 0, 0, NDR))
		}
		return welcome(r)
	})
	bind(t, c, new(mask))
	if _, err := c.Bind(context.Background(), testInterface, new(mask)); !errors.Is(err, ErrProtocol) {
		t.Errorf("got %v, want %v", err, ErrProtocol)
	}
}

// TestContext: a call ends with its context, by deadline, by cancelling and while
// it waits for its turn, and what it leaves behind serves nobody.
func TestContext(t *testing.T) {
	cause := errors.New("the client went away")
	silent := func(r request) []byte {
		if r.kind == kindBind {
			return welcome(r)
		}
		return nil
	}
	t.Run("deadline", func(t *testing.T) {
		b := bind(t, serve(t, silent), nil)
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		if _, err := b.Call(ctx, 1, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
		}
		if _, err := b.Call(context.Background(), 1, nil); !errors.Is(err, ErrBroken) {
			t.Errorf("then %v, want %v", err, ErrBroken)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		b := bind(t, serve(t, silent), nil)
		ctx, cancel := context.WithCancelCause(context.Background())
		time.AfterFunc(20*time.Millisecond, func() { cancel(cause) })
		began := time.Now()
		if _, err := b.Call(ctx, 1, nil); !errors.Is(err, cause) || time.Since(began) > callTime/2 {
			t.Errorf("got %v after %v, want %v at once", err, time.Since(began), cause)
		}
	})
	t.Run("waiting", func(t *testing.T) {
		c := serve(t, silent)
		b := bind(t, c, nil)
		first := make(chan error)
		go func() {
			_, err := b.Call(context.Background(), 1, nil)
			first <- err
		}()
		for len(c.turn) == 0 {
			time.Sleep(time.Millisecond)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		if _, err := b.Call(ctx, 1, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
		}
		_ = c.Close()
		if err := <-first; err == nil {
			t.Error("a call on a closed connection succeeded")
		}
	})
	t.Run("trickle", func(t *testing.T) {
		client, server := net.Pipe()
		defer client.Close()
		go func() {
			defer server.Close()
			_, _ = readRequest(server)
			for _, b := range welcome(request{call: 1}) {
				time.Sleep(10 * time.Millisecond)
				if _, err := server.Write([]byte{b}); err != nil {
					return
				}
			}
		}()
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		if _, err := New(client).Bind(ctx, testInterface, nil); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
		}
	})
}
