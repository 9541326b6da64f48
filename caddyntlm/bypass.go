package caddyntlm

import (
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

var errBypassAll = errors.New("bypass: a set without a matcher would let everybody in")

// bypass is one set of matchers, and what it can decide by.
type bypass struct {
	matchers caddyhttp.MatcherSet
	sees     sight
}

// loadBypass provisions the matchers of bypass.
func (h *Handler) loadBypass(ctx caddy.Context) error {
	h.bypasses = make([]bypass, len(h.Bypass))
	for i, set := range h.Bypass {
		if len(set) == 0 {
			return errBypassAll
		}
		h.bypasses[i].sees = sightOf(set)
	}
	if len(h.bypasses) == 0 {
		return nil
	}
	loaded, err := ctx.LoadModule(h, "Bypass")
	if err != nil {
		return fmt.Errorf("bypass: %w", err)
	}
	var sets caddyhttp.MatcherSets
	if err := sets.FromInterface(loaded); err != nil {
		return fmt.Errorf("bypass: %w", err)
	}
	for i, set := range sets {
		h.bypasses[i].matchers = set
	}
	return nil
}

// isBypassed reports whether the configuration lets the request pass without
// authentication. Where it cannot be sure that a matcher saw what the
// application will see, the answer is no.
func (v *visit) isBypassed() (bool, error) {
	for i := range v.door.bypasses {
		b := &v.door.bypasses[i]
		matches, err := b.matchers.MatchWithError(v.r)
		switch {
		case err != nil:
			return false, err
		case !matches:
		case b.sees&seesPath != 0 && !HasOneReading(v.r.URL):
			v.recordBypass("bypass_refused", "ambiguous_path")
		case b.sees.isBlurred(v):
			// The address is the proxy's, and everybody comes from there.
			v.recordBypass("bypass_refused", identity.KindProxySeen.String())
		default:
			return true, nil
		}
	}
	return false, nil
}

// overrides tell some applications of another path or method than the request
// has: the one that the matchers judged is to be the one that is served.
var overrides = newHeaderNames(
	"X-Original-URL", "X-Original-URI", "X-Rewrite-URL", "X-Forwarded-URI", "X-Forwarded-Path",
	"X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override",
)

// passWithout makes the request one that belongs to nobody, for the rules and
// placeholders behind. What the connection remembers is neither asked nor
// changed, and a credential for this site goes on to whoever wants one: another
// windows_auth, or the application.
func (v *visit) passWithout() {
	v.strip(overrides)
	v.stripOthers()
	v.exposeNobody()
	v.count("bypass", "")
	v.recordBypass("bypass", "")
}

// recordBypass writes what became of a bypass, for those who debug.
func (v *visit) recordBypass(event, reason string) {
	if c := v.door.log.Check(zapcore.DebugLevel, decision); c != nil {
		fields := v.fields(event, reason, nil)
		if reason != "" {
			fields = append(fields, zap.String("hint", "The request matches a bypass and was not let pass by it; docs/application.md says when."))
		}
		c.Write(fields...)
	}
}
