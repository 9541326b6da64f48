package policy

import (
	"errors"
	"fmt"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// maxFilter is the longest filter, in bytes: a person writes a hundred.
const maxFilter = 4096

// FilterTerms are what a filter asks about: what a directory must know before
// its answer is worth anything.
type FilterTerms struct {
	Attributes []string
	Rules      []string // matching rules, by name or number
}

type filter struct {
	words
	filter string
}

func compileFilter(text string) (node, error) {
	if _, err := ParseFilter(text); err != nil {
		return nil, err
	}
	return filter{words{quoted("filter", []string{text})}, text}, nil
}

func (f filter) match(id *identity.Identity, _ Scope) (string, bool) {
	return f.text, id.Fits(f.filter) == identity.FitYes
}

// unsure: the directory could not say, or was never asked.
func (f filter) unsure(id *identity.Identity) bool { return id.Fits(f.filter) == identity.FitUnknown }

// ParseFilter reads an LDAP filter, RFC 4515 3, and says what it asks about.
func ParseFilter(text string) (FilterTerms, error) {
	var terms FilterTerms
	if len(text) > maxFilter {
		return terms, fmt.Errorf("filter %.40s…: longer than %d bytes", text, maxFilter)
	}
	if open := strings.IndexByte(text, '{'); open >= 0 && strings.Contains(text[open:], "}") {
		return terms, fmt.Errorf(`filter %s: placeholders are not replaced in a rule; {$VAR} is, when the Caddyfile is read, and a brace is written \7b`, text)
	}
	packet, err := ldap.CompileFilter(text)
	if err != nil {
		return terms, fmt.Errorf("filter %s: no LDAP filter such as (department=Web): %w", text, errors.Unwrap(err))
	}
	if err := terms.gather(packet, 0); err != nil {
		return terms, fmt.Errorf("filter %s: %w", text, err)
	}
	return terms, nil
}

// gather walks a Filter, RFC 4511 4.5.1.7.
func (t *FilterTerms) gather(p *ber.Packet, depth int) error {
	if depth > maxDepth {
		return errors.New("nested too deep")
	}
	switch p.Tag {
	case ldap.FilterAnd, ldap.FilterOr, ldap.FilterNot:
		if len(p.Children) == 0 {
			return errors.New("an empty list, which everybody fits or nobody")
		}
		for _, part := range p.Children {
			if err := t.gather(part, depth+1); err != nil {
				return err
			}
		}
		return nil
	case ldap.FilterPresent:
		return t.addAttribute(p)
	case ldap.FilterExtensibleMatch:
		return t.gatherRule(p)
	}
	return t.addAttribute(p.Children[0])
}

func (t *FilterTerms) gatherRule(p *ber.Packet) error {
	named := false
	for _, part := range p.Children {
		switch part.Tag {
		case ldap.MatchingRuleAssertionMatchingRule:
			t.Rules = append(t.Rules, part.Data.String())
		case ldap.MatchingRuleAssertionType:
			named = true
			if err := t.addAttribute(part); err != nil {
				return err
			}
		}
	}
	if !named {
		return errors.New("a matching rule without an attribute")
	}
	return nil
}

// addAttribute takes an attribute description, RFC 4512 2.5, without its options.
func (t *FilterTerms) addAttribute(p *ber.Packet) error {
	name, _, _ := strings.Cut(p.Data.String(), ";")
	if !identity.CheckAttribute(name) {
		return fmt.Errorf("%q is not the name of an LDAP attribute such as department", name)
	}
	t.Attributes = append(t.Attributes, name)
	return nil
}

// Filters lists the filters that the rule asks about, so that directories can be
// told to ask them.
func (r Rule) Filters() []string {
	var filters []string
	r.each(func(r Rule) {
		if r.Filter != "" {
			filters = append(filters, r.Filter)
		}
	})
	return filters
}

// each visits the rule and those inside its blocks.
func (r Rule) each(visit func(Rule)) {
	visit(r)
	for _, block := range [...][]Rule{r.All, r.Any, r.None} {
		for _, inner := range block {
			inner.each(visit)
		}
	}
}
