package diag

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
	"github.com/caddy-ntlm/caddy-ntlm/caddyntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// site is the server of a configuration that has a site, and the directories.
type site struct {
	directories map[string]*caddyldap.Directory
	name        string // of the server
	server      server
	rules       []policy.Rule // of all sites, as directories are told of all
}

// server is what is read of an HTTP server.
type server struct {
	Listen []string                    `json:"listen"`
	Routes caddyhttp.RouteList         `json:"routes"`
	Named  map[string]*caddyhttp.Route `json:"named_routes"`
	Errors struct {
		Routes caddyhttp.RouteList `json:"routes"`
	} `json:"errors"`
	TLS       []json.RawMessage          `json:"tls_connection_policies"`
	AutoHTTPS *caddyhttp.AutoHTTPSConfig `json:"automatic_https"`

	overTLS bool // as Caddy will have it
}

// siteOf finds the server that answers for a host: where several do, the one on
// the port that is asked for, and the one that has windows_auth.
func siteOf(ctx caddy.Context, document []byte, target *url.URL) (*site, error) {
	servers, ports, err := serversOf(document)
	if err != nil {
		return nil, err
	}
	s := new(site)
	if s.directories, _, err = directoriesOf(document); err != nil {
		return nil, err
	}
	names := slices.Sorted(maps.Keys(servers))
	names = slices.DeleteFunc(names, func(name string) bool { return target.Port() != "" && !servers[name].listens(target.Port()) })
	usual := strconv.FormatUint(uint64(ports.https), 10)
	if target.Scheme == "http" {
		usual = strconv.FormatUint(uint64(ports.http), 10)
	}
	if s.name, err = choose(ctx, servers, names, target, usual); err != nil {
		return nil, err
	}
	s.server = servers[s.name]
	s.rules, err = rulesOf(document)
	return s, err
}

// choose picks a server by what a request would meet there. Where the target says
// its scheme and no port, the one of the usual port answers, whatever is met.
func choose(ctx caddy.Context, servers map[string]server, names []string, target *url.URL, usual string) (string, error) {
	best, most := "", -1
	var equals []string
	for _, name := range names {
		doors, routes := 0, 0
		j := newJourney(ctx, servers[name], "", target)
		j.meet = func(string, json.RawMessage) (bool, error) { doors++; return false, nil }
		j.pass = func() { routes++ }
		if _, err := j.walk(j.server.Routes); err != nil {
			return "", err
		}
		if doors+routes == 0 {
			continue
		}
		if target.Scheme != "" && target.Port() == "" && servers[name].listens(usual) {
			return name, nil
		}
		switch {
		case doors > most:
			best, most, equals = name, doors, []string{name}
		case doors == most:
			equals = append(equals, name)
		}
	}
	if best == "" {
		return "", &advice{fmt.Errorf("no server of the configuration has a site %s", target.Host), "--site names it as the configuration does, with the port where that is neither 80 nor 443"}
	}
	return preferred(servers, equals, usual), nil
}

// preferred is, among servers on which the same is met, the one of the usual port.
func preferred(servers map[string]server, names []string, usual string) string {
	for _, name := range names {
		if servers[name].listens(usual) {
			return name
		}
	}
	return names[0]
}

func (s server) listens(port string) bool {
	number, err := strconv.ParseUint(port, 10, 16)
	return err == nil && slices.ContainsFunc(s.Listen, func(text string) bool {
		address, err := caddy.ParseNetworkAddress(text)
		return err == nil && uint64(address.StartPort) <= number && number <= uint64(address.EndPort)
	})
}

// rulesOf are the rules of all windows_auth and require in a configuration.
func rulesOf(document []byte) ([]policy.Rule, error) {
	var rules []policy.Rule
	err := caddyntlm.EachHandler(document, func(handler string, raw []byte) error {
		switch handler {
		case handlerDoor:
			var h caddyntlm.Handler
			if err := json.Unmarshal(raw, &h); err != nil {
				return fmt.Errorf("windows_auth: %w", err)
			}
			if h.Require != nil {
				rules = append(rules, *h.Require)
			}
			if h.TOTP != nil && h.TOTP.Require != nil {
				rules = append(rules, *h.TOTP.Require)
			}
		case handlerRequire:
			var q caddyntlm.Require
			if err := json.Unmarshal(raw, &q); err != nil {
				return fmt.Errorf("require: %w", err)
			}
			rules = append(rules, q.Rule)
		}
		return nil
	})
	return rules, err
}

// wants has the directories read what the rules ask about, as they do when the
// configuration loads.
func (s *site) wants(app *caddyldap.App) error {
	for _, rule := range s.rules {
		if _, err := policy.Compile(rule); err != nil {
			return fmt.Errorf("require: %w", err)
		}
		if err := app.Want(caddyldap.WantsOf(rule)); err != nil {
			return err
		}
	}
	return nil
}

// shown is how a target is written.
func shown(target *url.URL) string { return strings.TrimPrefix(target.String(), "//") }
