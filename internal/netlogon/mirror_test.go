package netlogon

import (
	"errors"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
)

// TestMirror: who knows nothing cannot prove that he knows the machine's password.
// Cipher feedback encrypts equal beginnings equally, so the client's own credential
// would tell the controller's for a challenge that begins like the client's.
func TestMirror(t *testing.T) {
	var client, server, sent [8]byte
	impostor := &controller{script: script{
		hash: ntlm.NTOWFv1("another"),
		challenge: func(theirs [8]byte) [8]byte {
			client, server = theirs, theirs
			server[7] ^= 1
			return server
		},
		hear: func(opnum uint16, stub []byte) {
			if opnum == authenticate3.opnum {
				sent = [8]byte(stub[len(stub)-12:])
			}
		},
		authenticate: func(_ [8]byte, flags uint32) ([8]byte, uint32, ntstatus.Status) {
			forged := sent
			forged[7] ^= client[7] ^ server[7]
			return forged, flags, 0
		},
	}}
	ch, err := Open(t.Context(), impostor.config(t))
	if ch != nil || !errors.Is(err, ErrWeakChallenge) || impostor.seen().sealed != 0 {
		t.Errorf("got %v, %v after %d sealed connections, want %v", ch, err, impostor.seen().sealed, ErrWeakChallenge)
	}
}
