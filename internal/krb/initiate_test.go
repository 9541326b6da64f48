package krb

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/asn1tools"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/asnAppTag"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/msgtype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

func key(t testing.TB, fill byte) types.EncryptionKey {
	t.Helper()
	return types.EncryptionKey{KeyType: etypeID.AES256_CTS_HMAC_SHA1_96, KeyValue: bytes.Repeat([]byte{fill}, 32)}
}

// answerOf makes an AP-REP as a service with the key would, RFC 4120 5.5.2.
func answerOf(t testing.TB, k types.EncryptionKey, at time.Time, cusec int) []byte {
	t.Helper()
	plain, err := asn1.Marshal(messages.EncAPRepPart{CTime: at, Cusec: cusec})
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := crypto.GetEncryptedData(asn1tools.AddASNAppTag(plain, asnAppTag.EncAPRepPart), k, keyusage.AP_REP_ENCPART, 1)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := asn1.Marshal(messages.APRep{PVNO: 5, MsgType: msgtype.KRB_AP_REP, EncPart: sealed})
	if err != nil {
		t.Fatal(err)
	}
	return asn1tools.AddASNAppTag(raw, asnAppTag.APREP)
}

func begun(t testing.TB) (*Initiation, time.Time) {
	t.Helper()
	at := time.Date(2026, 11, 25, 9, 30, 0, 0, time.UTC)
	return &Initiation{key: key(t, 1), sent: types.Authenticator{CTime: at, Cusec: 42}}, at
}

// TestFinish: only the holder of the session key, about this very request, is
// believed.
func TestFinish(t *testing.T) {
	i, at := begun(t)
	good := answerOf(t, key(t, 1), at, 42)
	changed := bytes.Clone(good)
	changed[len(changed)-1] ^= 1
	for name, c := range map[string]struct {
		answer []byte
		want   error
	}{
		"framed":          {frame(tokenAPRep, good), nil},
		"bare":            {good, nil},
		"another key":     {frame(tokenAPRep, answerOf(t, key(t, 2), at, 42)), ErrImpostor},
		"another time":    {frame(tokenAPRep, answerOf(t, key(t, 1), at.Add(time.Second), 42)), ErrImpostor},
		"another request": {frame(tokenAPRep, answerOf(t, key(t, 1), at, 43)), ErrImpostor},
		"changed":         {frame(tokenAPRep, changed), ErrImpostor},
		"an AP-REQ":       {frame(tokenAPReq, good), ErrMalformed},
		"cut":             {frame(tokenAPRep, good)[:20], ErrMalformed},
		"longer":          {append(frame(tokenAPRep, good), 0), ErrMalformed},
		"empty":           {nil, ErrMalformed},
		"nothing in it":   {frame(tokenAPRep, nil), ErrMalformed},
		"huge":            {make([]byte, maxToken+1), ErrMalformed},
	} {
		if err := i.Finish(c.answer); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

// TestContextChecksum is the layout of RFC 4121 4.1.1.
func TestContextChecksum(t *testing.T) {
	binding := [16]byte{0xAA, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xBB}
	const want = "10000000" + "aa0102030405060708090a0b0c0d0ebb" + "02000000"
	if got := hex.EncodeToString(contextChecksum(&binding)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	const none = "10000000" + "00000000000000000000000000000000" + "02000000"
	if got := hex.EncodeToString(contextChecksum(nil)); got != none {
		t.Errorf("got %s, want %s", got, none)
	}
}

func TestCredentialRedacted(t *testing.T) {
	c := &Credential{Principal: "svc-web", Password: "Secr3t", Keytab: []byte("Secr3t")}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if text := fmt.Sprintf(format, *c); bytes.Contains([]byte(text), []byte("Secr3t")) {
			t.Errorf("%s shows the secret: %s", format, text)
		}
	}
}

func TestUnusableCredentials(t *testing.T) {
	for name, c := range map[string]*Credential{
		"no keytab":   {Keytab: []byte{}, Realm: "EXAMPLE.TEST"},
		"odd keytab":  {Keytab: []byte{5, 2, 0, 0, 0, 200, 1}, Realm: "EXAMPLE.TEST"},
		"empty table": {Keytab: []byte{5, 2}, Realm: "EXAMPLE.TEST"},
		"odd cache":   {CCache: []byte{5, 4, 0, 12, 0, 1}, Realm: "EXAMPLE.TEST"},
		"no realm":    {Principal: "svc-web", Password: "x"},
		"odd conf":    {Principal: "svc-web", Password: "x", Conf: "[libdefaults]\n default_realm\n"},
	} {
		_, err := c.Initiate(t.Context(), "ldap/dc1.example.test", nil)
		if !errors.Is(err, ErrCredential) && !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v, want %v", name, err, ErrCredential)
		}
	}
}

// TestInitiateIsBounded: the library knows no contexts; the caller need not wait
// for it.
func TestInitiateIsBounded(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	left := errors.New("the caller left")
	cancel(left)
	c := &Credential{Principal: "svc-web", Password: "x", Realm: "EXAMPLE.TEST", KDCs: []string{"127.0.0.1:1"}}
	if _, err := c.Initiate(ctx, "ldap/dc1.example.test", nil); !errors.Is(err, left) && !errors.Is(err, ErrUnreachable) {
		t.Errorf("got %v, want %v", err, left)
	}
	if _, err := c.Initiate(t.Context(), "ldap/dc1.example.test", nil); !errors.Is(err, ErrUnreachable) {
		t.Errorf("got %v, want %v", err, ErrUnreachable)
	}
}

// recorded is one answer of answerOf, which would be another one in each process.
const recorded = "606506092a864886f71201020202006f563054a003020105a10302010fa2483046a003020112a103020101a23a0438f67f354130551ee716c5689d93d819d610a55e0899b3dcd725c7a38ed27f896c021a71552f50bb8199376ed207019a31d5ed87711ca83838"

// FuzzFinish: no answer of a server panics, and none passes that lacks what only
// the holder of the key can write.
func FuzzFinish(f *testing.F) {
	i, _ := begun(f)
	good, err := hex.DecodeString(recorded)
	if err != nil {
		f.Fatal(err)
	}
	if err := i.Finish(good); err != nil {
		f.Fatalf("the recorded answer: %v", err)
	}
	sealed := good[len(good)-56:]
	f.Add(good)
	f.Add(good[17:])
	f.Add([]byte{0x60, 0x84, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, answer []byte) {
		if err := i.Finish(answer); err == nil && !bytes.Contains(answer, sealed) {
			t.Errorf("%x passes", answer)
		}
	})
}
