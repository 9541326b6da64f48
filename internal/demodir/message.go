package demodir

import (
	"bufio"
	"io"
)

// request is an LDAPMessage from a client, RFC 4511 4.1.1, read to its end
// before anything is decided. op is nil for an operation that is not served.
type request struct {
	id       int
	tag      byte // of the operation
	op       any  // *bindRequest, *searchRequest, *extendedRequest, abandon or unbind
	controls []control
}

// The operations of RFC 4511, by the identifier of their element.
const (
	opBind             = 0x60
	opBindResponse     = 0x61
	opUnbind           = 0x42
	opSearch           = 0x63
	opSearchEntry      = 0x64
	opSearchDone       = 0x65
	opModify           = 0x66
	opAdd              = 0x68
	opDelete           = 0x4A
	opModifyDN         = 0x6C
	opCompare          = 0x6E
	opSearchReference  = 0x73
	opAbandon          = 0x50
	opExtended         = 0x77
	opExtendedResponse = 0x78
)

type (
	unbind  struct{}
	abandon struct{}
)

type control struct {
	oid      string
	critical bool
	value    []byte
}

// maxMessage bounds what one message may make the server hold, before anybody
// has logged in.
const maxMessage = 64 << 10

// maxControls bounds the list that comes with a message.
const maxControls = 16

// readFrame reads one message off the connection, header and all.
func readFrame(r *bufio.Reader) ([]byte, error) {
	head, err := r.Peek(2)
	if err != nil {
		return nil, err
	}
	used := 2
	if head[1] >= 0x80 {
		used += int(head[1] & 0x7F)
	}
	if head[0] != tagSequence || used > 6 {
		return nil, errBER
	}
	if head, err = r.Peek(used); err != nil {
		return nil, err
	}
	size, _, err := berLength(head[1:])
	if err != nil || size > maxMessage {
		return nil, errBER
	}
	frame := make([]byte, used+int(size))
	_, err = io.ReadFull(r, frame)
	return frame, err
}

// parseRequest reads a frame.
func parseRequest(frame []byte) (*request, error) {
	outer := ber(frame)
	body, err := outer.read(tagSequence)
	if err != nil || len(outer) > 0 {
		return nil, errBER
	}
	r := &request{}
	if r.id, err = body.number(tagInteger); err != nil {
		return nil, err
	}
	var op ber
	if r.tag, op, err = body.next(); err != nil {
		return nil, err
	}
	if r.op, err = parseOperation(r.tag, op); err != nil {
		return nil, err
	}
	if r.controls, err = parseControls(body); err != nil {
		return nil, err
	}
	return r, nil
}

func parseOperation(tag byte, body ber) (any, error) {
	switch tag {
	case opBind:
		return parseBind(body)
	case opSearch:
		return parseSearch(body)
	case opExtended:
		return parseExtended(body)
	case opUnbind:
		return unbind{}, nil
	case opAbandon:
		return abandon{}, nil
	}
	return nil, nil
}

// parseControls reads what follows the operation, RFC 4511 4.1.11.
func parseControls(b ber) ([]control, error) {
	if len(b) == 0 {
		return nil, nil
	}
	list, err := b.read(0xA0)
	if err != nil || len(b) > 0 {
		return nil, errBER
	}
	var controls []control
	for len(list) > 0 {
		c, err := parseControl(&list)
		if err != nil || len(controls) == maxControls {
			return nil, errBER
		}
		controls = append(controls, c)
	}
	return controls, nil
}

func parseControl(list *ber) (c control, err error) {
	body, err := list.read(tagSequence)
	if err != nil {
		return c, err
	}
	if c.oid, err = body.text(); err != nil {
		return c, err
	}
	if body.is(tagBoolean) {
		if c.critical, err = body.boolean(); err != nil {
			return c, err
		}
	}
	if body.is(tagOctets) {
		value, err := body.read(tagOctets)
		if err != nil {
			return c, err
		}
		c.value = value
	}
	if len(body) > 0 {
		return c, errBER
	}
	return c, nil
}

// find gives the control with an OID.
func (r *request) find(oid string) (control, bool) {
	for _, c := range r.controls {
		if c.oid == oid {
			return c, true
		}
	}
	return control{}, false
}
