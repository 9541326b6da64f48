package caddyntlm

import (
	"encoding/base64"
	"encoding/binary"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// ntlmMessage is a message of a type that means something to a fakeDirectory
// alone: the door looks at signature and type and at nothing else.
func ntlmMessage(kind uint32, payload string) []byte {
	message := binary.LittleEndian.AppendUint32([]byte("NTLMSSP\x00"), kind)
	return append(message, payload...)
}

func authorization(scheme string, token []byte) string {
	return "Authorization: " + scheme + " " + base64.StdEncoding.EncodeToString(token)
}

func type1() string { return authorization("NTLM", ntlmMessage(1, "negotiate")) }

func type3(challenge []byte, user, password string) string {
	return authorization("NTLM", authenticateMessage(challenge, user, password))
}

// authenticateMessage is a Type 3 whose response a fakeExchange reads.
func authenticateMessage(challenge []byte, user, password string) []byte {
	named := user
	if len(user) > 1<<10 {
		named = "long"
	}
	m := ntlm.Authenticate{Flags: ntlm.NegotiateUnicode, User: named, NTResponse: []byte(string(challenge[12:]) + "\x00" + user + "\x00" + password)}
	message, err := m.Marshal()
	if err != nil {
		panic(err)
	}
	return message
}

func basic(user, password string) string {
	return authorization("Basic", []byte(user+":"+password))
}

// misuses are Authorization headers that get 401 and nothing else, and end what
// the connection remembered, whatever came before.
var misuses = map[string]string{
	"type2":  authorization("NTLM", ntlmMessage(2, "x")),
	"junk":   authorization("NTLM", []byte("junk")),
	"bearer": "Authorization: Bearer x",
}
