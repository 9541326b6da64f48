package diag

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-ntlm/caddy-ntlm/caddyntlm"
)

// truth is what can be said of a matcher.
type truth uint8

const (
	isNo truth = iota
	isYes
	isOpen // only a real request decides
)

func truthOf(b bool) truth {
	if b {
		return isYes
	}
	return isNo
}

// anySet decides about matchers of which one set must fit. unsure names those that
// cannot be decided.
func (j *journey) anySet(sets caddyhttp.RawMatcherSets) (fits truth, unsure []string, err error) {
	if len(sets) == 0 {
		return isYes, nil, nil
	}
	for _, set := range sets {
		fit, names, err := j.allOf(set)
		if err != nil || fit == isYes {
			return fit, nil, err
		}
		if fit == isOpen {
			fits, unsure = isOpen, append(unsure, names...)
		}
	}
	return fits, unsure, nil
}

// allOf decides about a set.
func (j *journey) allOf(set caddy.ModuleMap) (fits truth, unsure []string, err error) {
	fits = isYes
	for _, name := range slices.Sorted(maps.Keys(set)) {
		fit, names, err := j.matcher(name, set[name])
		if err != nil || fit == isNo {
			return isNo, nil, err
		}
		if fit == isOpen {
			fits, unsure = isOpen, append(unsure, names...)
		}
	}
	return fits, unsure, nil
}

// matcher decides about one.
func (j *journey) matcher(name string, raw json.RawMessage) (truth, []string, error) {
	switch name {
	case "not":
		return j.negated(raw)
	case "windows_user", "windows_group":
		fit, err := j.member(name, raw)
		return fit, []string{name}, err
	case "protocol":
		if j.request.URL.Scheme == "" {
			return isOpen, []string{name}, nil
		}
	case "host", "method", "path", "path_regexp", "query", "url_pattern":
	default:
		return isOpen, []string{name}, nil
	}
	if len(caddyntlm.FindPlaceholders(raw)) > 0 {
		return isOpen, []string{name}, nil
	}
	module, err := j.module("http.matchers."+name, raw, "")
	if err != nil {
		return isNo, nil, err
	}
	fit, err := caddyhttp.MatcherSet{module}.MatchWithError(j.request)
	return truthOf(fit), nil, err
}

// negated decides about not, whose sets must all not fit.
func (j *journey) negated(raw json.RawMessage) (truth, []string, error) {
	var sets caddyhttp.RawMatcherSets
	if err := json.Unmarshal(raw, &sets); err != nil {
		return isNo, nil, fmt.Errorf("the matcher not: %w", err)
	}
	if len(sets) == 0 {
		return isYes, nil, nil
	}
	fits, unsure, err := j.anySet(sets)
	for i := range unsure {
		unsure[i] = "not " + unsure[i]
	}
	switch fits {
	case isYes:
		fits = isNo
	case isNo:
		fits = isYes
	}
	return fits, unsure, err
}
