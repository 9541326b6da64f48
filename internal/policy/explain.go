package policy

import (
	"fmt"
	"strings"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// Verdict is what a line of a rule says of an account.
type Verdict uint8

// The verdicts. Nobody gets in by an Unknown line, and a none that holds one keeps
// people out: the door decides so too. Unseen is what the door would see, and
// whoever looks an account up without its password does not.
const (
	FitsNot Verdict = iota
	Fits
	Unknown
	Unseen
)

// Finding is a line of a rule, or a block of lines, and what it says of an
// account.
type Finding struct {
	Rule    string // the line, or the word before a block
	Verdict Verdict
	Why     string // may be empty
	Lines   []Finding
}

// Explain decides as Decide does and says why, line by line. loggedIn says that
// the identity comes from a log-in, which alone shows every SID.
func (p *Policy) Explain(id *identity.Identity, scope Scope, loggedIn bool) Finding {
	return p.root.explain(&onlooker{id, scope, loggedIn})
}

// onlooker is what an account is explained by.
type onlooker struct {
	id       *identity.Identity
	scope    Scope
	loggedIn bool
}

// line is the finding of a node without lines of its own.
func (o *onlooker) line(n node, why string) Finding {
	f := Finding{Rule: n.String(), Why: why}
	switch _, fits := n.match(o.id, o.scope); {
	case fits:
		f.Verdict = Fits
	case n.unsure(o.id):
		f.Verdict = Unknown
	}
	return f
}

func (v validUser) explain(o *onlooker) Finding { return o.line(v, "") }

func (u users) explain(o *onlooker) Finding {
	for i := range u.names {
		if n := &u.names[i]; n.form == bare && n.text == o.id.Folded().SAM && !n.isUser(o.id, o.scope) {
			return o.line(u, fmt.Sprintf("a bare name is an account of %s, the site's first directory, and this one is %s", o.scope.First, o.id.Logon()))
		}
	}
	f := o.line(u, "the account is "+o.id.Logon())
	if f.Verdict == Unknown {
		f.Why += ", whose name resembles the rule's in letters that some directories take for the same: write it as the directory does"
	}
	return f
}

func (g groups) explain(o *onlooker) Finding {
	for i := range g.names {
		if g.names[i].isGroup(o.id) {
			return o.line(g, "a member of "+g.texts[i])
		}
	}
	return o.orHidden(o.line(g, "no member"), g.names)
}

// orHidden adds to a no what may be hidden from it.
func (o *onlooker) orHidden(f Finding, names []name) Finding {
	switch {
	case f.Verdict == Unknown:
		f.Why = "the account is in a group that could not be read, or whose name resembles this one, which may be this one"
	case o.unseen(names):
		f.Verdict, f.Why = Unseen, "shows at a log-in alone"
	}
	return f
}

func (s sids) explain(o *onlooker) Finding {
	for i := range s.names {
		if o.id.InSID(s.names[i].sid) {
			return o.line(s, "has "+s.texts[i])
		}
	}
	return o.orHidden(o.line(s, "has none of them"), s.names)
}

// unseen reports whether one of the names may be in the security token that a
// log-in gets, and cannot show before it: SIDs of no domain, and, where the
// account's token could not be read, those of other domains.
func (o *onlooker) unseen(names []name) bool {
	if o.loggedIn || o.id.SID.IsZero() {
		return false
	}
	for i := range names {
		n := &names[i]
		switch {
		case n.form == bySID && !n.sid.IsOfDomain():
			if n.sid.Domain() != identity.SIDBuiltin {
				return true
			}
		case o.id.ByToken:
		case n.form == bySID:
			if n.sid.Domain() != o.id.SID.Domain() {
				return true
			}
		case n.form == dn && !n.isOwnDN(o.id), n.form == inDomain && n.isForeign(o.id):
			return true
		}
	}
	return false
}

func (r roles) explain(o *onlooker) Finding {
	f := o.line(r, "has no role")
	switch has := o.id.Roles(); {
	case f.Verdict == Unknown:
		f.Why = "the map could not see all values of an attribute"
	case len(has) > 0:
		f.Why = "roles: " + strings.Join(has, ", ")
	}
	return f
}

func (a attribute) explain(o *onlooker) Finding {
	const shown = 5
	f := o.line(a, "the entry shows no "+a.name)
	values, asked := o.id.Attribute(a.name)
	switch {
	case f.Verdict == Unknown && !asked:
		f.Why = "the directory was not asked"
	case f.Verdict == Unknown && o.id.KnowsValues(a.name):
		f.Why = "a value resembles the rule's in letters that some directories take for the same: write it as the directory does"
	case f.Verdict == Unknown:
		f.Why = "not all values could be read"
	case len(values) > shown:
		f.Why = fmt.Sprintf("%s has %d values", a.name, len(values))
	case len(values) > 0:
		f.Why = fmt.Sprintf("%s is %.300s", a.name, quoted("", values)[1:])
	}
	return f
}

func (f filter) explain(o *onlooker) Finding {
	finding := o.line(f, "so says the directory")
	if finding.Verdict == Unknown {
		finding.Why = "the directory gives no answer: the filter asks for what it does not know, or what the account that searches may not read"
	}
	return finding
}

// inner explains the lines of a block.
func (b block) inner(word string, o *onlooker) Finding {
	f := Finding{Rule: word, Lines: make([]Finding, len(b.children))}
	for i, child := range b.children {
		f.Lines[i] = child.explain(o)
	}
	return f
}

// count counts the lines that have a verdict.
func (f *Finding) count(v Verdict) int {
	n := 0
	for i := range f.Lines {
		if f.Lines[i].Verdict == v {
			n++
		}
	}
	return n
}

func (a allOf) explain(o *onlooker) Finding {
	f := a.inner("all", o)
	switch {
	case f.count(FitsNot)+f.count(Unknown) > 0:
	case f.count(Unseen) > 0:
		f.Verdict = Unseen
	default:
		f.Verdict = Fits
	}
	return f
}

func (a anyOf) explain(o *onlooker) Finding {
	f := a.inner("any", o)
	switch {
	case f.count(Fits) > 0:
		f.Verdict = Fits
	case f.count(Unseen) > 0:
		f.Verdict = Unseen
	}
	return f
}

func (n none) explain(o *onlooker) Finding {
	f := n.inner("none", o)
	for i, child := range n.children {
		if f.Lines[i].Verdict != Fits && child.unsure(o.id) {
			f.Why = "what nobody can tell keeps people out"
			return f
		}
	}
	switch {
	case f.count(Fits) > 0:
	case f.count(Unseen) > 0:
		f.Verdict = Unseen
	default:
		f.Verdict = Fits
	}
	return f
}
