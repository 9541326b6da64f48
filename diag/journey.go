package diag

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-ntlm/caddy-ntlm/caddyntlm"
)

// The handlers of this module.
const (
	handlerDoor    = "windows_auth"
	handlerRequire = "require"
)

// journey follows a request through the routes of a server, as Caddy does, as far
// as that can be said of a request that nobody has sent.
type journey struct {
	ctx     caddy.Context
	server  server
	request *http.Request
	groups  map[string]bool // groups of routes of which one was taken
	answer  string          // what the handler at the end gives everybody, where that is not 200
	failed  bool            // that one is error

	meet   func(handler string, raw json.RawMessage) (ended bool, err error) // told of our handlers
	member func(matcher string, raw json.RawMessage) (truth, error)          // asked about the matchers of users and groups
	assume func(what string)                                                 // told what was taken for granted
	// told of matchers that were taken to fit, with the route behind them, and of
	// none after it
	presumed func(matchers string)
	pass     func() // told of each route that was taken
}

func newJourney(ctx caddy.Context, s server, method string, target *url.URL) *journey {
	u := *target
	r := &http.Request{Method: method, URL: &u, Host: target.Host, RequestURI: target.RequestURI(), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}}
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	if u.Scheme == "https" {
		r.TLS = new(tls.ConnectionState)
	}
	return &journey{
		ctx: ctx, server: s, groups: make(map[string]bool),
		request:  caddyhttp.PrepareRequest(r.WithContext(ctx), caddy.NewReplacer(), nil, nil),
		member:   func(string, json.RawMessage) (truth, error) { return isOpen, nil },
		assume:   func(string) {},
		presumed: func(string) {},
		pass:     func() {},
	}
}

// walk takes the routes in turn. ended says that nothing behind them is reached.
func (j *journey) walk(routes []caddyhttp.Route) (ended bool, err error) {
	for i := range routes {
		if ended, err := j.take(&routes[i]); ended || err != nil {
			return ended, err
		}
	}
	return false, nil
}

func (j *journey) take(route *caddyhttp.Route) (ended bool, err error) {
	if route.Group != "" && j.groups[route.Group] {
		return false, nil
	}
	fits, unsure, err := j.anySet(route.MatcherSetsRaw)
	if err != nil {
		return false, err
	}
	if fits == isOpen {
		if !j.presume(route, unsure) {
			return false, nil
		}
		j.presumed(strings.Join(unsure, " and ") + " fits")
		defer j.presumed("")
	} else if fits == isNo {
		return false, nil
	}
	if route.Group != "" {
		j.groups[route.Group] = true
	}
	j.pass()
	for _, raw := range route.HandlersRaw {
		if ended, err := j.handle(raw); ended || err != nil {
			return ended, err
		}
	}
	return route.Terminal, nil
}

// presume decides about a route whose matchers nobody can decide: it is taken where
// it leads to a rule, because the rule is what is asked about.
func (j *journey) presume(route *caddyhttp.Route, unsure []string) bool {
	matchers := strings.Join(unsure, " and ")
	for _, raw := range route.HandlersRaw {
		if holdsRule(raw) {
			j.assume(fmt.Sprintf("%s fits, before a route with a rule", matchers))
			return true
		}
	}
	j.assume(fmt.Sprintf("%s does not fit, before a route without a rule", matchers))
	return false
}

func holdsRule(raw json.RawMessage) bool {
	found := false
	_ = caddyntlm.EachHandler(raw, func(handler string, _ []byte) error {
		found = found || handler == handlerDoor || handler == handlerRequire
		return nil
	})
	return found
}

// answering are the handlers behind which nothing is reached.
var answering = map[string]bool{
	"abort": true, "acme_server": true, "error": true, "file_server": true, "metrics": true, "reverse_proxy": true, "static_response": true,
}

// passing are Caddy's handlers that hand every request on.
var passing = map[string]bool{
	"copy_response": true, "copy_response_headers": true, "encode": true, "headers": true, "intercept": true, "log_append": true,
	"map": true, "push": true, "request_body": true, "templates": true, "timeouts": true, "tracing": true, "vars": true,
}

// handle meets one handler.
func (j *journey) handle(raw json.RawMessage) (ended bool, err error) {
	var h struct {
		Handler  string               `json:"handler"`
		Routes   []caddyhttp.Route    `json:"routes"`
		Name     string               `json:"name"`
		PassThru bool                 `json:"pass_thru"`
		Status   caddyhttp.WeakString `json:"status_code"`
		Abort    bool                 `json:"abort"`
	}
	if err := json.Unmarshal(raw, &h); err != nil && h.Handler == "" {
		return false, err
	}
	switch {
	case h.Handler == handlerDoor, h.Handler == handlerRequire:
		return j.meet(h.Handler, raw)
	case h.Handler == "subroute":
		return j.walk(h.Routes)
	case h.Handler == "invoke" && j.server.Named[h.Name] != nil:
		return j.take(j.server.Named[h.Name])
	case h.Handler == "rewrite":
		return false, j.rewrite(raw)
	case h.Handler == "reverse_proxy" && asksFirst(raw):
		j.assume("the server that forward_auth asks first lets the request pass")
		return false, nil
	case answering[h.Handler]:
		if !h.PassThru {
			j.answer, j.failed = answerOf(h.Handler, string(h.Status), h.Abort), h.Handler == "error"
		}
		return !h.PassThru, nil
	case passing[h.Handler]:
		return false, nil
	}
	j.assume(fmt.Sprintf("the handler %s lets the request pass", h.Handler))
	return false, nil
}

// asksFirst reports whether a proxy hands requests on where its server says 2xx, as
// forward_auth has it.
func asksFirst(raw json.RawMessage) bool {
	var proxy struct {
		Responses []struct {
			Match struct {
				Status []int `json:"status_code"`
			} `json:"match"`
			Routes []caddyhttp.Route `json:"routes"`
		} `json:"handle_response"`
	}
	if json.Unmarshal(raw, &proxy) != nil {
		return false
	}
	for _, response := range proxy.Responses {
		if slices.Contains(response.Match.Status, 2) && !slices.ContainsFunc(response.Routes, answers) {
			return true
		}
	}
	return false
}

// answers reports whether a handler in a route ends requests.
func answers(route caddyhttp.Route) bool {
	return slices.ContainsFunc(route.HandlersRaw, func(raw json.RawMessage) bool {
		found := false
		_ = caddyntlm.EachHandler(raw, func(handler string, _ []byte) error {
			found = found || answering[handler] || handler == "copy_response"
			return nil
		})
		return found
	})
}

// known are the placeholders of which the request alone decides.
var known = regexp.MustCompile(`^\{http\.(request\.(uri|host|method|orig_uri)|regexp\.)`)

// rewrite changes the request as the handler would.
func (j *journey) rewrite(raw json.RawMessage) error {
	for _, at := range caddyntlm.FindPlaceholders(raw) {
		if !known.Match(raw[at[0]:]) {
			j.assume("a rewrite by what is known of real requests alone leaves the path as it is")
			return nil
		}
	}
	module, err := j.module("http.handlers.rewrite", raw, "handler")
	if err != nil {
		return err
	}
	if r, ok := module.(interface {
		Rewrite(*http.Request, *caddy.Replacer) bool
	}); ok {
		r.Rewrite(j.request, j.request.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer))
	}
	return nil
}

// module loads a module of the configuration; key is one that is not its own.
func (j *journey) module(id string, raw json.RawMessage, key string) (any, error) {
	if key != "" {
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(raw, &fields); err != nil {
			return nil, err
		}
		delete(fields, key)
		var err error
		if raw, err = json.Marshal(fields); err != nil {
			return nil, err
		}
	}
	return j.ctx.LoadModuleByID(id, raw)
}
