package smb2

import (
	"context"
	"crypto/rand"
	"crypto/sha512"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
)

const (
	// creditsAsked is asked for with each request. One would do, as there is one
	// request at a time; some spare cost nothing.
	creditsAsked = 8
	// maxPending bounds the interim answers to one request. [MS-SMB2] 3.3.4.2
	// sends one; a server that sends them without end only keeps us busy.
	maxPending = 8
)

// conn is a connection with one request under way at a time.
type conn struct {
	net     net.Conn
	asked   negotiateRequest
	said    *negotiated // nil before negotiate
	next    uint64      // MessageId
	credits int
	session uint64                       // SessionId, 0 before the server gives one
	preauth [64]byte                     // hash of NEGOTIATE and SESSION_SETUP, [MS-SMB2] 3.2.1.2
	signer  *signer                      // nil before the log-on, and where nobody logged on
	agreed  *sealer                      // of the session, not in use before the server demands it
	sealer  *sealer                      // nil where nothing is encrypted
	heed    func(challenge []byte) error // of who logs on; may be nil
	err     error                        // what ended the connection
}

func newConn(nc net.Conn, offer []Dialect) *conn {
	if len(offer) == 0 {
		offer = dialects
	}
	c := &conn{net: nc, credits: 1, asked: negotiateRequest{dialects: offer}}
	_, _ = rand.Read(c.asked.guid[:]) // it cannot fail
	_, _ = rand.Read(c.asked.salt[:])
	return c
}

// within does something that ctx bounds: its deadline is the connection's, and
// when it is cancelled nothing more is read or written.
func (c *conn) within(ctx context.Context, do func() error) error {
	deadline, _ := ctx.Deadline()
	if err := c.net.SetDeadline(deadline); err != nil {
		return err
	}
	cut := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = c.net.SetDeadline(time.Unix(1, 0))
		close(cut)
	})
	err := do()
	if !stop() {
		<-cut
	}
	if err != nil && ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	return err
}

// answer is a whole message of the server. Its header has been held against the
// request.
type answer struct {
	header
	msg []byte
}

// exchange sends a request and waits for its answer. A status that is neither
// success nor in fine is a *StatusError. Any other error is the end of the
// connection.
func (c *conn) exchange(command Command, tree uint32, body []byte, fine ...ntstatus.Status) (answer, error) {
	if c.err != nil {
		return answer{}, c.err
	}
	a, err := c.roundTrip(command, tree, body)
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = fmt.Errorf("the server did not answer in time: %w", err)
		}
		return answer{}, c.fail(command, err)
	}
	if a.status == ntstatus.Success {
		return a, nil
	}
	for _, status := range fine {
		if a.status == status {
			return a, nil
		}
	}
	return a, &StatusError{Command: command, Status: a.status}
}

// fail ends the connection, as by an answer that is not what it should be.
func (c *conn) fail(command Command, err error) error {
	c.err = fmt.Errorf("SMB2 %v: %w", command, err)
	return c.err
}

func (c *conn) roundTrip(command Command, tree uint32, body []byte) (answer, error) {
	if c.credits < 1 {
		return answer{}, ErrCredits
	}
	c.credits--
	h := header{command: command, credits: creditsAsked, messageID: c.next, treeID: tree, sessionID: c.session}
	if c.said != nil && c.said.dialect != SMB202 {
		h.creditCharge = 1
	}
	c.next++
	msg := append(h.marshal(), body...)
	if c.signer != nil && c.sealer == nil {
		c.signer.sign(msg)
	}
	if command == Negotiate || command == SessionSetup {
		c.hash(msg)
	}
	if err := c.send(msg); err != nil {
		return answer{}, err
	}
	return c.await(&h)
}

func (c *conn) send(msg []byte) error {
	if c.sealer != nil {
		msg = c.sealer.seal(msg, c.session)
	}
	return writeFrame(c.net, msg)
}

// await reads up to the answer that is not an interim one.
func (c *conn) await(asked *header) (answer, error) {
	for range maxPending + 1 {
		msg, err := c.receive()
		if err != nil {
			return answer{}, err
		}
		h, err := parseHeader(msg)
		if err != nil {
			return answer{}, err
		}
		if err := c.match(&h, asked); err != nil {
			return answer{}, err
		}
		c.credits += int(h.credits)
		if h.status == ntstatus.Pending && h.flags&flagAsync != 0 {
			continue // unsigned, [MS-SMB2] 3.2.5.1.3: nothing of it is believed but that credits were given
		}
		if c.signer != nil && c.sealer == nil {
			if err := c.signer.verify(msg); err != nil { // as where the session is gone, and with it the key
				return answer{}, fmt.Errorf("%w (it says %v)", err, h.status)
			}
		}
		if h.command == Negotiate || h.command == SessionSetup && h.status == ntstatus.MoreProcessingRequired {
			c.hash(msg) // not the last one, [MS-SMB2] 3.2.5.3.1
		}
		return answer{h, msg}, nil
	}
	return answer{}, malformed(asked.command.String()+" Response", "Status", "%v, more than %d times", ntstatus.Pending, maxPending)
}

func (c *conn) receive() ([]byte, error) {
	msg, err := readFrame(c.net)
	if err != nil || c.sealer == nil {
		return msg, err
	}
	return c.sealer.open(msg, c.session)
}

// match holds an answer's header against the request's, [MS-SMB2] 3.2.5.1.
func (c *conn) match(h, asked *header) error {
	name := asked.command.String() + " Response"
	switch {
	case h.flags&flagResponse == 0:
		return malformed(name, "Flags", "it is a request")
	case h.messageID != asked.messageID:
		return malformed(name, "MessageId", "%d, not %d", h.messageID, asked.messageID)
	case h.command != asked.command:
		return malformed(name, "Command", "it answers %v", h.command)
	case h.nextCommand != 0:
		return malformed(name, "NextCommand", "another message follows, and one was asked for")
	case h.sessionID != asked.sessionID && (asked.command != SessionSetup || asked.sessionID != 0):
		return malformed(name, "SessionId", "another session's answer")
	}
	return nil
}

// hash adds a message to the preauthentication integrity hash.
func (c *conn) hash(msg []byte) {
	h := sha512.New()
	h.Write(c.preauth[:])
	h.Write(msg)
	h.Sum(c.preauth[:0])
}

// negotiate agrees on a dialect.
func (c *conn) negotiate() error {
	a, err := c.exchange(Negotiate, 0, c.asked.marshal())
	if err != nil {
		return err
	}
	said, err := parseNegotiate(a.msg)
	if err == nil {
		err = said.check(&c.asked)
	}
	if err != nil {
		return c.fail(Negotiate, err)
	}
	c.said = said
	return nil
}

// setup sends one leg of a log-on and returns the server's message with what it
// holds. The last one's signature is the caller's to look at.
func (c *conn) setup(token []byte) (answer, setupAnswer, error) {
	body, err := setupRequest(c.asked.securityMode(), token)
	if err != nil {
		return answer{}, setupAnswer{}, err
	}
	a, err := c.exchange(SessionSetup, 0, body, ntstatus.MoreProcessingRequired)
	if err != nil {
		return answer{}, setupAnswer{}, err
	}
	s, err := parseSetup(a.msg)
	if err == nil && a.sessionID == 0 {
		err = malformed("SESSION_SETUP Response", "SessionId", "none is given")
	}
	if err != nil {
		return answer{}, setupAnswer{}, c.fail(SessionSetup, err)
	}
	c.session = a.sessionID
	return a, s, nil
}
