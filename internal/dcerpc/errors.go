package dcerpc

import (
	"errors"
	"fmt"
)

// ErrProtocol is an answer that is not what the protocol has at that place. The
// connection is closed after it.
var ErrProtocol = errors.New("the server does not speak proper DCE/RPC")

// ErrBroken is a call on a connection that an earlier one has closed.
var ErrBroken = errors.New("the RPC connection is closed")

func protocol(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrProtocol, fmt.Sprintf(format, args...))
}

// A Nak is the server's refusal of a bind, bind_nak of C706 12.6.4.5.
type Nak struct{ Reason uint16 }

// The reasons of C706 12.6.3.1, p_reject_reason_t, and of [MS-RPCE] 2.2.2.5.
var nakReasons = map[uint16]string{
	0: "no reason given",
	1: "temporary congestion",
	2: "local limit exceeded",
	4: "protocol version not supported",
	8: "authentication type not recognized",
	9: "invalid checksum",
}

func (n *Nak) Error() string {
	if text, ok := nakReasons[n.Reason]; ok {
		return "the server refuses the bind: " + text
	}
	return fmt.Sprintf("the server refuses the bind: reason %d", n.Reason)
}

// A Rejection is the server's refusal of one interface, p_result_t of C706 12.6.3.1.
type Rejection struct {
	Interface      Syntax
	Result, Reason uint16
}

var rejectionReasons = map[uint16]string{
	0: "no reason given",
	1: "it does not have the interface",
	2: "it does not speak NDR 2.0",
	3: "local limit exceeded",
}

func (r *Rejection) Error() string {
	text, ok := rejectionReasons[r.Reason]
	if !ok {
		text = fmt.Sprintf("reason %d", r.Reason)
	}
	return fmt.Sprintf("the server rejects the interface %s: %s", r.Interface, text)
}
