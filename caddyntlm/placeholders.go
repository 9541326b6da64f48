package caddyntlm

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// answerVar is the request variable that holds the *visit which let the
// request in. Nothing a client sends becomes a request variable, and whoever
// overwrites it in the configuration leaves the request without an identity.
const answerVar = "windows_auth"

// placeholderPrefix is the beginning of every placeholder about the user.
const placeholderPrefix = "http.auth.user."

// questions are the placeholders about a user who is logged in, by what follows
// the prefix; attributes are asked for by name besides.
var questions = map[string]func(*visit) string{
	"id":           func(v *visit) string { return v.name },
	"sam":          func(v *visit) string { return v.id.SAM },
	"domain":       func(v *visit) string { return v.id.Domain },
	"logon":        func(v *visit) string { return v.id.Logon() },
	"upn":          func(v *visit) string { return v.id.UPN },
	"dn":           func(v *visit) string { return v.id.DN },
	"sid":          func(v *visit) string { return v.id.SID.String() },
	"display_name": func(v *visit) string { return v.id.DisplayName },
	"mail":         func(v *visit) string { return v.id.Mail },
	"groups":       (*visit).groups,
	"roles":        func(v *visit) string { return strings.Join(v.id.Roles(), ",") },
	"scheme":       func(v *visit) string { return v.scheme.String() },
	"verifier":     func(v *visit) string { return v.id.Verifier },
	"rule":         func(v *visit) string { return v.rule },
}

// UnknownPlaceholders lists the placeholders in a text that are written as one
// about the user, and are none, without their prefix http.auth.user.
func UnknownPlaceholders(text string) []string {
	var unknown []string
	_, _ = caddy.NewEmptyReplacer().ReplaceFunc(text, func(key string, _ any) (any, error) {
		if strings.HasPrefix(key, placeholderPrefix) && !isPlaceholder(key) {
			unknown = append(unknown, strings.TrimPrefix(key, placeholderPrefix))
		}
		return nil, nil
	})
	return unknown
}

// Placeholders lists those about the user, without their prefix.
func Placeholders() []string {
	known := append(slices.Collect(maps.Keys(questions)), attributePrefix+"NAME")
	slices.Sort(known)
	return known
}

// answerOf is the visit that let a request in, or nil.
func answerOf(ctx context.Context) *visit {
	v, _ := caddyhttp.GetVar(ctx, answerVar).(*visit)
	return v
}

// expose makes the visit the answer to every question about the user. The
// provider is added once a request and looks the answer up when it is asked, so
// that an inner windows_auth replaces the outer one's.
func (v *visit) expose() {
	ctx := v.r.Context()
	_, before := caddyhttp.GetVar(ctx, answerVar).(*visit)
	v.outer = answerOf(ctx)
	caddyhttp.SetVar(ctx, answerVar, v)
	repl, ok := ctx.Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return
	}
	// What another authentication handler has set would be found first.
	repl.DeleteByPrefix(placeholderPrefix)
	if !before {
		repl.Map(func(key string) (any, bool) { return answerOf(ctx).placeholder(key) })
	}
}

// exposeNobody lets the request pass as nobody's.
func (v *visit) exposeNobody() {
	v.waived = true
	v.takeBack()
	v.expose()
}

// takeBack removes from the request what this windows_auth and the outer ones
// told the application of a user: the request belongs to nobody now.
func (v *visit) takeBack() {
	for outer := answerOf(v.r.Context()); outer != nil; outer = outer.outer {
		for _, line := range outer.door.forwarding.lines {
			delete(v.r.Header, line.Header)
		}
	}
}

// conceal takes the answer of an outer windows_auth back: a request that is
// refused belongs to nobody. Error pages may be an application of their own.
func (v *visit) conceal() {
	v.takeBack()
	ctx := v.r.Context()
	if answerOf(ctx) != nil {
		caddyhttp.SetVar(ctx, answerVar, (*visit)(nil))
	}
	if repl, ok := ctx.Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		repl.DeleteByPrefix(placeholderPrefix)
	}
}

// placeholder answers one question about the user.
func (v *visit) placeholder(key string) (any, bool) {
	word, ok := strings.CutPrefix(key, placeholderPrefix)
	if !ok || v == nil {
		return nil, false
	}
	if v.id == nil {
		return "", true // let in without an identity
	}
	if answer, ok := questions[word]; ok {
		return answer(v), true
	}
	if name, ok := strings.CutPrefix(word, attributePrefix); ok {
		values, known := v.id.Attribute(name)
		return strings.Join(values, ","), known
	}
	return nil, false
}

func (v *visit) groups() string { return strings.Join(v.groupNames(), ",") }

func (v *visit) groupNames() []string {
	groups := v.id.Groups()
	names := make([]string, 0, len(groups))
	for _, g := range groups {
		if g.Name != "" { // Everyone, Authenticated Users and the like have a SID alone
			names = append(names, g.Name)
		}
	}
	return names
}

// String is the user's name, where a configuration prints the variable.
func (v *visit) String() string {
	if v == nil || v.id == nil {
		return ""
	}
	return v.id.Logon()
}
