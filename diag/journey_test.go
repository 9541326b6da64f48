package diag

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// follow takes a request through a server's JSON and lists the rules that it
// meets, by their bodies, and what was assumed.
func follow(t *testing.T, text, target string) (met, assumed []string) {
	t.Helper()
	var s server
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	defer cancel()
	j := newJourney(ctx, s, "", u)
	j.assume = func(what string) { assumed = append(assumed, what) }
	j.meet = func(_ string, raw json.RawMessage) (bool, error) {
		var h struct {
			Rule struct {
				Group []string `json:"group"`
			} `json:"rule"`
		}
		err := json.Unmarshal(raw, &h)
		met = append(met, h.Rule.Group...)
		return false, err
	}
	if _, err := j.walk(s.Routes); err != nil {
		t.Fatal(err)
	}
	return met, assumed
}

// TestJourney: which rules a request meets, as Caddy's routes have it.
func TestJourney(t *testing.T) {
	const rule = `{"handler": "require", "rule": {"group": ["%"]}}`
	require := func(name string) string { return strings.ReplaceAll(rule, "%", name) }
	for name, c := range map[string]struct {
		routes, target string
		want           string
		assumed        string
	}{
		"a path":          {`{"match": [{"path": ["/hr/*"]}], "handle": [` + require("HR") + `]}, {"handle": [` + require("All") + `]}`, "//a/hr/x", "HR All", ""},
		"another path":    {`{"match": [{"path": ["/hr/*"]}], "handle": [` + require("HR") + `]}, {"handle": [` + require("All") + `]}`, "//a/", "All", ""},
		"not":             {`{"match": [{"not": [{"path": ["/hr/*"]}]}], "handle": [` + require("HR") + `]}`, "//a/x", "HR", ""},
		"not, and is":     {`{"match": [{"not": [{"path": ["/hr/*"]}]}], "handle": [` + require("HR") + `]}`, "//a/hr/x", "", ""},
		"a host":          {`{"match": [{"host": ["a.example.com"]}], "handle": [` + require("A") + `]}`, "//b.example.com/", "", ""},
		"a group":         {`{"group": "g", "match": [{"path": ["/x"]}], "handle": [` + require("X") + `]}, {"group": "g", "handle": [` + require("Y") + `]}`, "//a/x", "X", ""},
		"terminal":        {`{"handle": [` + require("X") + `], "terminal": true}, {"handle": [` + require("Y") + `]}`, "//a/", "X", ""},
		"an answer":       {`{"handle": [` + require("X") + `, {"handler": "static_response"}]}, {"handle": [` + require("Y") + `]}`, "//a/", "X", ""},
		"files pass":      {`{"handle": [{"handler": "file_server", "pass_thru": true}, ` + require("X") + `]}`, "//a/", "X", ""},
		"subroute":        {`{"handle": [{"handler": "subroute", "routes": [{"handle": [` + require("X") + `]}]}, ` + require("Y") + `]}`, "//a/", "X Y", ""},
		"invoke":          {`{"handle": [{"handler": "invoke", "name": "n"}]}`, "//a/", "Named", ""},
		"rewrite":         {`{"handle": [{"handler": "rewrite", "strip_path_prefix": "/a"}]}, {"match": [{"path": ["/b"]}], "handle": [` + require("B") + `]}`, "//a/a/b", "B", ""},
		"rewrite by host": {`{"handle": [{"handler": "rewrite", "uri": "/{http.request.host}"}]}, {"match": [{"path": ["/a"]}], "handle": [` + require("B") + `]}`, "//a/x", "B", ""},
		"rewrite unknown": {`{"handle": [{"handler": "rewrite", "uri": "/{http.vars.x}"}]}, {"match": [{"path": ["/x"]}], "handle": [` + require("B") + `]}`, "//a/x", "B", "rewrite"},
		"to a rule":       {`{"match": [{"header": {"A": ["b"]}}], "handle": [` + require("X") + `]}`, "//a/", "X", "header fits, before a route with a rule"},
		"to none":         {`{"group": "g", "match": [{"header": {"A": ["b"]}}], "handle": [{"handler": "static_response"}]}, {"group": "g", "handle": [` + require("X") + `]}`, "//a/", "X", "header does not fit, before a route without a rule"},
		"known and not":   {`{"match": [{"header": {"A": ["b"]}, "path": ["/y"]}], "handle": [` + require("X") + `]}`, "//a/", "", ""},
		"one of two":      {`{"match": [{"remote_ip": {"ranges": ["192.0.2.1"]}}, {"path": ["/"]}], "handle": [` + require("X") + `]}`, "//a/", "X", ""},
		"a placeholder":   {`{"match": [{"path": ["{http.vars.x}"]}], "handle": [` + require("X") + `]}`, "//a/", "X", "path fits"},
		"no scheme":       {`{"match": [{"protocol": "https"}], "handle": [` + require("X") + `]}`, "//a/", "X", "protocol fits"},
		"https":           {`{"match": [{"protocol": "https"}], "handle": [` + require("X") + `]}`, "https://a/", "X", ""},
		"http":            {`{"match": [{"protocol": "https"}], "handle": [` + require("X") + `]}`, "http://a/", "", ""},
		"a guest handler": {`{"handle": [{"handler": "rate_limit"}, ` + require("X") + `]}`, "//a/", "X", "the handler rate_limit lets the request pass"},
		"forward_auth":    {`{"handle": [{"handler": "reverse_proxy", "handle_response": [{"match": {"status_code": [2]}, "routes": [{"handle": [{"handler": "vars"}]}]}]}, ` + require("X") + `]}`, "//a/", "X", "the server that forward_auth asks first lets the request pass"},
		"x-accel":         {`{"handle": [{"handler": "reverse_proxy", "handle_response": [{"match": {"status_code": [2]}, "routes": [{"handle": [{"handler": "file_server"}]}]}]}, ` + require("X") + `]}`, "//a/", "", ""},
		"a query":         {`{"match": [{"query": {"a": ["b"]}}], "handle": [` + require("X") + `]}`, "//a/?a=b", "X", ""},
		"users":           {`{"match": [{"windows_user": {"names": ["bob"]}}], "handle": [` + require("X") + `]}`, "//a/", "X", "windows_user fits"},
	} {
		t.Run(name, func(t *testing.T) {
			met, assumed := follow(t, `{"routes": [`+c.routes+`], "named_routes": {"n": {"handle": [`+require("Named")+`]}}}`, c.target)
			if !slices.Equal(met, strings.Fields(c.want)) {
				t.Errorf("got %v, want %s", met, c.want)
			}
			if all := strings.Join(assumed, "; "); (all == "") != (c.assumed == "") || !strings.Contains(all, c.assumed) {
				t.Errorf("assumed %q, want %q", all, c.assumed)
			}
		})
	}
}

// TestChooseServer: by the port, else the server that has rules, else the one of
// the scheme's port.
func TestChooseServer(t *testing.T) {
	const document = `{"apps": {"http": {"servers": {
		"plain": {"listen": [":80"], "routes": [{"match": [{"host": ["a.example.com"]}], "handle": [{"handler": "static_response"}]}]},
		"secure": {"listen": [":443"], "routes": [{"match": [{"host": ["a.example.com", "b.example.com"]}], "handle": [{"handler": "require", "rule": {"valid_user": true}}]}]},
		"spoken": {"listen": [":80"], "routes": [{"match": [{"host": ["d.example.com"]}], "handle": [{"handler": "require", "rule": {"valid_user": true}}]}]},
		"silent": {"listen": [":443"], "routes": [{"match": [{"host": ["d.example.com"]}], "handle": [{"handler": "static_response"}]}]},
		"other": {"listen": [":8443"], "routes": [{"match": [{"host": ["b.example.com"]}], "handle": [{"handler": "require", "rule": {"valid_user": true}}]}]}
	}}}}`
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	defer cancel()
	for target, want := range map[string]string{
		"//a.example.com": "secure", "//a.example.com:80": "plain", "//b.example.com": "secure", "//b.example.com:8443": "other",
		"//c.example.com": "", "//a.example.com:8443": "", "//B.EXAMPLE.com:8443": "other",
		"//d.example.com": "spoken", "https://d.example.com": "silent", "http://d.example.com": "spoken",
	} {
		u, err := url.Parse(target)
		if err != nil {
			t.Fatal(err)
		}
		s, err := siteOf(ctx, []byte(document), u)
		if err != nil && want != "" || err == nil && s.name != want {
			t.Errorf("%s: got %+v, %v, want %q", target, s, err, want)
		}
	}
}
