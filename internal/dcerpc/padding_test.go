package dcerpc

import (
	"bytes"
	"testing"
)

// TestPadding: nobody on the way takes bytes off an answer by the length of its padding,
// which nothing protects: it is never more than what fills it up.
func TestPadding(t *testing.T) {
	for padding, ok := range map[uint8]bool{0: true, 15: true, 16: false, 40: false} {
		sealed, signature, _ := new(mask).Seal(bytes.Repeat([]byte("s"), 48), Around{})
		p := &pdu{body: sealed, auth: &authTrailer{security: 99, level: levelPrivacy, padding: padding, contextID: authContextID, value: signature}}
		if plain, err := (&Conn{security: new(mask)}).open(p, 0); (err == nil) != ok || ok && len(plain) != 48-int(padding) {
			t.Errorf("%d: got %q, %v", padding, plain, err)
		}
	}
}
