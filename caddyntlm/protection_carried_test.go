package caddyntlm

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/spnego"
)

// twoDoors serves a door that asks a connection for nothing, and under /strict one
// that requires a binding; under /inner the second stands inside the first.
func twoDoors(t *testing.T, meant identity.Meant) (d *door, right [16]byte) {
	t.Helper()
	d = prepareDoor(t, func(d *door) {
		d.ExtendedProtection, d.dir.meant = protectionOff, meant
		d.dir.tickets = &fakeTickets{directory: d.dir}
	})
	d.beside(&Handler{ExtendedProtection: protectionRequire, AcceptBinding: []string{strings.Repeat("11", 32)}})
	return d, ntlm.EndPointBindingOf([]byte(strings.Repeat("\x11", 32)))
}

// beside serves the door, a stricter one of the same directory under /strict, and
// under /inner that within the first.
func (d *door) beside(strict *Handler) {
	d.t.Helper()
	strict.InsecureBasic, strict.log, strict.now, strict.server = true, d.log, d.now, new(caddyhttp.Server)
	if err := strict.settle([]directory{d.dir}); err != nil {
		d.t.Fatal(err)
	}
	outer := d.handler()
	d.inner = []caddyhttp.MiddlewareHandler{strict}
	nested := d.handler()
	alone := (&door{Handler: strict, t: d.t, dir: d.dir}).handler()
	d.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/strict":
			alone.ServeHTTP(w, r)
		case "/inner":
			nested.ServeHTTP(w, r)
		default:
			outer.ServeHTTP(w, r)
		}
	}))
}

// at sends a request for a path.
func (c *client) at(path string, headers ...string) answer {
	c.t.Helper()
	c.send("GET", path, "", headers...)
	return c.receive("GET")
}

// TestProtectionIsCarried: threats B-13. Who has logged in where less is asked is held
// to what is asked here, by what was said then: on the same connection, in the middle
// of a handshake, and within another windows_auth.
func TestProtectionIsCarried(t *testing.T) {
	_, right := twoDoors(t, identity.Meant{})
	wrong := [16]byte{3}
	for name, c := range map[string]struct {
		meant identity.Meant
		want  int
	}{
		"says nothing":     {identity.Meant{}, 401},
		"meant for others": {identity.Meant{Binding: &wrong}, 401},
		"bound":            {identity.Meant{Binding: &right}, 200},
	} {
		t.Run(name, func(t *testing.T) {
			d, _ := twoDoors(t, c.meant)
			client := d.dial(t)
			client.login("alice", "secret-a").wantUser(t, "alice")
			for _, path := range []string{"/strict", "/inner"} {
				if got := client.at(path); got.StatusCode != c.want {
					t.Errorf("%s after a log-in elsewhere: got %d %q, want %d", path, got.StatusCode, got.text, c.want)
				}
				client.at("/").wantUser(t, "alice")
			}
			if got := client.at("/inner", negotiate(ticketOf("alice"))); got.StatusCode != c.want {
				t.Errorf("a ticket through the outer door: got %d %q, want %d", got.StatusCode, got.text, c.want)
			}
			client = d.dial(t)
			if got := client.at("/strict", type3(client.get(type1()).challenge(), "alice", "secret-a")); got.StatusCode != 401 {
				t.Errorf("a handshake begun elsewhere: got %d %q, want 401", got.StatusCode, got.text)
			}
			client = d.dial(t)
			if got := client.at("/strict", basic("alice", "secret-a")); got.StatusCode != 200 {
				t.Errorf("Basic: got %d, want 200", got.StatusCode)
			}
			if got := client.at("/inner", basic("alice", "secret-a")); got.StatusCode != 200 {
				t.Errorf("Basic through the outer door: got %d, want 200", got.StatusCode)
			}
		})
	}
}

// TestProtectionOfOwedMIC: a ticket that was taken where less is asked opens nothing
// else when its client has signed the list of mechanisms: neither where that comes in,
// nor within another windows_auth.
func TestProtectionOfOwedMIC(t *testing.T) {
	wrong := [16]byte{3}
	for path, want := range map[string]int{"/": 200, "/strict": 401, "/inner": 401} {
		d, _ := twoDoors(t, identity.Meant{Binding: &wrong})
		c := d.dial(t)
		list := spnego.NewMechTypeList(spnego.NegoEx, spnego.Kerberos)
		c.get(negotiate(opening(t, []byte("x"), spnego.NegoEx, spnego.Kerberos))).resp(t, 401, spnego.RequestMIC)
		c.get(negotiate(going(t, ticketOf("alice"))))
		raw, err := (&spnego.NegTokenResp{MechListMIC: append([]byte("mic of "), list.DER()...)}).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if got := c.at(path, negotiate(raw)); got.StatusCode != want {
			t.Errorf("%s: got %d %q, want %d", path, got.StatusCode, got.text, want)
		}
	}
}
