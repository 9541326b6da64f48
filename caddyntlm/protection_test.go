package caddyntlm

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddytls"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// TestProtection: what a log-in is held to, by the words, and by where TLS ends.
func TestProtection(t *testing.T) {
	server := httptest.NewTLSServer(nil)
	server.Close()
	pair := server.TLS.Certificates[0]
	own, named := ntlm.EndPointBinding(server.Certificate()), ntlm.EndPointBindingOf([]byte(strings.Repeat("\x11", 32)))
	text := strings.Repeat("11:", 31) + "11"
	for name, c := range map[string]struct {
		change       func(*Handler)
		plain, proxy bool
		off          bool
		required     bool
		bindings     [][16]byte
		targets      []string
	}{
		"by default":         {bindings: [][16]byte{own}},
		"off":                {change: func(h *Handler) { h.ExtendedProtection = protectionOff }, off: true},
		"require":            {change: func(h *Handler) { h.ExtendedProtection = protectionRequire }, required: true, bindings: [][16]byte{own}},
		"a name of the site": {change: func(h *Handler) { h.AcceptTarget = []string{"web.example.com"} }, bindings: [][16]byte{own}, targets: []string{"web.example.com"}},
		"one more":           {change: func(h *Handler) { h.AcceptBinding = []string{text} }, bindings: [][16]byte{own, named}},
		"a trusted proxy":    {change: func(h *Handler) { h.AcceptBinding = []string{text} }, proxy: true, bindings: [][16]byte{named}},
		"plain":              {change: func(h *Handler) { h.AcceptBinding = []string{text} }, plain: true, bindings: [][16]byte{named}},
		"plain, no word":     {plain: true},
	} {
		t.Run(name, func(t *testing.T) {
			d := prepareDoor(t, func(d *door) {
				if c.change != nil {
					c.change(d.Handler)
				}
				d.Handler.server = &caddyhttp.Server{TLSConnPolicies: caddytls.ConnectionPolicies{{TLSConfig: &tls.Config{
					GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &pair, nil },
				}}}}
			})
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			if !c.plain {
				r.TLS = &tls.ConnectionState{ServerName: "web.example.com"}
			}
			r = r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, map[string]any{caddyhttp.TrustedProxyVarKey: c.proxy}))
			got := (&visit{door: d.Handler, r: r}).channel()
			if c.off {
				if got != nil {
					t.Errorf("got %+v, want none", got)
				}
				return
			}
			if got == nil || got.Required != c.required || !slices.Equal(got.Bindings, c.bindings) || !slices.Equal(got.Targets, c.targets) {
				t.Errorf("got %+v, want %x", got, c.bindings)
			}
		})
	}
}

// TestProtectionReaches: both verifiers are told of the channel.
func TestProtectionReaches(t *testing.T) {
	d := newTicketDoor(t, func(d *door) {
		d.ExtendedProtection, d.AcceptTarget = protectionRequire, []string{"web.example.com"}
		d.dir.meant.Target = "HTTP/web.example.com"
	})
	c := d.dial(t)
	c.get(negotiate(ticketOf("alice"))).wantUser(t, "alice")
	c.login("bob", "secret-b").wantUser(t, "bob")
	for name, got := range map[string]bool{
		"ticket": d.dir.tickets.lastChannel != nil && d.dir.tickets.lastChannel.Required,
		"NTLM":   d.dir.lastChannel != nil && d.dir.lastChannel.Required,
	} {
		if !got {
			t.Errorf("%s: the verifier is not told", name)
		}
	}
}

func TestParseBinding(t *testing.T) {
	for text, ok := range map[string]bool{
		strings.Repeat("ab", 32): true, strings.Repeat("AB:", 47) + "AB": true, strings.Repeat("ab", 64): true, strings.Repeat("ab", 16): true,
		"": false, "ab": false, strings.Repeat("ab", 20): false, strings.Repeat("xy", 32): false,
	} {
		if _, err := ParseBinding(text); (err == nil) != ok {
			t.Errorf("%s: got %v", text, err)
		}
	}
	if got, _ := ParseBinding("000102030405060708090a0b0c0d0e0f"); got[15] != 15 {
		t.Errorf("got %x", got)
	}
}

// TestProtectionRefused: words that contradict each other, and those that are none.
func TestProtectionRefused(t *testing.T) {
	for name, change := range map[string]func(*Handler){
		"word":    func(h *Handler) { h.ExtendedProtection = "strict" },
		"binding": func(h *Handler) { h.AcceptBinding = []string{"beef"} },
		"target":  func(h *Handler) { h.AcceptTarget = []string{"HTTP/web.example.com"} },
		"off and binding": func(h *Handler) {
			h.ExtendedProtection, h.AcceptBinding = protectionOff, []string{strings.Repeat("11", 32)}
		},
		"off and target": func(h *Handler) { h.ExtendedProtection, h.AcceptTarget = protectionOff, []string{"web.example.com"} },
	} {
		h := &Handler{InsecureBasic: true}
		change(h)
		if err := h.settle([]directory{newFakeDirectory("EXAMPLE")}); err == nil || !strings.Contains(err.Error(), "_") {
			t.Errorf("%s: got %v, want an error that names the word", name, err)
		}
	}
}
