package caddyntlm

import (
	"encoding/json"
	"errors"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
)

// checkRoles refuses a role that none of the directories gives whose users can come
// to this require. Where it is not certain which those are, the ldap app looks at
// all of them when it starts.
func (q *Require) checkRoles(ctx caddy.Context) error {
	named := q.Rule.Roles()
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || len(named) == 0 {
		return nil
	}
	directories, certain := inForce(ctx, server.Routes)
	if !certain || len(directories) == 0 {
		return nil
	}
	return caddyldap.CheckRoles(named, directories)
}

// inForce lists the directories of each windows_auth that may come before a handler
// in the route that is being loaded, and perhaps of some that come after it. It is
// certain where nothing else can identify somebody there; see unidentified.
func inForce(ctx caddy.Context, routes caddyhttp.RouteList) (found []directory, certain bool) {
	for i := range routes {
		route := &routes[i]
		if len(route.HandlersRaw) > 0 {
			inner, ok := inForceRaw(ctx, route.HandlersRaw)
			return append(found, inner...), ok
		}
		if route.Terminal {
			continue
		}
		inner, ok := inForceLoaded(route.Handlers)
		if !ok {
			return nil, false
		}
		found = append(found, inner...)
	}
	return nil, false
}

func inForceLoaded(handlers []caddyhttp.MiddlewareHandler) (found []directory, certain bool) {
	for _, handler := range handlers {
		switch h := handler.(type) {
		case *Handler:
			found = append(found, h.directories...)
		case *caddyhttp.Subroute:
			for i := range h.Routes {
				inner, ok := inForceLoaded(h.Routes[i].Handlers)
				if !ok {
					return nil, false
				}
				found = append(found, inner...)
			}
		default:
			if loadedMayIdentify(handler) {
				return nil, false
			}
		}
	}
	return found, true
}

var errOpenEnd = errors.New("somebody may be identified by what is not known")

// inForceRaw finds the same in handlers that are JSON still. A directory of their own
// is adopted, as they do themselves.
func inForceRaw(ctx caddy.Context, handlers []json.RawMessage) (found []directory, certain bool) {
	for _, raw := range handlers {
		err := EachHandler(raw, func(name string, raw []byte) error {
			if name != "windows_auth" {
				if mayIdentify(name) {
					return errOpenEnd
				}
				return nil
			}
			h := new(Handler)
			if err := json.Unmarshal(raw, h); err != nil {
				return err
			}
			directories, err := h.open(ctx)
			found = append(found, directories...)
			return err
		})
		if err != nil { // what is wrong with a handler it says itself
			return nil, false
		}
	}
	return found, true
}
