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

// FilterTerm is one item of a filter: what a directory must know before its answer
// is worth anything.
type FilterTerm struct {
	Attribute string
	Rule      string // matching rule, by name or number; mostly none
	Form      TermForm
	Value     string
}

// TermForm says what of a value an item asks about.
type TermForm uint8

// The forms of an item.
const (
	AsksPresence TermForm = iota // (mail=*)
	AsksPart                     // (mail=al*)
	AsksValue                    // (mail=alice@example.com), and with >=, <=, ~= or a matching rule
)

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
func ParseFilter(text string) ([]FilterTerm, error) {
	if len(text) > maxFilter {
		return nil, fmt.Errorf("filter %.40s…: longer than %d bytes", text, maxFilter)
	}
	if open := strings.IndexByte(text, '{'); open >= 0 && strings.Contains(text[open:], "}") {
		return nil, fmt.Errorf(`filter %s: placeholders are not replaced in a rule; {$VAR} is, when the Caddyfile is read, and a brace is written \7b`, text)
	}
	packet, err := ldap.CompileFilter(text)
	if err != nil {
		return nil, fmt.Errorf("filter %s: no LDAP filter such as (department=Web): %w", text, errors.Unwrap(err))
	}
	terms, err := gather(nil, packet, 0)
	if err != nil {
		return nil, fmt.Errorf("filter %s: %w", text, err)
	}
	return terms, nil
}

// gather walks a Filter, RFC 4511 4.5.1.7.
func gather(terms []FilterTerm, p *ber.Packet, depth int) ([]FilterTerm, error) {
	if depth > maxDepth {
		return nil, errors.New("nested too deep")
	}
	switch p.Tag {
	case ldap.FilterAnd, ldap.FilterOr, ldap.FilterNot:
		if len(p.Children) == 0 {
			return nil, errors.New("an empty list, which everybody fits or nobody")
		}
		for _, part := range p.Children {
			var err error
			if terms, err = gather(terms, part, depth+1); err != nil {
				return nil, err
			}
		}
		return terms, nil
	}
	term := termOf(p)
	if term.Attribute == "" && p.Tag == ldap.FilterExtensibleMatch {
		return nil, errors.New("a matching rule without an attribute")
	}
	if !identity.CheckAttribute(term.Attribute) {
		return nil, fmt.Errorf("%q is not the name of an LDAP attribute such as department", term.Attribute)
	}
	return append(terms, term), nil
}

// termOf reads an item. Its attribute description, RFC 4512 2.5, loses its options.
func termOf(p *ber.Packet) FilterTerm {
	term := FilterTerm{Form: AsksValue}
	switch p.Tag {
	case ldap.FilterPresent:
		term.Form, term.Attribute = AsksPresence, p.Data.String()
	case ldap.FilterSubstrings:
		term.Form, term.Attribute = AsksPart, p.Children[0].Data.String()
	case ldap.FilterExtensibleMatch:
		for _, part := range p.Children {
			switch part.Tag {
			case ldap.MatchingRuleAssertionMatchingRule:
				term.Rule = part.Data.String()
			case ldap.MatchingRuleAssertionType:
				term.Attribute = part.Data.String()
			case ldap.MatchingRuleAssertionMatchValue:
				term.Value = part.Data.String()
			}
		}
	default:
		term.Attribute, term.Value = p.Children[0].Data.String(), p.Children[1].Data.String()
	}
	term.Attribute, _, _ = strings.Cut(term.Attribute, ";")
	return term
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
