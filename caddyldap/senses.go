package caddyldap

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// sense is one of the ways in which a controller may understand a claimed name: as
// the value of an attribute.
type sense struct{ attribute, value string }

// senses are the ways in which simple binds, NTLM and Kerberos take a name in Active
// Directory, [MS-ADTS] 5.1.1.1.1, in the order in which they go before each other. More
// are here than any controller tries: nobody gets in by this, it is for counting.
func senses(n identity.Name, dns string) []sense {
	whole := n.String()
	user, _, isUPN := n.UPN()
	var list []sense
	add := func(attribute, value string) {
		if strings.TrimSpace(value) != "" {
			list = append(list, sense{attribute, value})
		}
	}
	if end := strings.Index(whole, ">"); strings.HasPrefix(whole, "<") && end > 0 { // <SID=…>, [MS-ADTS] 3.1.1.3.1.2.4
		add("distinguishedName", whole[:end+1])
	} else if strings.Contains(whole, "=") {
		add("distinguishedName", whole)
	}
	if sid, err := identity.ParseSID(strings.ToUpper(whole)); err == nil {
		list = append(list, sense{"objectSid", sid.String()})
	}
	switch {
	case isUPN && n.Domain == "":
		add("userPrincipalName", n.User)
		add("sAMAccountName", user)
		add("sAMAccountName", n.User)
	case isUPN:
		add("sAMAccountName", n.User)
		add("userPrincipalName", n.User)
		add("sAMAccountName", user)
	default:
		add("sAMAccountName", n.User)
		add("userPrincipalName", n.User+"@"+dns)
		add("sAMAccountName", n.User+"$") // as KDCs look for machine accounts, [MS-KILE] 3.3.5.6.1
	}
	if first, rest, ok := strings.Cut(whole, "/"); ok && strings.EqualFold(strings.TrimSpace(first), dns) {
		_, last, _ := cutLast("/"+rest, "/")
		add("name", last) // the last part of a canonical name
	} else if ok {
		add("servicePrincipalName", whole)
	}
	if isUPN || n.Domain != "" {
		add("displayName", whole)
	}
	return list
}

func (s sense) filter() string {
	if s.attribute == "objectSid" {
		sid, _ := identity.ParseSID(s.value)
		return "(objectSid=" + escapeBytes(sid.Bytes()) + ")"
	}
	return "(" + s.attribute + "=" + ldap.EscapeFilter(s.value) + ")"
}

// fits reports whether an entry is meant in this sense, as generously as names are
// counted.
func (s sense) fits(e *ldap.Entry, whole string) bool {
	switch s.attribute {
	case "distinguishedName":
		return spell(policy.FoldDN(s.value)) == spell(policy.FoldDN(e.DN))
	case "objectSid":
		sid, err := sidOf(e)
		return err == nil && sid.String() == s.value
	case "name":
		return spell(canonicalName(e.DN)) == spell(whole)
	}
	want := spell(s.value)
	for _, value := range e.GetEqualFoldAttributeValues(s.attribute) {
		if spell(value) == want {
			return true
		}
	}
	return false
}

// canonicalName writes a DN as example.com/Staff/Alice Adams, [MS-ADA1] 2.98.
func canonicalName(dn string) string {
	parsed, err := ldap.ParseDN(dn)
	if err != nil {
		return ""
	}
	path := ""
	for _, rdn := range parsed.RDNs {
		if len(rdn.Attributes) != 1 || strings.EqualFold(rdn.Attributes[0].Type, "DC") {
			continue
		}
		path = "/" + strings.ReplaceAll(rdn.Attributes[0].Value, "/", `\/`) + path
	}
	return dnsFromDN(dn) + path
}

// maxNamesakes is how many accounts one name may mean before it means none: a
// controller lets nobody in by a name of several.
const maxNamesakes = 8

// soughtAttributes are read of an account that a name may mean: nothing that takes a
// controller longer than to find nobody.
var soughtAttributes = []string{"objectSid", "sAMAccountName", "sAMAccountType", "userPrincipalName", "displayName", "servicePrincipalName"}

// findMeant looks for the account that a controller would take a name for, in the
// whole domain: base_dn and filter say who gets in, and a wrong password counts for
// everybody. It is one search, whoever has the name or nobody. nil where nobody has it.
func findMeant(ctx context.Context, c *conn, root rootDSE, n identity.Name) (*ldap.Entry, error) {
	list := senses(n, dnsFromDN(root.base))
	if len(list) == 0 {
		return nil, nil
	}
	var filter strings.Builder
	filter.WriteString("(|")
	for _, s := range list {
		filter.WriteString(s.filter())
	}
	filter.WriteString(")")
	entries, err := c.search(ctx, root.base, ldap.ScopeWholeSubtree, filter.String(), maxNamesakes, soughtAttributes...)
	if errors.Is(err, errLimit) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return likeliest(entries, root, list, n.String()), nil
}

// likeliest is the account that fits the first of the senses: a controller compares as
// it likes, so that one that seems to fit none may still be meant.
func likeliest(entries []*ldap.Entry, root rootDSE, list []sense, whole string) (found *ldap.Entry) {
	best := len(list) + 1
	byPath := slices.ContainsFunc(list, func(s sense) bool { return s.attribute == "name" })
	for _, e := range entries {
		if !isAccount(e) || !isOfDomain(e.DN, root.base) {
			continue
		}
		rank := len(list)
		for i, s := range list {
			if s.fits(e, whole) {
				rank = i
				break
			}
		}
		if rank == len(list) && byPath {
			continue // of the same name in another place
		}
		if found == nil || rank < best || rank == best && e.DN < found.DN {
			found, best = e, rank
		}
	}
	return found
}
