package caddyntlm

import (
	"context"
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
	switch word {
	case "id":
		return v.name, true
	case "sam":
		return v.id.SAM, true
	case "domain":
		return v.id.Domain, true
	case "logon":
		return v.id.Logon(), true
	case "upn":
		return v.id.UPN, true
	case "dn":
		return v.id.DN, true
	case "sid":
		return v.id.SID.String(), true
	case "display_name":
		return v.id.DisplayName, true
	case "mail":
		return v.id.Mail, true
	case "groups":
		return v.groups(), true
	case "roles":
		return strings.Join(v.id.Roles(), ","), true
	case "scheme":
		return v.scheme.String(), true
	case "verifier":
		return v.id.Verifier, true
	case "rule":
		return v.rule, true
	}
	if name, ok := strings.CutPrefix(word, attributePrefix); ok {
		values, known := v.id.Attribute(name)
		return strings.Join(values, ","), known
	}
	return nil, false
}

func (v *visit) groups() string {
	groups := v.id.Groups()
	names := make([]string, 0, len(groups))
	for _, g := range groups {
		if g.Name != "" { // Everyone, Authenticated Users and the like have a SID alone
			names = append(names, g.Name)
		}
	}
	return strings.Join(names, ",")
}

// String is the user's name, where a configuration prints the variable.
func (v *visit) String() string {
	if v == nil || v.id == nil {
		return ""
	}
	return v.id.Logon()
}
