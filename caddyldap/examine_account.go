package caddyldap

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ldapsasl"
)

// account binds the service account at one server and looks at what it may do.
func (x *examination) account(ctx context.Context, s *server, root rootDSE) {
	d := x.directory
	if d.service == nil {
		x.once(Observation{Unclear, "service", "no service_account: base DNs, rights and NTLM are tried by the first user", "caddy windows-auth check-user tries them with a user's password"})
		return
	}
	if x.refusals.Of(d) != nil {
		x.unclear("service", "not tried here: the account was refused, and each try counts towards its lockout", "")
		return
	}
	c, secret, err := x.bind(ctx, s)
	if err != nil {
		x.fault("service", err)
		if kind := identity.KindOf(err); d.ServiceAccount.Mechanism != accountNTLM && d.ServiceAccount.Mechanism != accountKerberos {
			x.usable[s] = kind.AboutAccount() || kind == identity.KindServiceAccount // else users' binds fail so too
		}
		return
	}
	defer c.close()
	x.well("service", "%s binds", d.service.name)
	if err := d.learn(ctx, c, root); err != nil {
		x.fault("service", diagnose(s, searching, err))
		return
	}
	if err := d.testBases(ctx, c); err != nil {
		x.fault("base_dn", diagnose(s, searching, err))
	} else {
		x.well("base_dn", "%s", strings.Join(d.basesOf(root), " and "))
		x.rights(ctx, c, root)
		x.access(ctx, c, root)
	}
	x.lockout(ctx, c, root)
	x.machineAccount(ctx, c, root)
	x.tickets(ctx, c, root)
	x.ntlm(ctx, s, root, secret)
}

// once tells what is the same at each server.
func (x *examination) once(o Observation) {
	if !x.told[o] {
		x.told[o] = true
		x.tell(o)
	}
}

// bind binds the account. One that was refused is not tried at another server.
func (x *examination) bind(ctx context.Context, s *server) (*conn, identity.Secret, error) {
	d := x.directory
	secret, err := d.service.account.evidence()
	if err != nil {
		x.refusals[d.serviceKey()] = err
		return nil, secret, identity.Fail(identity.KindServiceAccount, err)
	}
	c, err := d.connect(ctx, s)
	if err != nil {
		return nil, secret, err
	}
	if err := d.service.account.bind(ctx, c, secret); err != nil {
		c.close()
		if !unanswered(err) {
			x.refusals[d.serviceKey()] = err
		}
		return nil, secret, x.serviceError(err)
	}
	return c, secret, nil
}

// serviceError is a refusal of the account, with a cure.
func (x *examination) serviceError(err error) error {
	if e, ok := errors.AsType[*identity.Error](err); ok && e.Hint != "" || unanswered(err) {
		return err
	}
	return &identity.Error{Kind: identity.KindServiceAccount, Err: err, Hint: "check name and secret of service_account " + x.directory.service.name}
}

// rights reads what log-ins and refreshes read, of one account that is there.
func (x *examination) rights(ctx context.Context, c *conn, root rootDSE) {
	e, err := x.sample(ctx, c, root)
	switch {
	case err != nil:
		x.fault("rights", diagnose(c.server, searching, err))
		return
	case e == nil:
		x.tell(Observation{Faulty, "rights", "no account is to be seen under base_dn", "mend base_dn or the filter of user, or let the service account read users"})
		return
	case !root.ad:
		x.well("rights", "accounts can be read, such as %s", e.DN)
		x.groupsSeen(ctx, c, root)
		return
	}
	var missing []string
	if err := showsStanding(root, e); err != nil {
		x.fault("rights", err)
		missing = append(missing, "userAccountControl")
	}
	if token, err := c.entry(ctx, e.DN, "tokenGroups"); err != nil || token == nil || value(token, "tokenGroups") == "" {
		x.note("rights", "the service account may not read tokenGroups of "+e.DN, "make it a member of Windows Authorization Access Group: groups of other domains do not show otherwise, and users may have to log in again and again")
		missing = append(missing, "tokenGroups")
	}
	if value(e, "memberOf") == "" {
		x.note("rights", "no account shows memberOf", "let the service account read group memberships, where anybody is in a group")
		missing = append(missing, "memberOf")
	}
	if len(missing) == 0 {
		x.well("rights", "userAccountControl, tokenGroups and memberOf can be read, as of %s", e.DN)
	}
}

// sample is an account, where one can be with groups; nil without any.
func (x *examination) sample(ctx context.Context, c *conn, root rootDSE) (*ldap.Entry, error) {
	d := x.directory
	filters := []string{"(" + d.loginAttribute(root) + "=*)"}
	if root.ad {
		const person = "(&(objectCategory=person)(objectClass=user)(!(userAccountControl:" + bitAnd + ":=2))"
		filters = []string{person + "(memberOf=*)(!(adminCount=1)))", person + ")", filters[0]}
	}
	for _, filter := range filters {
		if d.User != nil && d.User.Filter != "" {
			filter = "(&" + filter + d.User.Filter + ")"
		}
		for _, base := range d.basesOf(root) {
			entries, err := c.some(ctx, base, filter, 1, d.reading.account...)
			if err != nil {
				return nil, err
			}
			if len(entries) > 0 {
				return entries[0], nil
			}
		}
	}
	return nil, nil
}

// some is a search that is content with the first of more entries.
func (c *conn) some(ctx context.Context, base, filter string, limit int, attributes ...string) ([]*ldap.Entry, error) {
	request := ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, limit, 0, false, filter, attributes, nil)
	request.EnforceSizeLimit = true
	result, err := ask(ctx, c, func(client *ldap.Conn) (*ldap.SearchResult, error) {
		result, err := client.Search(request)
		if errors.Is(err, ldap.ErrSizeLimitExceeded) || ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded) {
			err = nil
		}
		return result, err
	})
	if err != nil || result == nil {
		return nil, err
	}
	return result.Entries, nil
}

// groupsSeen looks for any group at all.
func (x *examination) groupsSeen(ctx context.Context, c *conn, root rootDSE) {
	for _, base := range x.directory.groupBases(root, "") {
		entries, err := c.some(ctx, base.dn, anyGroup, 1, "1.1")
		if err != nil && (base.needed || !ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject)) {
			x.fault("groups", diagnose(c.server, searching, err))
			return
		}
		if len(entries) > 0 {
			x.well("groups", "groups can be seen, such as %s", entries[0].DN)
			return
		}
	}
	x.note("groups", "no group is to be seen", "let the service account read groups, where rules name any")
}

// ntlm logs the service account in as clients would, by its right password: first
// as one that sends no channel binding, then as a browser on HTTPS, which sends
// that of a connection that the controller does not know.
func (x *examination) ntlm(ctx context.Context, s *server, root rootDSE, secret identity.Secret) {
	d := x.directory
	r, ok := d.NTLMVerifier().(*Relay)
	switch {
	case !ok:
		return
	case len(root.sasl) > 0 && !slices.Contains(root.sasl, ldapsasl.Mechanism):
		x.relay[s] = Faulty // told by testRoot
		return
	case !d.knowsPassword():
		x.relay[s] = Unclear
		x.unclear("ntlm", "not tried: a service account without a password, or named by a DN, cannot log in by NTLM", "")
		return
	}
	unbound, bound := r.at(ctx, s, secret)
	if unbound != nil {
		x.relay[s] = Faulty
		x.fault("ntlm", unbound)
		return
	}
	x.relay[s] = Well
	switch {
	case bound == nil:
		x.well("ntlm", "the relay works; neither signing nor channel binding is enforced on this connection")
	case identity.KindOf(bound) == identity.KindChannelBinding:
		e, _ := errors.AsType[*identity.Error](bound)
		x.tell(Observation{Faulty, "ntlm", e.Err.Error(), e.Hint})
	default:
		x.unclear("ntlm", "the relay works for clients without channel binding; with one: "+bound.Error(), "")
	}
}
