package demodir

import (
	"bufio"
	"net"
	"time"
)

// conn is one client's connection. All of its state is its one goroutine's.
type conn struct {
	*Server
	raw    net.Conn // for the socket's deadlines
	stream net.Conn // raw, or TLS on it
	secure bool     // stream is TLS
	in     *bufio.Reader

	who      *account     // nil while nobody has bound
	exchange *ntlmPending // a log-in between its two legs
}

// writeTimeout bounds how long a client that does not read holds a goroutine.
const writeTimeout = 10 * time.Second

// run serves the connection to its end.
func (c *conn) run() {
	c.in = bufio.NewReader(c.stream)
	for c.step() {
	}
}

// step serves one request and reports whether another may follow.
func (c *conn) step() bool {
	if c.raw.SetReadDeadline(time.Now().Add(c.cfg.Idle)) != nil {
		return false
	}
	frame, err := readFrame(c.in)
	if err != nil {
		return false
	}
	r, err := parseRequest(frame)
	if err != nil {
		return false // RFC 4511 4.1.1: no message to answer
	}
	return c.dispatch(r)
}

func (c *conn) dispatch(r *request) bool {
	if res := c.refusal(r); res != nil {
		return c.reply(r, responseTag(r.tag), res.encode())
	}
	switch op := r.op.(type) {
	case *bindRequest:
		return c.bind(r, op)
	case *searchRequest:
		return c.search(r, op)
	case *extendedRequest:
		return c.extended(r, op)
	case abandon:
		return true // requests are served in turn: there is nothing left to abandon
	}
	return false // unbind
}

// refusal is the answer to a request that is not looked at further.
func (c *conn) refusal(r *request) *result {
	_, isBind := r.op.(*bindRequest)
	_, isSearch := r.op.(*searchRequest)
	switch {
	case r.op == nil && responseTag(r.tag) == opExtendedResponse:
		return &resultSequence
	case r.op == nil:
		return &resultUnknownOp
	case c.cfg.Busy && (isBind || isSearch):
		return &resultBusy
	}
	for _, ctl := range r.controls {
		if ctl.critical && !knownControl(ctl.oid) {
			return &result{code: criticalExtension, text: "00002040: SvcErr: DSID-031401E7, problem 5010 (UNAVAIL_EXTENSION), data 0"}
		}
	}
	return nil
}

// responseTag gives the answer's element; an unknown operation is answered as
// an extended one.
func responseTag(op byte) byte {
	switch op {
	case opSearch:
		return opSearchDone
	case opBind, opModify, opAdd, opModifyDN, opCompare:
		return op + 1
	case opDelete:
		return 0x6B
	}
	return opExtendedResponse
}

// reply sends one message and reports whether that worked.
func (c *conn) reply(r *request, tag byte, body []byte, controls ...[]byte) bool {
	parts := [][]byte{integer(tagInteger, r.id), element(tag, body)}
	if len(controls) > 0 {
		parts = append(parts, element(0xA0, controls...))
	}
	if c.raw.SetWriteDeadline(time.Now().Add(writeTimeout)) != nil {
		return false
	}
	_, err := c.stream.Write(element(tagSequence, parts...))
	return err == nil
}
