package ldapsasl

import (
	"fmt"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// Result codes, RFC 4511 4.1.9, of which this package decides something.
const (
	codeSuccess        = 0
	codeBindInProgress = 14
)

// Result is a server's answer other than the one that was due.
type Result struct {
	Code    uint16 // RFC 4511 4.1.9
	Message string // diagnosticMessage, in the server's own words
}

// Error implements error.
func (r *Result) Error() string {
	return fmt.Sprintf("LDAP result code %d: %.512q", r.Code, r.Message)
}

// The answers that are read here, RFC 4511 4.2.2 and 4.12.
const (
	opBindResponse     = 1
	opExtendedResponse = 24
	tagServerSASLCreds = 7
)

// parseResponse reads the LDAPResult in a message, and the token beside it.
func parseResponse(message []byte, id int64, op ber.Tag) (result *Result, token []byte, err error) {
	got, _, err := messageID(message)
	if err != nil {
		return nil, nil, err
	}
	if got != id {
		return nil, nil, malformed("message ID %d instead of %d", got, id)
	}
	packet, err := ber.DecodePacketErr(message)
	if err != nil {
		return nil, nil, malformed("%v", err)
	}
	if len(packet.Children) < 2 {
		return nil, nil, malformed("no operation")
	}
	response := packet.Children[1]
	if response.ClassType != ber.ClassApplication || response.TagType != ber.TypeConstructed || response.Tag != op || len(response.Children) < 3 {
		return nil, nil, malformed("operation %d instead of %d", response.Tag, op)
	}
	code, ok := response.Children[0].Value.(int64)
	if !ok || response.Children[0].Tag != ber.TagEnumerated || code < 0 || code > 0xFFFF {
		return nil, nil, malformed("no result code")
	}
	for _, extra := range response.Children[3:] {
		if op == opBindResponse && extra.ClassType == ber.ClassContext && extra.TagType == ber.TypePrimitive && extra.Tag == tagServerSASLCreds {
			token = extra.Data.Bytes()
		}
	}
	return &Result{Code: uint16(code), Message: response.Children[2].Data.String()}, token, nil
}
