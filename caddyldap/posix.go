package caddyldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// posixGroups adds the groups that know their members by their log-in names, or
// are the primary group of the account, RFC 2307 2.2 (posixGroup: memberUid,
// gidNumber), and returns their DNs. Active Directory is not asked: there the
// attributes mean nothing to Windows.
func (s *groupSearch) posixGroups(ctx context.Context, p person, found map[string]*ldap.Entry) ([]string, error) {
	if s.ad {
		return nil, nil
	}
	name := oneValue(p.entry, "uid") // one: a further uid may be another account's
	entries, err := s.posixGroupsBy(ctx, posixTerm("memberUid", name)+posixTerm("gidNumber", value(p.entry, "gidNumber")))
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	if name != "" {
		if err := s.checkMember(ctx, name); err != nil {
			return nil, err
		}
	}
	var fresh []string
	for _, e := range entries {
		if key := identity.Fold(e.DN); found[key] == nil {
			found[key] = e
			fresh = append(fresh, e.DN)
		}
	}
	return fresh, nil
}

// posixTerm asks for the groups that have a value; nothing where there is none.
func posixTerm(attribute, value string) string {
	if value == "" {
		return ""
	}
	return "(" + attribute + "=" + ldap.EscapeFilter(value) + ")"
}

func (s *groupSearch) posixGroupsBy(ctx context.Context, terms string) ([]*ldap.Entry, error) {
	if terms == "" {
		return nil, nil
	}
	return s.groups(ctx, "(&(objectClass=posixGroup)(|"+terms+"))")
}

// checkMember refuses an account whose uid another one has too, where a group
// names a member by it: nobody can tell whom it means. It looks in all that the
// groups are looked for in, and so beyond the base DNs, within which the log-in
// name is the account's alone.
func (s *groupSearch) checkMember(ctx context.Context, uid string) error {
	named, err := s.all(ctx, "(uid="+ldap.EscapeFilter(uid)+")", "objectClass")
	if err != nil && !errors.Is(err, errLimit) {
		return err
	}
	if err == nil && !sharesUID(named, s.account) {
		return nil
	}
	groups, err := s.posixGroupsBy(ctx, posixTerm("memberUid", uid))
	if err != nil || len(groups) == 0 {
		return err
	}
	return &identity.Error{
		Kind: identity.KindAmbiguous, Err: fmt.Errorf("%.512q has memberUid %.128q, which is not the uid of %.512q alone", groups[0].DN, uid, s.account),
		Hint: "two accounts of the directory have this uid: rename one, or name the members of the group by their DNs (groupOfNames)",
	}
}

// sharesUID reports whether others could be meant by a uid that an account has:
// another posixAccount, which memberUid is for, or anybody where the account
// itself is none.
func sharesUID(named []*ldap.Entry, dn string) bool {
	isPosix := func(e *ldap.Entry) bool {
		return slices.ContainsFunc(e.GetEqualFoldAttributeValues("objectClass"), func(class string) bool { return strings.EqualFold(class, "posixAccount") })
	}
	isSelf := func(e *ldap.Entry) bool { return identity.Fold(e.DN) == identity.Fold(dn) }
	self := slices.IndexFunc(named, isSelf)
	posixAlone := self >= 0 && isPosix(named[self])
	return slices.ContainsFunc(named, func(e *ldap.Entry) bool { return !isSelf(e) && (!posixAlone || isPosix(e)) })
}
