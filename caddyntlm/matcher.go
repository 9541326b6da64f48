package caddyntlm

import (
	"net/http"
	"reflect"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types/ref"
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// The room of words registers these matchers, with the lists of names that a
// Caddyfile has.

// MatchWindowsUser is http.matchers.windows_user: it matches requests of these
// accounts, which windows_auth let in before. Names are those of require user.
// Where no windows_auth came before, and where one was bypassed, it never
// matches.
type MatchWindowsUser struct{ names }

// MatchWindowsGroup is http.matchers.windows_group: it matches requests of
// members of one of these groups, direct or nested. Names are those of require
// group. Where no windows_auth came before, and where one was bypassed, it never
// matches.
type MatchWindowsGroup struct{ names }

// Provision compiles the names.
func (m *MatchWindowsUser) Provision(caddy.Context) error { return m.compile(userRule) }

// Provision compiles the names.
func (m *MatchWindowsGroup) Provision(caddy.Context) error { return m.compile(groupRule) }

// CELLibrary makes windows_user('alice', 'bob') known in expressions.
func (*MatchWindowsUser) CELLibrary(ctx caddy.Context) (cel.Library, error) {
	return library("windows_user", func(list []string) (caddyhttp.RequestMatcherWithError, error) {
		m := &MatchWindowsUser{names{Names: list}}
		return m, m.Provision(ctx)
	})
}

// CELLibrary makes windows_group('Staff', 'HR') known in expressions.
func (*MatchWindowsGroup) CELLibrary(ctx caddy.Context) (cel.Library, error) {
	return library("windows_group", func(list []string) (caddyhttp.RequestMatcherWithError, error) {
		m := &MatchWindowsGroup{names{Names: list}}
		return m, m.Provision(ctx)
	})
}

func library(word string, of func([]string) (caddyhttp.RequestMatcherWithError, error)) (cel.Library, error) {
	return caddyhttp.CELMatcherImpl(word, word+"_match_request_list", []*cel.Type{cel.ListType(cel.StringType)},
		func(data ref.Val) (caddyhttp.RequestMatcherWithError, error) {
			list, err := data.ConvertToNative(reflect.TypeFor[[]string]())
			if err != nil {
				return nil, err
			}
			return of(list.([]string))
		})
}

func userRule(list []string) policy.Rule  { return policy.Rule{User: list} }
func groupRule(list []string) policy.Rule { return policy.Rule{Group: list} }

// names is what the two matchers share.
type names struct {
	// The names, any of them: a bare name, DOMAIN\name, a DN or a SID.
	Names []string `json:"names"`

	rule *policy.Policy
}

// compile makes a rule of the names. No names are nobody, and an error: no rule
// would be everybody.
func (n *names) compile(of func([]string) policy.Rule) error {
	rule, err := policy.Compile(of(append([]string{}, n.Names...)))
	if err != nil {
		return err
	}
	n.rule = rule
	return nil
}

// MatchWithError asks the rule about whoever windows_auth let in. It goes by what
// is known of the account and asks no controller.
func (n *names) MatchWithError(r *http.Request) (bool, error) {
	v := answerOf(r.Context())
	return v != nil && n.rule.Decide(v.id, v.door.scope).Allow, nil
}

// Match is MatchWithError without the error, which there never is.
func (n *names) Match(r *http.Request) bool {
	matches, _ := n.MatchWithError(r)
	return matches
}

// Interface guards.
var (
	_ caddy.Provisioner                 = (*MatchWindowsUser)(nil)
	_ caddy.Provisioner                 = (*MatchWindowsGroup)(nil)
	_ caddyhttp.RequestMatcherWithError = (*MatchWindowsUser)(nil)
	_ caddyhttp.RequestMatcherWithError = (*MatchWindowsGroup)(nil)
	_ caddyhttp.CELLibraryProducer      = (*MatchWindowsUser)(nil)
	_ caddyhttp.CELLibraryProducer      = (*MatchWindowsGroup)(nil)
)
