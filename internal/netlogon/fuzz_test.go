package netlogon

import (
	"bytes"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/dcerpc"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ndr"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// FuzzValidation: whatever a controller answers to a log-in, nothing panics, a yes
// is somebody, and no more groups come than bytes can hold.
func FuzzValidation(f *testing.F) {
	for _, level := range []uint16{2, 3, 6} {
		f.Add(recorded()["NetrLogonSamLogonEx "+string('0'+rune(level))].answer, level)
	}
	f.Fuzz(func(t *testing.T, answer []byte, level uint16) {
		v, err := decodeLogon(ndr.NewReader(answer), level)
		if (v == nil) == (err == nil) {
			t.Fatalf("got %v, %v", v, err)
		}
		if err != nil {
			return
		}
		if 8*(len(v.GroupIDs)+len(v.ExtraSIDs)) > len(answer) {
			t.Errorf("%d groups in %d bytes", len(v.GroupIDs)+len(v.ExtraSIDs), len(answer))
		}
		if v.check() == nil && (v.SID().IsZero() || v.EffectiveName == "" || v.SID().IsNobody()) {
			t.Errorf("a yes to %v", v)
		}
		v.Groups()
	})
}

// FuzzUnseal: nothing but what the other end sealed is opened.
func FuzzUnseal(f *testing.F) {
	key := ntlm.Key(unhex(sambaKey))
	sealed := unhex(sambaPlain)
	signature := (&peer{sealer: newSealer(key, nil)}).seal(sealed, dcerpc.Around{})
	f.Add(sealed, signature)
	f.Add(sealed[:20], signature)
	f.Add(unhex(sambaSealed), make([]byte, signatureLen))
	f.Fuzz(func(t *testing.T, data, by []byte) {
		same := bytes.Equal(data, sealed) && len(by) >= signatureEnd && len(by) <= signatureLen && bytes.Equal(by[:signatureEnd], signature[:signatureEnd])
		if plain, err := newSealer(key, nil).Unseal(bytes.Clone(data), dcerpc.Around{}, by); (err == nil) != same {
			t.Errorf("got %x, %v", plain, err)
		}
	})
}

// FuzzToken: whatever comes with the bind's answer, nothing panics.
func FuzzToken(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, token []byte) {
		if err := new(provider).Accept(token); err == nil && (len(token) < 8 || token[0] != tokenResponse) {
			t.Errorf("accepted %x", token)
		}
	})
}
