package demodir

import (
	"strconv"
	"strings"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// verdict is the three-valued truth of a filter, RFC 4511 4.5.1.7.
type verdict int

const (
	no verdict = iota
	undefined
	yes
)

func truth(b bool) verdict {
	if b {
		return yes
	}
	return no
}

// The matching rules of [MS-ADTS] 3.1.1.3.4.4.
const (
	ruleBitAnd  = "1.2.840.113556.1.4.803"
	ruleBitOr   = "1.2.840.113556.1.4.804"
	ruleInChain = "1.2.840.113556.1.4.1941"
)

// matcher applies a filter to entries, one after another.
type matcher struct {
	tree      *tree
	noInChain bool
	wanted    map[*filter]wanted // so that a filter is read once and not at each entry
}

// wanted is the value of a part of a filter, in canonical form.
type wanted struct {
	value string
	ok    bool
}

func (m *matcher) want(f *filter) (string, bool) {
	w, known := m.wanted[f]
	if !known {
		w.value, w.ok = m.tree.canonical(f.attr, f.value)
		if m.wanted == nil {
			m.wanted = make(map[*filter]wanted)
		}
		m.wanted[f] = w
	}
	return w.value, w.ok
}

func (m *matcher) match(f *filter, e *entry) verdict {
	switch f.op {
	case filterAnd, filterOr:
		return m.combine(f, e)
	case filterNot:
		return yes - m.match(f.parts[0], e)
	case filterPresent:
		return truth(values(e, f.attr) != nil)
	case filterExtensible:
		return m.extensible(f, e)
	case filterSubstrings:
		return m.substrings(f, e)
	case filterGreater, filterLess:
		return m.order(f, e)
	}
	return m.equal(f, e)
}

// combine is the least verdict of an and, the greatest of an or.
func (m *matcher) combine(f *filter, e *entry) verdict {
	all := f.op == filterAnd
	result := truth(all)
	for _, part := range f.parts {
		if v := m.match(part, e); all && v < result || !all && v > result {
			result = v
		}
		if result == truth(!all) {
			break // nothing changes that
		}
	}
	return result
}

// values lists what a filter sees of an attribute.
func values(e *entry, attr string) [][]byte {
	if a := e.get(attr); a != nil && !a.constructed {
		return a.values
	}
	return nil
}

func (m *matcher) equal(f *filter, e *entry) verdict {
	want, ok := m.want(f)
	if !ok {
		return undefined
	}
	for _, v := range values(e, f.attr) {
		if got, _ := m.tree.canonical(f.attr, v); got == want {
			return yes
		}
	}
	return no
}

func (m *matcher) order(f *filter, e *entry) verdict {
	if s := syntaxOf(f.attr); s != syntaxText && s != syntaxNumber {
		return undefined
	}
	want, ok := m.want(f)
	if !ok {
		return undefined
	}
	for _, v := range values(e, f.attr) {
		got, _ := m.tree.canonical(f.attr, v)
		c := compare(syntaxOf(f.attr), got, want)
		if c == 0 || (c > 0) == (f.op == filterGreater) {
			return yes
		}
	}
	return no
}

func compare(s syntax, a, b string) int {
	if s != syntaxNumber {
		return strings.Compare(a, b)
	}
	x, _ := strconv.ParseInt(a, 10, 64) // canonical has seen to it
	y, _ := strconv.ParseInt(b, 10, 64)
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

func (m *matcher) substrings(f *filter, e *entry) verdict {
	if syntaxOf(f.attr) != syntaxText {
		return undefined
	}
	for _, v := range values(e, f.attr) {
		if f.sub.in(identity.Fold(string(v))) {
			return yes
		}
	}
	return no
}

func (s substrings) in(text string) bool {
	text, ok := strings.CutPrefix(text, identity.Fold(string(s.initial)))
	if !ok {
		return false
	}
	for _, part := range s.any {
		if _, text, ok = strings.Cut(text, identity.Fold(string(part))); !ok {
			return false
		}
	}
	return strings.HasSuffix(text, identity.Fold(string(s.final)))
}

// extensible applies a matching rule. One that is not known matches nothing,
// and neither does its negation.
func (m *matcher) extensible(f *filter, e *entry) verdict {
	switch f.rule {
	case "":
		return m.equal(f, e)
	case ruleBitAnd:
		return m.bits(f, e, func(have, want int64) bool { return have&want == want })
	case ruleBitOr:
		return m.bits(f, e, func(have, want int64) bool { return have&want != 0 })
	case ruleInChain:
		return m.inChain(f, e)
	}
	return undefined
}

func (m *matcher) bits(f *filter, e *entry, test func(have, want int64) bool) verdict {
	want, err := strconv.ParseInt(string(f.value), 10, 64)
	if err != nil || syntaxOf(f.attr) != syntaxNumber {
		return undefined
	}
	for _, v := range values(e, f.attr) {
		have, _ := strconv.ParseInt(string(v), 10, 64)
		if test(have, want) {
			return yes
		}
	}
	return no
}

// inChain follows member downwards or memberOf upwards. Primary groups are in
// neither, as in the real thing.
func (m *matcher) inChain(f *filter, e *entry) verdict {
	if m.noInChain {
		return undefined
	}
	key, err := parseDN(string(f.value))
	if err != nil {
		return undefined
	}
	other := m.tree.byKey[key]
	switch {
	case other == nil:
		return no
	case strings.EqualFold(f.attr, "member"):
		return truth(other.nested().has[e])
	case strings.EqualFold(f.attr, "memberOf"):
		return truth(e.nested().has[other])
	}
	return undefined
}
