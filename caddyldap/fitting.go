package caddyldap

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/go-ldap/ldap/v3"
	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// wantedFilter is a filter of some rule, which every account is asked about.
type wantedFilter struct {
	text  string
	terms []policy.FilterTerm
	told  atomic.Bool // that the directory cannot answer it
}

func (d *Directory) wantFilter(text string) error {
	if slices.ContainsFunc(d.filters, func(known *wantedFilter) bool { return known.text == text }) {
		return nil
	}
	terms, err := policy.ParseFilter(text)
	if err != nil {
		return err
	}
	d.filters = append(d.filters, &wantedFilter{text: text, terms: terms})
	return nil
}

// addFittings asks the directory which of the filters an account fits, and puts
// the answers into its details. The rules then decide without asking anybody.
func (d *Directory) addFittings(ctx context.Context, c *conn, root rootDSE, a *identity.Account) error {
	if len(d.filters) == 0 {
		return nil
	}
	fittings := make([]identity.Fitting, 0, len(d.filters))
	for _, f := range d.filters {
		fit, err := d.fitting(ctx, c, root, f, a.DN)
		if err != nil {
			return err
		}
		fittings = append(fittings, identity.Fitting{Filter: f.text, Fit: fit})
	}
	a.Details.Fittings = fittings
	return nil
}

// fitting asks whether one filter fits. A no counts only where the negation
// fits: a server that cannot tell finds neither of them, RFC 4511 4.5.1.7. What
// it refuses to answer is unknown; that it does not answer at all is an error.
func (d *Directory) fitting(ctx context.Context, c *conn, root rootDSE, f *wantedFilter, dn string) (identity.Fit, error) {
	senseless, err := d.senseless(ctx, c, root, f.terms)
	if err == nil && senseless != nil {
		d.tellUnanswered(f, c, senseless)
		return identity.FitUnknown, nil
	}
	fits := false
	if err == nil {
		fits, err = c.holds(ctx, dn, f.text)
	}
	if err == nil && fits {
		return identity.FitYes, nil
	}
	if err == nil && c.server.url.isCatalog() {
		return identity.FitUnknown, nil // it may not have what the filter asks about
	}
	if err == nil {
		fits, err = c.holds(ctx, dn, "(!"+f.text+")")
	}
	switch {
	case err == nil && fits:
		return identity.FitNo, nil
	case err == nil:
		err = errors.New("neither the filter nor its negation fits")
	case !isResult(err) || overloaded(err):
		return identity.FitUnknown, err
	}
	d.tellUnanswered(f, c, err)
	return identity.FitUnknown, nil
}

// overloaded reports whether a server had no time for anybody, which says nothing
// about the question. One that takes too long over this filter is not: it would
// shut out those of every other site too.
func overloaded(err error) bool {
	return ldap.IsErrorAnyOf(err, ldap.LDAPResultBusy, ldap.LDAPResultUnavailable)
}

// tellUnanswered warns once of a filter that keeps everybody out.
func (d *Directory) tellUnanswered(f *wantedFilter, c *conn, err error) {
	if f.told.Swap(true) {
		return
	}
	d.logger.Warn("a filter of a rule has no answer: whom it is asked about is kept out", zap.String("filter", f.text),
		zap.String("server", c.server.url.Addr()), zap.Error(err),
		zap.String("hint", "mend the filter, or let the account that searches read what it asks about"))
}

// holds asks an entry whether it fits a filter.
func (c *conn) holds(ctx context.Context, dn, filter string) (bool, error) {
	entries, err := c.search(ctx, dn, ldap.ScopeBaseObject, filter, 1, "1.1")
	return len(entries) == 1, err
}
