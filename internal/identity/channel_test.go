package identity

import (
	"strings"
	"testing"
)

// TestChannel: threats B-13 and C-11. What a client says of where it logs in is held
// to what is known, and what is required must be said.
func TestChannel(t *testing.T) {
	right, renewed, wrong := [16]byte{1}, [16]byte{2}, [16]byte{3}
	certificates := [][16]byte{right, renewed}
	sites := []string{"intranet.example.com", "www.example.com"}
	for name, c := range map[string]struct {
		channel *Channel
		meant   Meant
		hint    string // of a refusal, "" for success
	}{
		"off":                            {nil, Meant{Binding: &wrong, Target: "HTTP/evil.example.org"}, ""},
		"allow: nothing said":            {&Channel{Bindings: certificates, Targets: sites}, Meant{}, ""},
		"allow: the right one":           {&Channel{Bindings: certificates}, Meant{Binding: &right}, ""},
		"allow: the renewed one":         {&Channel{Bindings: certificates}, Meant{Binding: &renewed}, ""},
		"allow: another":                 {&Channel{Bindings: certificates}, Meant{Binding: &wrong}, hintBound},
		"allow: another, right target":   {&Channel{Bindings: certificates, Targets: sites}, Meant{Binding: &wrong, Target: "HTTP/www.example.com"}, hintBound},
		"allow: nothing is known":        {&Channel{}, Meant{Binding: &wrong, Target: "HTTP/evil.example.org"}, ""},
		"allow: none of ours is known":   {&Channel{TLS: true}, Meant{Binding: &wrong}, hintBound},
		"require: none of ours is known": {&Channel{TLS: true, Required: true, Targets: sites}, Meant{Target: "HTTP/www.example.com"}, hintUnbound},
		"allow: the right target":        {&Channel{Targets: sites}, Meant{Target: "http/WWW.example.com"}, ""},
		"allow: with a port":             {&Channel{Targets: sites}, Meant{Target: "HTTP/www.example.com:8080"}, ""},
		"allow: another target":          {&Channel{Targets: sites}, Meant{Target: "HTTP/evil.example.org"}, hintTarget},
		"allow: another service":         {&Channel{Targets: sites}, Meant{Target: "cifs/www.example.com"}, hintTarget},
		"allow: no name":                 {&Channel{Targets: sites}, Meant{Target: "www.example.com"}, hintTarget},
		"require: the right one":         {&Channel{Required: true, Bindings: certificates}, Meant{Binding: &right}, ""},
		"require: whatever the target":   {&Channel{Required: true, Bindings: certificates, Targets: sites}, Meant{Binding: &right, Target: "HTTP/alias.example.com"}, ""},
		"require: another":               {&Channel{Required: true, Bindings: certificates}, Meant{Binding: &wrong}, hintBound},
		"require: none":                  {&Channel{Required: true, Bindings: certificates}, Meant{}, hintUnbound},
		"require: none, but a target":    {&Channel{Required: true, Bindings: certificates, Targets: sites}, Meant{Target: "HTTP/www.example.com"}, hintUnbound},
		"require: renewed a moment ago":  {&Channel{Required: true, Bindings: certificates, Again: func() [][16]byte { return [][16]byte{wrong} }}, Meant{Binding: &wrong}, ""},
		"require: renewed, another":      {&Channel{Required: true, Bindings: certificates[1:], Again: func() [][16]byte { return certificates }}, Meant{Binding: &wrong}, hintBound},
		"require: plain, right target":   {&Channel{Required: true, Targets: sites}, Meant{Target: "HTTP/www.example.com"}, ""},
		"require: plain, no target":      {&Channel{Required: true, Targets: sites}, Meant{}, hintNoTarget},
		"require: plain, another":        {&Channel{Required: true, Targets: sites}, Meant{Binding: &right, Target: "HTTP/evil.example.org"}, hintTarget},
		"require: nothing is known":      {&Channel{Required: true}, Meant{Binding: &right, Target: "HTTP/www.example.com"}, hintNoNames},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.channel.Check(c.meant)
			if c.hint == "" {
				if err != nil {
					t.Errorf("got %v, want success", err)
				}
				return
			}
			e, ok := err.(*Error)
			if !ok || e.Kind != KindProtection || e.Hint != c.hint {
				t.Errorf("got %v, want %v with the hint %q", err, KindProtection, c.hint)
			}
			if c.hint == hintBound && len(c.channel.Bindings) > 0 && (!strings.Contains(err.Error(), "03000000") || !strings.Contains(err.Error(), "01000000")) {
				t.Errorf("got %v, want both bindings in it", err)
			}
		})
	}
}
