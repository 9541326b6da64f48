package caddyntlm

import (
	"encoding/json"
	"regexp"

	"github.com/caddyserver/caddy/v2"
)

// sight is what a set of matchers may decide by.
type sight uint8

const (
	seesPath   sight = 1 << iota
	seesPeer         // the address that the connection comes from
	seesClient       // the client's address, as trusted proxies tell it
	seesAll    = seesPath | seesPeer | seesClient
)

// sights are the matchers of Caddy of which it is known what they look at. Every
// other one, of a later Caddy or of a guest, is taken to look at everything.
var sights = map[string]sight{
	"client_ip":     seesClient,
	"file":          seesPath,
	"header":        0,
	"header_regexp": 0,
	"host":          0,
	"method":        0,
	"path":          seesPath,
	"path_regexp":   seesPath,
	"protocol":      0,
	"query":         0,
	"remote_ip":     seesPeer,
	"tls":           0,
	"url_pattern":   seesPath,
}

// placeholder is the beginning of one in the JSON of a matcher or handler.
var placeholder = regexp.MustCompile(`\{[A-Za-z_$]`)

// FindPlaceholders gives the places, as regexp does, where placeholders begin in
// JSON. Each may stand for anything that is known of a request.
func FindPlaceholders(raw []byte) [][]int { return placeholder.FindAllIndex(raw, -1) }

// sightOf says what the matchers of a set may decide by.
func sightOf(set caddy.ModuleMap) sight {
	var sees sight
	for name, raw := range set {
		sees |= sightOfMatcher(name, raw)
	}
	return sees
}

func sightOfMatcher(name string, raw json.RawMessage) sight {
	if name == "not" {
		var sees sight
		var sets []caddy.ModuleMap
		if json.Unmarshal(raw, &sets) != nil {
			return seesAll
		}
		for _, set := range sets {
			sees |= sightOf(set)
		}
		return sees
	}
	sees, known := sights[name]
	if !known || len(FindPlaceholders(raw)) > 0 {
		return seesAll
	}
	return sees
}

// isBlurred reports whether a proxy stands between the matchers and the address
// that they decide by, or was ever seen on the connection. The client's own is known behind trusted_proxies alone:
// otherwise it is the proxy's too.
func (s sight) isBlurred(v *visit) bool {
	switch {
	case s&(seesPeer|seesClient) == 0 || !throughProxy(v.r) && !v.conn.isShared():
		return false
	case s&seesPeer != 0:
		return true
	}
	return !throughTrusted(v.r)
}
