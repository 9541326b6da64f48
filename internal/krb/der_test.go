package krb

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// parts are an AP-REQ and the inside of its authenticator, with all fields.
func parts(t testing.TB) (request, authenticator []byte) {
	t.Helper()
	f := newForge(noon, aKey(etypeAES256SHA1, 0x11))
	f.Sent.SubKey, f.Sent.SeqNumber = aKey(etypeAES128SHA1, 7), 1<<32-1
	f.Sent.CName = types.NewPrincipalName(1, "alice/admin")
	token := f.Token(t)
	raw, err := unframe(tokenAPReq, token)
	if err != nil {
		t.Fatal(err)
	}
	inside, err := f.Sent.Marshal()
	return raw, must(t, inside, err)
}

// theirs reads as the library does, which panics on some bytes.
func theirs(read func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = errDER
		}
	}()
	return read()
}

// FuzzDER: what is read here the library reads too, and sees the same in it.
func FuzzDER(f *testing.F) {
	request, authenticator := parts(f)
	f.Add(request)
	f.Add(authenticator)
	f.Fuzz(func(t *testing.T, raw []byte) {
		if got, err := readAPReq(raw); err == nil {
			var want messages.APReq
			if err := theirs(func() error { return want.Unmarshal(raw) }); err != nil {
				t.Errorf("got %+v, and the library has %v", got, err)
			} else if !same(*got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		}
		if got, err := readAuthenticator(raw); err == nil {
			var want types.Authenticator
			err := theirs(func() error { return want.Unmarshal(raw) }) // it looks at what stands behind too
			if err == nil && !same(*got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		}
	})
}

// same compares as text, in which no bytes and none at all are one.
func same(a, b any) bool { return fmt.Sprintf("%+v", a) == fmt.Sprintf("%+v", b) }

// TestDER: both readers take what clients send, whole alone.
func TestDER(t *testing.T) {
	request, authenticator := parts(t)
	got, err := readAPReq(request)
	if err != nil || got.Ticket.SName.PrincipalNameString() != "HTTP/web.example.test" || got.Ticket.EncPart.KVNO != 3 || got.EncryptedAuthenticator.KVNO != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
	sent, err := readAuthenticator(authenticator)
	if err != nil || sent.CName.PrincipalNameString() != "alice/admin" || sent.SubKey.KeyType != etypeAES128SHA1 || sent.SeqNumber != 1<<32-1 || !sent.CTime.Equal(noon) {
		t.Errorf("got %+v, %v", sent, err)
	}
	for n := range request {
		if got, err := readAPReq(request[:n]); err == nil {
			t.Errorf("cut at %d: got %+v", n, got)
		}
	}
	for n := range authenticator {
		if got, err := readAuthenticator(authenticator[:n]); err == nil {
			t.Errorf("cut at %d: got %+v", n, got)
		}
	}
	if got, err := readAPReq(authenticator); err == nil {
		t.Errorf("an authenticator: got %+v", got)
	}
	reply := bytes.Replace(request, []byte{0xa1, 3, 2, 1, 14}, []byte{0xa1, 3, 2, 1, 15}, 1)
	if got, err := readAPReq(reply); err == nil {
		t.Errorf("a message of another type: got %+v", got)
	}
}

// TestAPRep: the library reads the answer that is written here.
func TestAPRep(t *testing.T) {
	at := noon.Add(17 * time.Second)
	plain, err := writeEncAPRepPart(at, 123456, 1<<30-1)
	if err != nil {
		t.Fatal(err)
	}
	var part messages.EncAPRepPart
	if err := part.Unmarshal(plain); err != nil || !part.CTime.Equal(at) || part.Cusec != 123456 || part.SequenceNumber != 1<<30-1 || part.Subkey.KeyValue != nil {
		t.Errorf("got %+v, %v", part, err)
	}
	raw, err := writeAPRep(types.EncryptedData{EType: etypeAES256SHA1, Cipher: []byte("sealed")})
	if err != nil {
		t.Fatal(err)
	}
	var answer messages.APRep
	if err := answer.Unmarshal(raw); err != nil || answer.PVNO != 5 || answer.EncPart.EType != etypeAES256SHA1 || string(answer.EncPart.Cipher) != "sealed" {
		t.Errorf("got %+v, %v", answer, err)
	}
}
