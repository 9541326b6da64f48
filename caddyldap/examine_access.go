package caddyldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/acl"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// Who may read the secrets of second factors, and who may write what rules ask about:
// worked out of the access control list of an ordinary account, so that nobody's password
// is needed and nothing is tried.

// watched are attributes of which an examination asks who may read and write them.
type watched struct {
	secrets  []string // of second factors
	deciding []string // rules ask about them, or roles come of them
}

// Watch has an examination look at who may read the secrets of second factors, and write
// them and what rules want to know. It is for the doctor.
func (d *Directory) Watch(secrets []string, w Wants) error {
	filters := w.Filters
	if d.User != nil && d.User.Filter != "" {
		filters = append(slices.Clip(filters), d.User.Filter)
	}
	deciding := slices.Concat(w.Attributes, d.mapping.attributes())
	for _, text := range filters {
		terms, err := policy.ParseFilter(text)
		if err != nil {
			return err
		}
		for _, term := range terms {
			deciding = append(deciding, term.Attribute)
		}
	}
	for _, name := range secrets {
		d.watched.secrets = withName(d.watched.secrets, name)
	}
	for _, name := range deciding {
		d.watched.deciding = withName(d.watched.deciding, name)
	}
	return nil
}

// guarded is an attribute as access to it is decided, [MS-ADTS] 3.1.1.2.3.
type guarded struct {
	acl.Property
	confidential bool // reading needs control access too
}

// confidentialBit is fCONFIDENTIAL of searchFlags, [MS-ADTS] 2.2.9.
const confidentialBit = 0x80

// sdFlags asks for owner, group and list of a security descriptor alone, [MS-ADTS]
// 3.1.1.3.4.1.11: the rest is for auditors.
var sdFlags = ldap.NewControlString("1.2.840.113556.1.4.801", true, "\x30\x03\x02\x01\x07")

// access looks at the watched attributes.
func (x *examination) access(ctx context.Context, c *conn, root rootDSE) {
	w := x.directory.watched
	if len(w.secrets)+len(w.deciding) == 0 {
		return
	}
	if !root.ad {
		for _, name := range w.secrets {
			x.once(Observation{Unclear, "access", "whether users may read or write " + name + " does not show at this server", "look as a user, who must see no " + name + " of anybody: ldapsearch -D <user's DN> -W " + name + "; docs/second_factor.md has the rule for OpenLDAP"})
		}
		return
	}
	g, err := x.guard(ctx, c, root)
	if err != nil {
		hint := "let the service account read permissions of users, as everybody may by default"
		if errors.Is(err, errGarbledList) {
			hint = "this server sends what no domain controller does: look whether it is one, and who may read and write the attributes with dsacls"
		}
		x.unclear("access", "the access control list of accounts could not be read: "+err.Error(), hint)
		return
	}
	for _, name := range w.secrets {
		x.secretAccess(ctx, c, root, g, name)
	}
	for _, name := range w.deciding {
		p, known, err := propertyOf(ctx, c, root, name)
		if err == nil && known && (g.list.Grants(g.owner, acl.WriteProperty, p.Property) || g.list.Grants(g.others, acl.WriteProperty, p.Property)) {
			x.once(Observation{Faulty, "access", "users may write their own " + name + ", which rules or roles go by, as of " + g.dn, "whoever may write it decides for himself: let rules ask about what administrators alone write, or take the right away"})
		}
	}
}

// secretAccess looks at one attribute that holds secrets.
func (x *examination) secretAccess(ctx context.Context, c *conn, root rootDSE, g *guard, name string) {
	const hint = "whoever reads or writes it has the second factor: take an attribute that is confidential, such as unixUserPassword, and give nobody but the service account rights on it; docs/second_factor.md says how"
	p, known, err := propertyOf(ctx, c, root, name)
	switch {
	case err != nil:
		x.unclear("access", "the schema could not be read: "+err.Error(), "")
		return
	case !known:
		x.tell(Observation{Faulty, "access", "the domain has no attribute " + name, "mend attribute in the block totp"})
		return
	}
	faults, others := 0, make(map[string]bool)
	for _, who := range []struct {
		text, whose string
		sids        []identity.SID
	}{{"any user may ", " others' ", g.others}, {"users may ", " their own ", g.owner}} {
		for _, may := range []struct {
			does, what string
			granted    bool
		}{
			{"read", name, g.reads(who.sids, p)},
			{"write", name, g.list.Grants(who.sids, acl.WriteProperty, p.Property)},
			{"change the rights on", "account", g.list.Rules(who.sids)},
		} {
			if !may.granted || others[may.does] {
				continue
			}
			faults++
			others[may.does] = true
			x.tell(Observation{Faulty, "access", who.text + may.does + who.whose + may.what + ", as of " + g.dn, hint})
		}
	}
	if faults == 0 {
		x.well("access", "neither its owner nor other users may read or write %s, as of %s", name, g.dn)
	}
	switch {
	case len(g.service) == 0:
	case !g.reads(g.service, p):
		x.tell(Observation{Faulty, "access", "the service account may not read " + name + ", as of " + g.dn, "give it Read Property and Control Access on that attribute, as docs/second_factor.md says: until then everybody who owes a second factor is refused"})
	case g.list.Grants(g.service, acl.WriteProperty, p.Property):
		x.note("access", "the service account may write "+name+", and need only read it", "")
	default:
		x.well("access", "the service account may read %s", name)
	}
}

// guard is the access control list of an ordinary account, and those who may want
// something of it.
type guard struct {
	dn                     string
	list                   *acl.Descriptor
	owner, others, service []identity.SID
}

// everyUser are the SIDs of each user besides those of his own and his groups. The last
// lets everybody in where the domain was set up so.
var everyUser = []identity.SID{identity.SIDEveryone, identity.SIDAuthenticatedUsers, parsedSID("S-1-5-32-545"), parsedSID("S-1-5-32-554")}

// selfSID is PRINCIPAL_SELF, [MS-DTYP] 2.4.2.4: in a list the owner of the account.
var selfSID = parsedSID("S-1-5-10")

// domainUsers is the number of the group of all users of a domain, [MS-DTYP] 2.4.2.4.
const domainUsers = "-513"

func parsedSID(text string) identity.SID {
	sid, _ := identity.ParseSID(text) // one that is none is nobody's
	return sid
}

// guard reads the list of the account that rights are looked at.
func (x *examination) guard(ctx context.Context, c *conn, root rootDSE) (*guard, error) {
	e, err := x.sample(ctx, c, root)
	if err != nil || e == nil {
		return nil, errors.Join(err, errNoSample)
	}
	request := ldap.NewSearchRequest(e.DN, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false, "(objectClass=*)",
		[]string{"nTSecurityDescriptor", "tokenGroups", "objectSid"}, []ldap.Control{sdFlags})
	result, err := ask(ctx, c, func(client *ldap.Conn) (*ldap.SearchResult, error) { return client.Search(request) })
	if err != nil || len(result.Entries) != 1 {
		return nil, errors.Join(err, errNoSample)
	}
	e = result.Entries[0]
	g := &guard{dn: e.DN}
	text := value(e, "nTSecurityDescriptor")
	if text == "" {
		return nil, errNoList
	}
	if g.list, err = acl.Parse([]byte(text)); err != nil {
		return nil, fmt.Errorf("%w: %w", errGarbledList, err)
	}
	own, err := sidOf(e)
	if err != nil {
		return nil, err
	}
	groups, err := sids(e, "tokenGroups")
	if err != nil {
		return nil, err
	}
	users := append(slices.Clip(everyUser), parsedSID(own.Domain().String()+domainUsers))
	g.owner, g.others = slices.Concat([]identity.SID{selfSID, own}, groups, users), users
	bound, err := readRoot(ctx, c)
	g.service = bound.token
	return g, err
}

var (
	errNoSample    = errors.New("no account is to be seen")
	errNoList      = errors.New("nTSecurityDescriptor is not to be seen")
	errGarbledList = errors.New("nTSecurityDescriptor makes no sense")
)

// reads reports whether somebody sees the values of an attribute, [MS-ADTS] 3.1.1.4.4.
func (g *guard) reads(who []identity.SID, p guarded) bool {
	return g.list.Grants(who, acl.ReadProperty, p.Property) && (!p.confidential || g.list.Grants(who, acl.ControlAccess, p.Property))
}

// propertyOf finds an attribute in the schema; known is false where there is none that
// anybody could write.
func propertyOf(ctx context.Context, c *conn, root rootDSE, name string) (p guarded, known bool, err error) {
	entries, err := c.search(ctx, "CN=Schema,"+root.config, ldap.ScopeSingleLevel,
		"(&(objectClass=attributeSchema)(!(systemFlags:"+bitAnd+":=4))(lDAPDisplayName="+ldap.EscapeFilter(name)+"))", 2,
		"schemaIDGUID", "attributeSecurityGUID", "searchFlags")
	if err != nil || len(entries) != 1 {
		return p, false, err
	}
	flags, _ := strconv.ParseInt(strings.TrimSpace(value(entries[0], "searchFlags")), 10, 64)
	p.Attribute, p.Set = value(entries[0], "schemaIDGUID"), value(entries[0], "attributeSecurityGUID")
	p.confidential = flags&confidentialBit != 0
	return p, len(p.Attribute) == 16, nil
}
