package caddyldap

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"
	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// basesOf lists where accounts may be.
func (d *Directory) basesOf(root rootDSE) []string {
	if len(d.bases) == 0 {
		return []string{root.base}
	}
	return d.bases
}

// findBy looks for the one account that fits a filter, under each base DN in
// order; nil when there is none. A base that does not exist holds nobody, and the
// next one is searched.
func (d *Directory) findBy(ctx context.Context, c *conn, root rootDSE, filter string) (*ldap.Entry, error) {
	if d.User != nil && d.User.Filter != "" {
		filter = "(&" + filter + d.User.Filter + ")"
	}
	var missing missingBases
	for _, base := range d.basesOf(root) {
		entries, err := c.search(ctx, base, ldap.ScopeWholeSubtree, filter, 2, d.reading.account...)
		switch {
		case ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject):
			if _, seen := d.seen.Load(base); seen {
				return nil, d.hidden(c.server, base, err)
			}
			missing.add(base, err)
			continue
		case errors.Is(err, errLimit) || len(entries) > 1:
			return nil, identity.Fail(identity.KindAmbiguous, errors.New("several accounts have this name under "+base))
		case err != nil:
			return nil, err
		}
		if d.service != nil { // a user's own rights show few bases
			d.seen.Store(base, true)
		}
		if len(entries) == 1 {
			return entries[0], nil
		}
	}
	return nil, d.nobodyUnder(c.server, root, missing)
}

// hidden is the error of a base that was there before and is not to be seen now, at
// this server or to whoever searches: somebody of the same name under a later
// base must not pass for whom it holds.
func (d *Directory) hidden(s *server, base string, err error) error {
	return &identity.Error{
		Kind: identity.KindProtocol, Server: s.url.Addr(), Err: fmt.Errorf("base DN %s was there before: %w", base, err),
		Hint: "give that server the entries, or the account that searches its rights, back; where the base is gone for good, take it out of base_dn",
	}
}

// missingBases are base DNs of which a server says that there is no such entry.
type missingBases struct {
	names []string
	errs  []error
}

func (m *missingBases) add(base string, err error) {
	m.names = append(m.names, base)
	m.errs = append(m.errs, fmt.Errorf("%s: %w", base, err))
}

// nobodyUnder is the error of a search that found nobody, nil unless there was
// nowhere to search. A base that is missing beside others is for the log: the
// account may have been meant to be there.
func (d *Directory) nobodyUnder(s *server, root rootDSE, missing missingBases) error {
	if len(missing.names) == 0 {
		return nil
	}
	names := strings.Join(missing.names, " and ")
	if len(missing.names) == len(d.basesOf(root)) {
		return &identity.Error{
			Kind: identity.KindProtocol, Server: s.url.Addr(),
			Err:  fmt.Errorf("no base DN exists at the server: %w", errors.Join(missing.errs...)),
			Hint: "nobody can be found: mend base_dn, which is now " + names + ", or let the account that searches read there",
		}
	}
	if d.service != nil && d.missing.due(d.now()) { // a user's own rights show few bases
		d.logger.Warn("somebody was not found, and a base DN does not exist", zap.Strings("base_dn", missing.names),
			zap.String("server", s.url.Addr()), zap.Error(errors.Join(missing.errs...)),
			zap.String("hint", "nobody is found under "+names+": mend base_dn, or let the account that searches read there"))
	}
	return nil
}
