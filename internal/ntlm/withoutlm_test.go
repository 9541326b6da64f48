package ntlm

import (
	"bytes"
	"testing"
	"time"
)

// TestWithoutLM: the LM response is zeros, all else is as it came, and where there is
// none nothing changes.
func TestWithoutLM(t *testing.T) {
	for name, c := range map[string]struct {
		stamped bool // by the server, and then there is no LMv2 response
		changed int  // bytes at most
	}{"LMv2": {false, v1ResponseLen}, "none": {true, 0}} {
		client, server := testClient(), testServer()
		client.Now = time.Unix(1e9, 0)
		if !c.stamped {
			server.Now = nil
		}
		challenge, err := server.Challenge(client.Negotiate())
		if err != nil {
			t.Fatal(err)
		}
		raw, err := client.Authenticate(challenge)
		if err != nil {
			t.Fatal(err)
		}
		came, err := ParseAuthenticate(raw)
		if err != nil {
			t.Fatal(err)
		}
		without := came.WithoutLM()
		m, err := ParseAuthenticate(without)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(m.LMResponse, make([]byte, v1ResponseLen)) || !bytes.Equal(m.NTResponse, came.NTResponse) || m.User != came.User {
			t.Errorf("%s: got %v with the LM response %x", name, m, m.LMResponse)
		}
		changed := 0
		for i := range raw {
			if raw[i] != without[i] {
				changed++
			}
		}
		if len(raw) != len(without) || changed > c.changed || !bytes.Equal(raw, came.raw) {
			t.Errorf("%s: %d bytes changed, want %d at most", name, changed, c.changed)
		}
	}
}
