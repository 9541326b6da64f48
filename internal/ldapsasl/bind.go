package ldapsasl

import (
	"errors"
	"io"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// Mechanism is the SASL mechanism whose tokens are SPNEGO or raw NTLM
// messages, [MS-ADTS] 5.1.1.1.2.
const Mechanism = "GSS-SPNEGO"

// startTLSOID names the StartTLS operation, RFC 4511 4.14.
const startTLSOID = "1.3.6.1.4.1.1466.20037"

// ErrEnded means that a Bind was stepped after its end.
var ErrEnded = errors.New("bind stepped after its end")

// Bind is one bind of several legs on a connection that nobody else uses.
// Whoever makes it bounds its reads and writes by the connection's deadlines.
// After a failure the connection must be closed: RFC 4511 4.2.1 leaves open who
// is bound to it.
type Bind struct {
	conn  io.ReadWriter
	id    int64
	ended bool
}

// NewBind begins a bind on a connection. Nothing is sent yet.
func NewBind(conn io.ReadWriter) *Bind { return &Bind{conn: conn} }

// Step sends a token and returns the server's. done reports that the server
// said success. Any other answer is a *Result, and the end.
func (b *Bind) Step(token []byte) (answer []byte, done bool, err error) {
	if b.ended {
		return nil, false, ErrEnded
	}
	b.ended = true // unless the server asks for more
	b.id++
	message, err := roundTrip(b.conn, bindRequest(b.id, token))
	if err != nil {
		return nil, false, err
	}
	result, answer, err := parseResponse(message, b.id, opBindResponse)
	if err != nil {
		return nil, false, err
	}
	switch result.Code {
	case codeSuccess:
		return answer, true, nil
	case codeBindInProgress:
		b.ended = false
		return answer, false, nil
	default:
		return nil, false, result
	}
}

// StartTLS asks a server for TLS on a connection of which nothing was used yet.
// The TLS handshake is the caller's.
func StartTLS(conn io.ReadWriter) error {
	message, err := roundTrip(conn, startTLSRequest(1))
	if err != nil {
		return err
	}
	result, _, err := parseResponse(message, 1, opExtendedResponse)
	if err != nil {
		return err
	}
	if result.Code != codeSuccess {
		return result
	}
	return nil
}

func roundTrip(conn io.ReadWriter, request *ber.Packet) ([]byte, error) {
	if _, err := conn.Write(request.Bytes()); err != nil {
		return nil, err
	}
	message, err := ReadMessage(conn, MaxBind)
	if err != nil {
		return nil, unexpected(err)
	}
	return message, nil
}

// bindRequest is RFC 4511 4.2: version 3, no name, [3] sasl.
func bindRequest(id int64, token []byte) *ber.Packet {
	sasl := ber.Encode(ber.ClassContext, ber.TypeConstructed, 3, nil, "")
	sasl.AppendChild(octets(Mechanism))
	sasl.AppendChild(octets(string(token)))
	bind := ber.Encode(ber.ClassApplication, ber.TypeConstructed, 0, nil, "")
	bind.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, int64(3), ""))
	bind.AppendChild(octets(""))
	bind.AppendChild(sasl)
	return envelope(id, bind)
}

// startTLSRequest is RFC 4511 4.14.1.
func startTLSRequest(id int64) *ber.Packet {
	request := ber.Encode(ber.ClassApplication, ber.TypeConstructed, 23, nil, "")
	request.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, startTLSOID, ""))
	return envelope(id, request)
}

func envelope(id int64, op *ber.Packet) *ber.Packet {
	message := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	message.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	message.AppendChild(op)
	return message
}

func octets(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
}
