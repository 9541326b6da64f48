package integration

import (
	"encoding/asn1"
	"encoding/base64"
	"strings"
	"testing"
)

// SPNEGO of a client, RFC 4178 4.2, by the standard library's ASN.1: no code of
// ours reads or writes it.

var (
	oidSPNEGO   = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 2}
	oidKerberos = asn1.ObjectIdentifier{1, 2, 840, 113554, 1, 2, 2}
	oidNTLM     = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 2, 10}
)

// The states of a negotiation.
const (
	acceptCompleted  asn1.Enumerated = 0
	acceptIncomplete asn1.Enumerated = 1
)

type negTokenInit struct {
	MechTypes []asn1.ObjectIdentifier `asn1:"explicit,tag:0"`
	MechToken []byte                  `asn1:"explicit,optional,omitempty,tag:2"`
}

type negTokenResp struct {
	NegState      asn1.Enumerated       `asn1:"explicit,optional,default:-1,tag:0"`
	SupportedMech asn1.ObjectIdentifier `asn1:"explicit,optional,omitempty,tag:1"`
	ResponseToken []byte                `asn1:"explicit,optional,omitempty,tag:2"`
	MechListMIC   []byte                `asn1:"explicit,optional,omitempty,tag:3"`
}

func encode(t *testing.T, value any, params string) []byte {
	t.Helper()
	der, err := asn1.MarshalWithParams(value, params)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// marshal gives the token in its GSS-API frame, RFC 2743 3.1.
func (i negTokenInit) marshal(t *testing.T) []byte {
	t.Helper()
	frame := asn1.RawValue{Class: asn1.ClassApplication, Tag: 0, IsCompound: true}
	frame.Bytes = append(encode(t, oidSPNEGO, ""), encode(t, i, "explicit,tag:0")...)
	return encode(t, frame, "")
}

func continuing(t *testing.T, message []byte) []byte {
	t.Helper()
	return encode(t, negTokenResp{NegState: acceptIncomplete, ResponseToken: message}, "explicit,tag:1")
}

// negotiate sends one token on a connection that stays open and gives the
// answer's status, body and token.
func (c *rawClient) negotiate(t *testing.T, token []byte) (status int, body string, reply *negTokenResp) {
	t.Helper()
	response := c.do(t, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Negotiate "+
		base64.StdEncoding.EncodeToString(token)+"\r\n\r\n")
	for _, challenge := range response.Header.Values("WWW-Authenticate") {
		encoded, ok := strings.CutPrefix(challenge, "Negotiate ")
		if !ok {
			continue
		}
		raw, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			t.Fatalf("challenge %q: %v", challenge, err)
		}
		reply = new(negTokenResp)
		if rest, err := asn1.UnmarshalWithParams(raw, reply, "explicit,tag:1"); err != nil || len(rest) > 0 {
			t.Fatalf("token %x: %v, %d bytes behind it", raw, err, len(rest))
		}
	}
	return response.StatusCode, bodyOf(t, response), reply
}
