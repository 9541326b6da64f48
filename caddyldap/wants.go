package caddyldap

import (
	"fmt"
	"slices"

	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// maxFilters bounds what all rules together have asked: each filter is a
// question at every log-in.
const maxFilters = 32

// Wants are what rules and forwarded headers need to be known of an account.
type Wants struct {
	Attributes []string // of rules
	Forwarded  []string // attributes of headers
	Filters    []string // LDAP filters, which the directory is asked
	Groups     []policy.NamedGroup
	Roles      []policy.NamedRole
}

// WantsOf are the wants of a rule.
func WantsOf(r policy.Rule) Wants {
	return Wants{Attributes: r.Attributes(), Filters: r.Filters(), Groups: r.Groups(), Roles: r.Roles()}
}

// Add joins wants.
func (w *Wants) Add(more Wants) {
	w.Attributes = append(w.Attributes, more.Attributes...)
	w.Forwarded = append(w.Forwarded, more.Forwarded...)
	w.Groups = append(w.Groups, more.Groups...)
	w.Roles = append(w.Roles, more.Roles...)
	for _, f := range more.Filters {
		if !slices.Contains(w.Filters, f) {
			w.Filters = append(w.Filters, f)
		}
	}
}

// Want has all directories find out what a rule asks about: sites share them,
// and a rule alone in a route does not know whose it is. It is called while the
// configuration loads, before Start.
func (a *App) Want(w Wants) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.wanted.Add(w)
	if n := len(a.wanted.Filters); n > maxFilters {
		return fmt.Errorf("require: %d different filters in all rules, and at most %d are asked at a log-in: make one of several with (&…) or (|…)", n, maxFilters)
	}
	for _, d := range a.all() {
		if err := d.want(w); err != nil {
			return err
		}
	}
	return nil
}

// want has a directory read attributes and ask filters.
func (d *Directory) want(w Wants) error {
	if err := d.checkConcealed(w.Attributes, byRule); err != nil {
		return err
	}
	if err := d.checkConcealed(w.Forwarded, byForward); err != nil {
		return err
	}
	d.asked.Add(Wants{Attributes: w.Attributes, Forwarded: w.Forwarded})
	if names := slices.Concat(w.Attributes, w.Forwarded); len(names) > 0 {
		d.wantAttributes(names)
	}
	for _, text := range w.Filters {
		if err := d.wantFilter(text); err != nil {
			return err
		}
	}
	d.setPrint()
	return nil
}
