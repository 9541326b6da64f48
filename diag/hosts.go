package diag

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
	"github.com/caddy-ntlm/caddy-ntlm/caddyntlm"
)

// asksNamed reports whether a windows_auth asks a directory of an ldap block.
func asksNamed(name string) func(*caddyntlm.Handler) bool {
	return func(h *caddyntlm.Handler) bool {
		return slices.ContainsFunc(h.Directories, func(other string) bool { return strings.EqualFold(other, name) })
	}
}

// asksOwn reports whether a windows_auth asks a directory that it describes itself.
func asksOwn(d *caddyldap.Directory) func(*caddyntlm.Handler) bool {
	raw, err := json.Marshal(d)
	return func(h *caddyntlm.Handler) bool {
		own, wrong := json.Marshal(h.Directory)
		return h.Directory != nil && err == nil && wrong == nil && string(own) == string(raw)
	}
}

// hostsOf are the hosts of the sites in a configuration whose windows_auth asks a
// directory, in order.
func hostsOf(document []byte, asks func(*caddyntlm.Handler) bool) ([]string, error) {
	found, err := doorways(document)
	if err != nil {
		return nil, err
	}
	var hosts []string
	for _, d := range found {
		if asks(d.handler) {
			hosts = append(hosts, d.hosts...)
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts), nil
}

// doorways are the windows_auth in the routes of a configuration, in their order.
func doorways(document []byte) ([]*doorway, error) {
	servers, _, err := serversOf(document)
	if err != nil {
		return nil, err
	}
	var found []*doorway
	for _, name := range slices.Sorted(maps.Keys(servers)) {
		more, err := doorwaysIn(servers[name], servers[name].Routes, nil)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	return found, nil
}

// doorwaysIn are those in routes; outer are the hosts of the route around them.
func doorwaysIn(s server, routes caddyhttp.RouteList, outer []string) ([]*doorway, error) {
	var found []*doorway
	for i := range routes {
		here, err := matchedHosts(routes[i].MatcherSetsRaw)
		if err != nil {
			return nil, err
		}
		if len(here) == 0 {
			here = outer
		}
		for _, raw := range routes[i].HandlersRaw {
			more, err := doorwaysOf(s, raw, here)
			if err != nil {
				return nil, err
			}
			found = append(found, more...)
		}
	}
	return found, nil
}

func doorwaysOf(s server, raw json.RawMessage, here []string) ([]*doorway, error) {
	var h struct {
		Handler string              `json:"handler"`
		Routes  caddyhttp.RouteList `json:"routes"`
	}
	if err := json.Unmarshal(raw, &h); err != nil {
		return nil, err
	}
	if h.Handler != handlerDoor {
		return doorwaysIn(s, h.Routes, here)
	}
	d := &doorway{server: s, hosts: here, handler: new(caddyntlm.Handler)}
	if err := json.Unmarshal(raw, d.handler); err != nil {
		return nil, fmt.Errorf("windows_auth: %w", err)
	}
	return []*doorway{d}, nil
}

func matchedHosts(sets caddyhttp.RawMatcherSets) ([]string, error) {
	var hosts []string
	for _, set := range sets {
		raw, ok := set["host"]
		if !ok {
			continue
		}
		var some []string
		if err := json.Unmarshal(raw, &some); err != nil {
			return nil, err
		}
		for _, host := range some {
			hosts = append(hosts, strings.ToLower(host))
		}
	}
	return hosts, nil
}
