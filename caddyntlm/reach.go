package caddyntlm

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// checkReached refuses a require on a site where no windows_auth can come before
// it: it would answer every request with 500. Only what is certain is refused;
// the rest is told when a request comes.
func (q *Require) checkReached(ctx caddy.Context) error {
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return nil
	}
	site, ok := unidentified(server.Routes)
	if !ok {
		return nil
	}
	return fmt.Errorf("require %s: no windows_auth comes before it on %s, so every request would be answered 500: write windows_auth <NAME> into the block of that site",
		q.rule, siteOf(site))
}

// unidentified is the route that is being loaded, where no windows_auth can run
// before a handler in it. Caddy loads routes one after another: those before it
// have their handlers by now, and its own are JSON still. A request that a
// terminal route took does not come here. Once all are loaded it is an error
// page or a named route that is, which may come after anything.
func unidentified(routes caddyhttp.RouteList) (*caddyhttp.Route, bool) {
	for i := range routes {
		route := &routes[i]
		if len(route.HandlersRaw) > 0 {
			return route, !slices.ContainsFunc(handlerNames(route.HandlersRaw), mayIdentify)
		}
		if !route.Terminal && slices.ContainsFunc(route.Handlers, loadedMayIdentify) {
			return nil, false
		}
	}
	return nil, false
}

// loadedMayIdentify says whether a handler is, or may hold, a windows_auth. What
// these two of Caddy's hold cannot be seen any more.
func loadedMayIdentify(h caddyhttp.MiddlewareHandler) bool {
	if inner, ok := h.(*caddyhttp.Subroute); ok {
		return slices.ContainsFunc(inner.Routes, func(r caddyhttp.Route) bool {
			return slices.ContainsFunc(r.Handlers, loadedMayIdentify)
		})
	}
	name := caddy.GetModuleName(h)
	return name == "reverse_proxy" || name == "intercept" || mayIdentify(name)
}

// mayIdentify says of the name of a handler that somebody may be identified
// there: by none of Caddy's own, but invoke may lead anywhere, and a plugin may
// do what it likes.
func mayIdentify(name string) bool {
	module, err := caddy.GetModule("http.handlers." + name)
	if err != nil || name == "invoke" {
		return true
	}
	return name != "require" && !strings.HasPrefix(reflect.TypeOf(module.New()).Elem().PkgPath(), caddy.ImportPath+"/")
}

// handlerNames are the names of handlers anywhere in JSON.
func handlerNames(raw []json.RawMessage) []string {
	var names []string
	for _, text := range raw {
		_ = EachHandler(text, func(name string, _ []byte) error { // Caddy has read it before
			names = append(names, name)
			return nil
		})
	}
	return names
}

// siteOf names a site by its hosts.
func siteOf(route *caddyhttp.Route) string {
	for _, set := range route.MatcherSets {
		for _, matcher := range set {
			if hosts, ok := matcher.(*caddyhttp.MatchHost); ok {
				return "the site " + strings.Join(*hosts, ", ")
			}
		}
	}
	return "this site"
}
