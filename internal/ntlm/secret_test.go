package ntlm

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestUpcase(t *testing.T) {
	for _, c := range []struct{ in, want rune }{
		{'a', 'A'}, {'Z', 'Z'}, {'ö', 'Ö'}, {'ÿ', 'Ÿ'}, {'ß', 'ß'}, {'ł', 'Ł'}, {'я', 'Я'}, {'ω', 'Ω'},
		{'ı', 'ı'}, {'ſ', 'ſ'}, {'ა', 'ა'}, {'ꭰ', 'ꭰ'}, {'𐐨', '𐐨'}, {'世', '世'},
	} {
		if got := upcase(c.in); got != c.want {
			t.Errorf("%c: got %c, want %c", c.in, got, c.want)
		}
	}
}

func TestRedaction(t *testing.T) {
	const secret = "hunter2"
	key := NTOWFv1(secret)
	c := testClient()
	c.Password = secret
	accepted, err := logOn(t, testClient(), testServer(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{key, &key, c, *c, accepted, *accepted, accepted.Message, *accepted.Message,
		accepted.Response, *accepted.Response, struct{ K Key }{key}, struct{ C Client }{*c}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
			s := fmt.Sprintf(verb, v)
			for _, leak := range []string{secret, fmt.Sprintf("%x", key[:]), fmt.Sprint(key[:]),
				fmt.Sprintf("%x", accepted.SessionKey[:]), fmt.Sprint(accepted.Response.NTProofStr[:])} {
				if strings.Contains(s, strings.Trim(leak, "[]")) {
					t.Errorf("%s of %T tells a secret: %s", verb, v, s)
				}
			}
		}
	}
	if b, err := json.Marshal(key); err != nil || string(b) != `"[redacted]"` {
		t.Errorf("JSON: got %s, %v", b, err)
	}
}

func TestChannel(t *testing.T) {
	for _, f := range []Flags{
		NegotiateExtendedSessionSecurity,
		NegotiateExtendedSessionSecurity | Negotiate56,
		NegotiateExtendedSessionSecurity | Negotiate128 | NegotiateKeyExch,
	} {
		out, in := mustChannel(t, f, specSessionKey), mustChannel(t, f, specSessionKey)
		for _, msg := range []string{"one", "", "three"} {
			sig := out.Sign([]byte(msg))
			if err := in.Verify([]byte(msg), sig[:]); err != nil {
				t.Errorf("%v: %q: got %v", f, msg, err)
			}
		}
		sig := out.Sign([]byte("four"))
		if err := in.Verify([]byte("five"), sig[:]); !errors.Is(err, ErrSignature) {
			t.Errorf("%v: another message: got %v, want ErrSignature", f, err)
		}
	}
	if _, err := NewChannel(NegotiateSign, specSessionKey, ServerToClient); err == nil {
		t.Error("no extended session security: got a channel")
	}
	if SignKey(specSessionKey, ClientToServer) == SignKey(specSessionKey, ServerToClient) {
		t.Error("both directions sign with one key")
	}
}
