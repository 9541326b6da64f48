package krb

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/jcmturner/gokrb5/v8/gssapi"
)

// contextOf is the context of an accepted request, and its forge.
func contextOf(t testing.TB, etype int32, subkey bool) (*Context, *forge) {
	t.Helper()
	long := aKey(etype, 0x11)
	f, a := newForge(noon, long), acceptorOf(noon, long)
	if subkey {
		f.Sent.SubKey = aKey(etype, 0x66)
	}
	_, c, err := a.Accept(f.Token(t))
	if err != nil {
		t.Fatal(err)
	}
	return c, f
}

// TestMIC: what the library signs as a client is believed, and it believes what
// we sign, under the session key and under the client's subkey.
func TestMIC(t *testing.T) {
	for _, etype := range []int32{etypeAES128SHA1, etypeAES256SHA1, etypeAES128SHA2, etypeAES256SHA2} {
		for _, subkey := range []bool{false, true} {
			t.Run(fmt.Sprint(Etype(etype), subkey), func(t *testing.T) {
				c, f := contextOf(t, etype, subkey)
				key := f.Part.Key
				if subkey {
					key = f.Sent.SubKey
				}
				message := []byte("the list of mechanisms")
				theirs := gssapi.MICToken{Payload: message, SndSeqNum: 42}
				if err := theirs.SetChecksum(key, usageInitiatorSign); err != nil {
					t.Fatal(err)
				}
				raw, err := theirs.Marshal()
				if err := c.VerifyMIC(message, must(t, raw, err)); err != nil {
					t.Errorf("the client's: %v", err)
				}
				ours, err := c.GetMIC(message)
				var read gssapi.MICToken
				if err := read.Unmarshal(must(t, ours, err), true); err != nil {
					t.Fatal(err)
				}
				read.Payload = message
				if ok, err := read.Verify(key, usageAcceptorSign); !ok {
					t.Errorf("ours: %v", err)
				}
				for name, bad := range map[string][]byte{
					"nothing": nil, "cut": raw[:16], "reflected": ours, "changed": append(bytes.Clone(raw[:len(raw)-1]), raw[len(raw)-1]^1),
					"a wrap token": append([]byte{5, 4}, raw[2:]...), "of a subkey of ours": append([]byte{4, 4, 4}, raw[3:]...),
				} {
					if err := c.VerifyMIC(message, bad); !errors.Is(err, ErrForged) && !errors.Is(err, ErrMalformed) {
						t.Errorf("%s: got %v", name, err)
					}
				}
				if err := c.VerifyMIC([]byte("another list"), raw); !errors.Is(err, ErrForged) {
					t.Errorf("of another message: got %v", err)
				}
			})
		}
	}
}
