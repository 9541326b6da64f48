package caddyntlm

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
)

// warnOfPage warns of a log-in page that nobody can use, because a path around its
// windows_auth leaves the page's own paths out. Only what is certain is told: what else keeps
// a form from coming here explain finds, which follows a request.
func (h *Handler) warnOfPage() {
	if h.Login == nil {
		return
	}
	at := slices.IndexFunc(h.server.Routes, func(r caddyhttp.Route) bool { return len(r.HandlersRaw) > 0 })
	if at < 0 {
		return // an error page or a named route, see unidentified
	}
	own := &h.server.Routes[at]
	s := pageSearch{base: h.Login.path()}
	r, err := http.NewRequest(http.MethodPost, "http://localhost"+s.base+"/"+wordLogin, http.NoBody)
	if err != nil {
		return
	}
	s.request = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), nil, nil)
	if s.mayEnter(own.MatcherSets) && s.handlers(own.HandlersRaw) || elsewhereToo(h.server.Routes, own) {
		return
	}
	h.log.Warn("nobody can log in on the page: what it sends does not come to windows_auth", zap.String("word", "login"),
		zap.String("path", s.base+"/"+wordLogin), zap.Strings("only", s.only), zap.Strings("directories", h.Directories),
		zap.String("hint", "Write behind login a path below the one that leads to this windows_auth, such as login /app/auth in handle /app/*."))
}

// elsewhereToo reports whether another route of the same hosts may lead to a windows_auth,
// which may have the page.
func elsewhereToo(routes caddyhttp.RouteList, own *caddyhttp.Route) bool {
	hosts := hostsOf(own)
	for i := range routes {
		r := &routes[i]
		theirs := hostsOf(r)
		if r == own || hosts != nil && theirs != nil && !slices.ContainsFunc(theirs, func(host string) bool { return slices.Contains(hosts, host) }) {
			continue
		}
		if slices.ContainsFunc(r.Handlers, loadedMayIdentify) || slices.ContainsFunc(handlerNames(r.HandlersRaw), mayIdentify) {
			return true
		}
	}
	return false
}

// hostsOf are the hosts of a route whose matchers are loaded, nil for any.
func hostsOf(r *caddyhttp.Route) (hosts []string) {
	for _, set := range r.MatcherSets {
		i := slices.IndexFunc(set, func(m any) bool { _, ok := m.(*caddyhttp.MatchHost); return ok })
		if i < 0 {
			return nil
		}
		hosts = append(hosts, *set[i].(*caddyhttp.MatchHost)...)
	}
	return hosts
}

// pageSearch goes the ways that a log-in page's form may take.
type pageSearch struct {
	base    string
	request *http.Request
	moved   bool     // it may have another path by now
	only    []string // the paths that it is kept out by, where such a page is behind them
}

// mayEnter reports whether the form may fit one of a route's matchers: all but a path may.
func (s *pageSearch) mayEnter(sets caddyhttp.MatcherSets) bool {
	return len(sets) == 0 || s.moved || slices.ContainsFunc(sets, func(set caddyhttp.MatcherSet) bool {
		return !slices.ContainsFunc(set, func(m any) bool {
			paths, ok := m.(*caddyhttp.MatchPath)
			return ok && !s.fits(*paths)
		})
	})
}

func (s *pageSearch) fits(paths caddyhttp.MatchPath) bool {
	fits, err := paths.MatchWithError(s.request)
	return fits || err != nil
}

// mayEnterRaw is mayEnter for matchers that are JSON still.
func (s *pageSearch) mayEnterRaw(sets caddyhttp.RawMatcherSets) bool {
	return len(sets) == 0 || s.moved || slices.ContainsFunc(sets, func(set caddy.ModuleMap) bool {
		raw, ok := set["path"]
		var paths caddyhttp.MatchPath
		if !ok || json.Unmarshal(raw, &paths) != nil || paths.Provision(caddy.Context{}) != nil {
			return true
		}
		return s.fits(paths)
	})
}

// handlers reports whether the form may come to a windows_auth that has its page.
func (s *pageSearch) handlers(raw []json.RawMessage) bool {
	for _, text := range raw {
		var h struct {
			Handler string            `json:"handler"`
			Routes  []caddyhttp.Route `json:"routes"`
			Login   *Login            `json:"login"`
		}
		switch err := json.Unmarshal(text, &h); {
		case err != nil:
			return true
		case h.Handler == "subroute":
			if s.routes(h.Routes) {
				return true
			}
		case h.Handler == "rewrite":
			s.moved = true
		case h.Handler == "windows_auth":
			if h.Login != nil && h.Login.path() == s.base {
				return true
			}
		case slices.ContainsFunc(handlerNames([]json.RawMessage{text}), mayIdentify):
			return true
		}
	}
	return false
}

func (s *pageSearch) routes(routes []caddyhttp.Route) bool {
	for i := range routes {
		r := &routes[i]
		if s.mayEnterRaw(r.MatcherSetsRaw) {
			if s.handlers(r.HandlersRaw) {
				return true
			}
			continue
		}
		if behind := (&pageSearch{base: s.base, moved: true}); behind.handlers(r.HandlersRaw) {
			s.only = append(s.only, pathsOf(r.MatcherSetsRaw)...)
		}
	}
	return false
}

// pathsOf are the paths in matchers.
func pathsOf(sets caddyhttp.RawMatcherSets) (paths []string) {
	for _, set := range sets {
		var some []string
		_ = json.Unmarshal(set["path"], &some) // they were read before
		paths = append(paths, some...)
	}
	return paths
}
