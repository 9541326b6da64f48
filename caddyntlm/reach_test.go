package caddyntlm

import (
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/encode"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// A require that no windows_auth can come before is refused when the
// configuration loads, and only where that is certain.
func TestRequireIsReached(t *testing.T) {
	const (
		door    = `{"handler": "test_door", "insecure_basic": true}`
		require = `{"handler": "require", "rule": {"group": ["HR"]}}`
		hello   = `{"handler": "static_response", "body": "hello"}`
		other   = `{"match": [{"host": ["other.example.com"]}], "terminal": true, "handle": [{"handler": "subroute", "routes": [{"handle": [` + door + `]}]}]}, `
		host    = `{"match": [{"host": ["hr.example.com"]}], "terminal": true, "handle": `
		proxy   = `{"handler": "reverse_proxy", "upstreams": [{"dial": "127.0.0.1:9"}]`
		site    = "the site hr.example.com"
	)
	for _, c := range []struct{ name, server, routes, want string }{
		{"none", "", `{"handle": [` + require + `, ` + hello + `]}`, "this site"},
		{"after a header", "", `{"handle": [{"handler": "headers"}]}, {"handle": [` + require + `]}`, "this site"},
		{"only on another site", "", other + host + `[{"handler": "subroute", "routes": [{"handle": [` + require + `, ` + hello + `]}]}]}`, site},
		{"in a part of a site", "", host + `[{"handler": "subroute", "routes": [{"handle": [{"handler": "encode"}]}, {"match": [{"path": ["/hr"]}],
			"handle": [{"handler": "subroute", "routes": [{"handle": [` + require + `]}]}]}]}, ` + proxy + `}]}`, site},
		{"before it", "", `{"handle": [` + door + `, ` + require + `]}`, ""},
		{"in a route before", "", `{"handle": [` + door + `]}, {"handle": [` + require + `]}`, ""},
		{"deeper, in a route before", "", `{"handle": [{"handler": "subroute", "routes": [{"handle": [` + door + `]}]}]}, {"handle": [` + require + `]}`, ""},
		{"on the site", "", host + `[{"handler": "subroute", "routes": [{"handle": [` + door + `]}, {"handle": [` + require + `]}]}]}`, ""},
		{"in what a proxy may hold", "", `{"handle": [` + proxy + `, "handle_response": [{"routes": [{"handle": [` + door + `]}]}]}]}, {"handle": [` + require + `]}`, ""},
		{"by a plugin", "", `{"handle": [{"handler": "test_tell_name"}]}, {"handle": [` + require + `]}`, ""},
		{"invoked", `"named_routes": {"door": {"handle": [` + door + `]}},`, `{"handle": [{"handler": "invoke", "name": "door"}, ` + require + `]}`, ""},
		{"in a named route", `"named_routes": {"hr": {"handle": [` + require + `]}},`, `{"handle": [` + door + `, {"handler": "invoke", "name": "hr"}]}`, ""},
		{"on an error page", `"errors": {"routes": [{"handle": [` + require + `]}]},`, `{"handle": [` + hello + `]}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var config caddy.Config
			if err := caddy.StrictUnmarshalJSON(routesConfig(t, c.server, c.routes), &config); err != nil {
				t.Fatal(err)
			}
			err := caddy.Validate(&config)
			if c.want == "" && err != nil {
				t.Errorf("got %v, want no error", err)
			}
			if want := "require group HR: no windows_auth comes before it on " + c.want + ","; c.want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("got %v, want %q in it", err, want)
			}
		})
	}
}
