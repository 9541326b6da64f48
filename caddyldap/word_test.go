package caddyldap

import (
	"net"
	"strings"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// wordless is a connection to a server that knows no Who am I, RFC 4532: each
// question is answered with protocolError.
func wordless(t *testing.T, sv *server) *conn {
	t.Helper()
	return refusing(t, sv, 24, 2)
}

// refusing is a connection to a server that ends each question with a response of
// this kind (the application tag, RFC 4511 4.1.1) and this result, and nothing else.
func refusing(t *testing.T, sv *server, response ber.Tag, code int64) *conn {
	t.Helper()
	ours, theirs := net.Pipe()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			question, err := ber.ReadPacket(theirs)
			if err != nil {
				return
			}
			answer := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
			answer.AppendChild(question.Children[0]) // its message ID
			result := ber.Encode(ber.ClassApplication, ber.TypeConstructed, response, nil, "")
			result.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, code, ""))
			for range 2 {
				result.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "", ""))
			}
			answer.AppendChild(result)
			if _, err := theirs.Write(answer.Bytes()); err != nil {
				return
			}
		}
	}()
	c := &conn{server: sv, raw: ours, top: ours, request: 5 * time.Second}
	c.open()
	t.Cleanup(func() {
		c.close()
		_ = theirs.Close()
		<-ended
	})
	return c
}

// TestRelayNeedsTheControllersWord: where the controller does not say whom it
// let in by NTLM, the name in the client's message says nothing.
func TestRelayNeedsTheControllersWord(t *testing.T) {
	d, _ := open(t, &Directory{Server: []Server{{URL: "ldaps://127.0.0.1"}}}, "EXAMPLE")
	w := &witness{directory: d, conn: wordless(t, d.servers.list[0])}
	e, err := w.fromWhoAmI(t.Context(), identity.Name{User: "alice"}, nameRelay)
	if e != nil || identity.KindOf(err) != identity.KindMismatch {
		t.Errorf("got %v, %v, want %v", e, err, identity.KindMismatch)
	}
}

// TestRefreshSeesStanding: D-07, D-09. What became of an account since its
// owner logged in decides, also while the connection lives on.
func TestRefreshSeesStanding(t *testing.T) {
	for magic, want := range map[demodir.Magic]identity.Kind{
		demodir.None: 0, demodir.Disabled: identity.KindDisabled, demodir.Locked: identity.KindLocked, demodir.Expired: identity.KindAccountExpired,
		demodir.MustChange: identity.KindMustChange, demodir.PasswordExpired: identity.KindPasswordExpired,
	} {
		first := startDemo(t, nil)
		d, _ := open(t, demoDirectory(first), "EXAMPLE")
		id, err := logInNTLM(t, d, &ntlm.Client{User: "alice", Password: "Secr3t-alice"})
		if err != nil {
			t.Fatal(err)
		}
		_ = first.Close()
		startDemo(t, func(c *demodir.Config) { // the same accounts, the same SIDs
			c.Addr = strings.TrimPrefix(first.LDAPS(), "ldaps://")
			c.Users[0].Magic = magic
		})
		fresh, err := d.Refresh(t.Context(), id)
		if (want == 0) != (err == nil) || err != nil && identity.KindOf(err) != want {
			t.Errorf("magic %d: got %v, want %v", magic, err, want)
		}
		if want == 0 && fresh.SID != id.SID {
			t.Errorf("got %s, want %s", fresh.SID, id.SID)
		}
	}
}
