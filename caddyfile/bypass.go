package caddyfile

import (
	"net/netip"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

const bypassUsage = "bypass <matcher> <argument>…, bypass @name, bypass /path or bypass { … }"

// addBypass reads one line of bypass: a matcher with its arguments, a block of
// several that must all match, or what Caddy takes for a matcher anywhere.
func addBypass(a *handler, l line) error {
	if len(l.args) == 0 && l.block == nil {
		return errorAt(l.word, "nothing follows bypass: write %s", bypassUsage)
	}
	if meant := addressesMeant(l); meant != "" {
		return errorAt(l.args[0], "%s is an address and no matcher: write bypass remote_ip %s", short(l.args[0].Text), meant)
	}
	set, err := a.readMatchers(l)
	if err != nil {
		return err
	}
	for name, raw := range set {
		if text := string(raw); text == "null" || text == "{}" || text == "[]" {
			return errorAt(l.word, "nothing follows the matcher %s: write bypass %s <argument>…", name, name)
		}
	}
	if len(set) == 0 {
		return errorAt(l.word, "bypass without a matcher would let everybody in: write %s", bypassUsage)
	}
	a.Bypass = append(a.Bypass, set)
	return nil
}

// addressesMeant is what follows remote_ip where a line begins with an address
// instead of a matcher.
func addressesMeant(l line) string {
	var found []string
	for i, arg := range l.args {
		_, notAddress := netip.ParseAddr(arg.Text)
		_, notNetwork := netip.ParsePrefix(arg.Text)
		switch {
		case arg.Text == "127.0.0.1", arg.Text == "localhost":
			found = append(found, "127.0.0.1/8")
		case notAddress == nil, notNetwork == nil, arg.Text == "private_ranges":
			found = append(found, arg.Text)
		case i == 0:
			return ""
		}
	}
	return strings.Join(found, " ")
}

// readMatchers reads what follows bypass as a set of matchers.
func (a *handler) readMatchers(l line) (caddy.ModuleMap, error) {
	d := caddyfile.NewDispenser(l.tokens)
	d.Next()
	if len(l.args) == 0 || !isShort(l.args[0]) {
		set, err := caddyhttp.ParseCaddyfileNestedMatcherSet(d)
		return set, placed(l.word, err)
	}
	if len(l.args) > 1 || l.block != nil {
		return nil, errorAt(l.args[0], "%s stands alone in its line: write a line of bypass for each, and path before several paths", short(l.args[0].Text))
	}
	set, _, err := a.helper.WithDispenser(d).MatcherToken()
	return set, placed(l.args[0], err)
}

// isShort tells /path, * and @name from the name of a matcher.
func isShort(arg caddyfile.Token) bool {
	return !arg.Quoted() && (arg.Text == "*" || strings.HasPrefix(arg.Text, "/") || strings.HasPrefix(arg.Text, "@"))
}

// placed gives an error of Caddy's the place that some of them lack.
func placed(at caddyfile.Token, err error) error {
	if err == nil || strings.Contains(err.Error(), ", at "+at.File+":") {
		return err
	}
	return errorAt(at, "%w", err)
}
