package diag

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// usualPorts are the ports that Caddy takes for those of HTTP and HTTPS.
type usualPorts struct{ http, https uint }

// serversOf are the HTTP servers of a configuration by name.
func serversOf(document []byte) (map[string]server, usualPorts, error) {
	var config struct {
		Apps struct {
			HTTP struct {
				Servers map[string]server `json:"servers"`
				HTTP    uint              `json:"http_port"`
				HTTPS   uint              `json:"https_port"`
			} `json:"http"`
		} `json:"apps"`
	}
	if err := json.Unmarshal(document, &config); err != nil {
		return nil, usualPorts{}, err
	}
	ports := usualPorts{cmp.Or(config.Apps.HTTP.HTTP, caddyhttp.DefaultHTTPPort), cmp.Or(config.Apps.HTTP.HTTPS, caddyhttp.DefaultHTTPSPort)}
	for name, s := range config.Apps.HTTP.Servers {
		s.overTLS = s.willSpeakTLS(ports)
		config.Apps.HTTP.Servers[name] = s
	}
	return config.Apps.HTTP.Servers, ports, nil
}

// willSpeakTLS reports whether Caddy will have a server speak TLS: because the configuration
// says so, or by automatic HTTPS, which is for servers of names, and for those of the HTTPS
// port alone, and for none of the HTTP port alone.
func (s server) willSpeakTLS(ports usualPorts) bool {
	switch {
	case len(s.TLS) > 0:
		return true
	case s.TLS != nil, s.AutoHTTPS != nil && s.AutoHTTPS.Disabled, !s.listensBesides(ports.http):
		return false
	case !s.listensBesides(ports.https):
		return true
	}
	return slices.ContainsFunc(s.Routes, func(route caddyhttp.Route) bool {
		hosts, err := matchedHosts(route.MatcherSetsRaw)
		return err == nil && slices.ContainsFunc(hosts, func(host string) bool {
			return s.AutoHTTPS == nil || !slices.Contains(s.AutoHTTPS.Skip, host)
		})
	})
}

// listensBesides reports whether a server listens on another port too.
func (s server) listensBesides(port uint) bool {
	return slices.ContainsFunc(s.Listen, func(text string) bool {
		address, err := caddy.ParseNetworkAddress(text)
		return err == nil && (address.StartPort > port || address.EndPort < port)
	})
}
