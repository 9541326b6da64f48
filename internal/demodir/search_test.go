package demodir

import (
	"slices"
	"strings"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/go-ldap/ldap/v3"
)

const aliceDN = "CN=Alice Archer,OU=Staff,DC=example,DC=test"

// read asks for one entry.
func read(c *ldap.Conn, base, filter string, attrs ...string) (*ldap.Entry, error) {
	found, err := c.Search(&ldap.SearchRequest{BaseDN: base, Filter: filter, Attributes: attrs})
	if err != nil || len(found.Entries) == 0 {
		return nil, err
	}
	return found.Entries[0], nil
}

func mustRead(t *testing.T, c *ldap.Conn, base string, attrs ...string) *ldap.Entry {
	t.Helper()
	e, err := read(c, base, "(objectClass=*)", attrs...)
	if err != nil || e == nil {
		t.Fatalf("reading %s: %v", base, err)
	}
	return e
}

// names gives the names of what a subtree search finds.
func names(t *testing.T, c *ldap.Conn, base, filter string) []string {
	t.Helper()
	found, err := c.Search(&ldap.SearchRequest{BaseDN: base, Scope: ldap.ScopeWholeSubtree, Filter: filter, Attributes: []string{"name"}})
	if err != nil {
		t.Fatalf("%s: %v", filter, err)
	}
	var all []string
	for _, e := range found.Entries {
		all = append(all, e.GetAttributeValue("name"))
	}
	slices.Sort(all)
	return all
}

func sids(t *testing.T, raw [][]byte) []string {
	t.Helper()
	var all []string
	for _, b := range raw {
		sid, err := identity.SIDFromBytes(b)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, sid.String())
	}
	return all
}

func TestRootDSE(t *testing.T) {
	s := start(t)
	e := mustRead(t, dialURL(t, s.LDAP()), "")
	for name, want := range map[string]string{
		"defaultNamingContext":       "DC=example,DC=test",
		"rootDomainNamingContext":    "DC=example,DC=test",
		"configurationNamingContext": "CN=Configuration,DC=example,DC=test",
		"schemaNamingContext":        "CN=Schema,CN=Configuration,DC=example,DC=test",
		"dnsHostName":                "dc1.example.test",
		"supportedSASLMechanisms":    "GSS-SPNEGO",
		"supportedCapabilities":      "1.2.840.113556.1.4.800",
		"supportedControl":           "1.2.840.113556.1.4.319",
		"supportedLDAPVersion":       "3",
		"tokenGroups":                "",
	} {
		if got := e.GetAttributeValue(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if got := mustRead(t, dial(t, s), "", "tokenGroups").Attributes; len(got) != 0 {
		t.Errorf("nobody's tokenGroups: got %v", got)
	}
}

func TestRootDSEToken(t *testing.T) {
	s := start(t)
	domain := s.tree.domainSID.String()
	c := dial(t, s)
	if err := c.Bind(`EXAMPLE\carol`, "Secr3t-carol"); err != nil {
		t.Fatal(err)
	}
	got := sids(t, mustRead(t, c, "", "tokenGroups").GetRawAttributeValues("tokenGroups"))
	want := []string{domain + "-1106"}
	for _, group := range []string{"HR Board", "HR Managers", "HR", "Staff"} {
		want = append(want, s.tree.wellKnown(group).sid.String())
	}
	want = append(want, domain+"-513", "S-1-5-32-545", "S-1-1-0", "S-1-5-2", "S-1-5-11")
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestEntryTokenGroups(t *testing.T) {
	s := start(t)
	c := bound(t, s)
	e := mustRead(t, c, "CN=Dave Dunn,OU=Staff,DC=example,DC=test", "tokenGroups", "objectSid")
	got := sids(t, e.GetRawAttributeValues("tokenGroups"))
	want := []string{s.tree.wellKnown("Staff").sid.String(), "S-1-5-32-544", s.tree.domainSID.String() + "-513", "S-1-5-32-545"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := mustRead(t, c, aliceDN, "*").GetRawAttributeValues("tokenGroups"); len(got) != 0 {
		t.Errorf("tokenGroups unasked: got %v", got)
	}
	found, err := c.Search(&ldap.SearchRequest{BaseDN: s.BaseDN(), Scope: ldap.ScopeWholeSubtree,
		Filter: "(sAMAccountName=alice)", Attributes: []string{"tokenGroups"}})
	if err != nil || len(found.Entries) != 1 || len(found.Entries[0].Attributes) != 0 {
		t.Errorf("in a subtree search: got %v, %v, want none", found, err)
	}
}

func TestNoTokenGroups(t *testing.T) {
	c := bound(t, start(t, func(c *Config) { c.NoTokenGroups = true }))
	for _, base := range []string{"", aliceDN} {
		if got := mustRead(t, c, base, "tokenGroups").Attributes; len(got) != 0 {
			t.Errorf("%q: got %v, want none", base, got)
		}
	}
}

func TestUserEntry(t *testing.T) {
	s := start(t)
	e := mustRead(t, bound(t, s), "CN=Bob Baker,OU=Staff,DC=example,DC=test")
	for name, want := range map[string][]string{
		"objectClass":        {"top", "person", "organizationalPerson", "user"},
		"sAMAccountName":     {"bob"},
		"sAMAccountType":     {"805306368"},
		"userPrincipalName":  {"bob.baker@example.test"},
		"displayName":        {"Bob Baker"},
		"cn":                 {"Bob Baker"},
		"mail":               {"bob@example.test"},
		"distinguishedName":  {"CN=Bob Baker,OU=Staff,DC=example,DC=test"},
		"primaryGroupID":     {"513"},
		"userAccountControl": {"512"},
		"objectSid":          {string(s.tree.rid(1105).Bytes())},
		"memberOf":           {"CN=Staff,OU=Groups,DC=example,DC=test", "CN=Power Users,OU=Groups,DC=example,DC=test"},
	} {
		if got := e.GetAttributeValues(name); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if e := mustRead(t, bound(t, s), aliceDN, "userPrincipalName"); len(e.Attributes) != 0 {
		t.Error("an implicit userPrincipalName is shown")
	}
}

func TestFilters(t *testing.T) {
	s := start(t)
	c := bound(t, s)
	hr := "CN=HR,OU=Groups,DC=example,DC=test"
	sid := s.tree.domainSID.String() + "-1104"
	for filter, want := range map[string][]string{
		"(sAMAccountName=ALICE)":                             {"Alice Archer"},
		"(SAMACCOUNTNAME=alice)":                             {"Alice Archer"},
		"(sAMAccountName=ZOË)":                               {"Zoë Müller"},
		"(sAMAccountName=nobody)":                            nil,
		"(&(objectClass=user)(cn=Fox, Frank \\28Sales\\29))": {"Fox, Frank (Sales)"},
		"(userPrincipalName=*)":                              {"Bob Baker"},
		"(sAMAccountName=a*e)":                               {"Alice Archer"},
		"(sAMAccountName=*aro*)":                             {"Carol Cole"},
		"(cn=*a*l*c*)":                                       {"Alice Archer", "Carol Cole", "Magic locked"},
		"(|(sAMAccountName=alice)(sAMAccountName=bob))":      {"Alice Archer", "Bob Baker"},
		"(&(objectClass=user)(!(mail=*)))":                   {"Guest"},
		"(&)":                                                nil,
		"(objectSid=" + sid + ")":                            {"Alice Archer"},
		"(objectSid=" + escaped(s.tree.rid(1104)) + ")":      {"Alice Archer"},
		"(distinguishedName=cn=alice archer,OU=Staff, dc=example,dc=TEST)":            {"Alice Archer"},
		"(memberOf=cn=hr board,ou=groups,dc=example,dc=test)":                         {"Carol Cole"},
		"(memberOf:1.2.840.113556.1.4.1941:=" + hr + ")":                              {"Carol Cole", "HR Board", "HR Managers"},
		"(member:1.2.840.113556.1.4.1941:=CN=Carol Cole,OU=Staff,DC=example,DC=test)": {"HR", "HR Board", "HR Managers", "Staff"},
		"(member:1.2.840.113556.1.4.1941:=CN=Nobody,DC=example,DC=test)":              nil,
		"(userAccountControl:1.2.840.113556.1.4.803:=2)":                              {"Guest", "Magic disabled"},
		"(groupType:1.2.840.113556.1.4.803:=2147483648)":                              allGroups(),
		"(groupType:1.2.840.113556.1.4.804:=5)":                                       {"Administrators", "Guests", "Power Users", "Users"},
		"(!(sAMAccountName:1.2.3.4:=alice))":                                          nil,
		"(&(sAMAccountName>=carol)(sAMAccountName<=dave)(objectCategory=person))":     {"Carol Cole", "Dave Dunn"},
		"(&(userAccountControl>=513)(sAMAccountName=*))":                              {"Guest", "Magic disabled"},
		"(userAccountControl=none)":                                                   nil,
		"(sAMAccountType=536870912)":                                                  {"Administrators", "Guests", "Power Users", "Users"},
		"(&(objectCategory=group)(cn=HR))":                                            {"HR"},
		"(sAMAccountName:=alice)":                                                     {"Alice Archer"},
		"(sAMAccountName~=alice)":                                                     {"Alice Archer"},
		"(objectClass=domainDNS)":                                                     {"example"},
		"(objectClass=crossRef)":                                                      nil, // another naming context
		"(tokenGroups=*)":                                                             nil,
	} {
		t.Run(filter, func(t *testing.T) {
			if filter == "(&)" {
				want = names(t, c, s.BaseDN(), "(objectClass=*)")
			}
			if got := names(t, c, s.BaseDN(), filter); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func allGroups() []string {
	return []string{"Administrators", "Domain Admins", "Domain Guests", "Domain Users", "Guests", "HR", "HR Board",
		"HR Managers", "Power Users", "Remote Staff", "Sales, Europe (North)", "Staff", "Users"}
}

func escaped(sid identity.SID) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for _, octet := range sid.Bytes() {
		b.WriteString(`\` + string(digits[octet>>4]) + string(digits[octet&15]))
	}
	return b.String()
}

func TestNoInChain(t *testing.T) {
	c := bound(t, start(t, func(c *Config) { c.NoInChain = true }))
	for _, filter := range []string{
		"(member:1.2.840.113556.1.4.1941:=" + aliceDN + ")",
		"(!(member:1.2.840.113556.1.4.1941:=" + aliceDN + "))",
	} {
		if got := names(t, c, "DC=example,DC=test", filter); got != nil {
			t.Errorf("%s: got %v, want none", filter, got)
		}
	}
}

func TestInChainBase(t *testing.T) {
	c := bound(t, start(t))
	for group, want := range map[string]bool{"HR": true, "Staff": true, "HR Board": true, "Power Users": false} {
		filter := "(memberOf:1.2.840.113556.1.4.1941:=CN=" + group + ",OU=Groups,DC=example,DC=test)"
		e, err := read(c, "CN=Carol Cole,OU=Staff,DC=example,DC=test", filter, "1.1")
		if err != nil || (e != nil) != want {
			t.Errorf("%s: got %v, %v, want %v", group, e, err, want)
		}
		if e != nil && len(e.Attributes) != 0 {
			t.Errorf("1.1: got %v", e.Attributes)
		}
	}
}

func TestScopes(t *testing.T) {
	c := bound(t, start(t))
	for name, tc := range map[string]struct {
		base  string
		scope int
		want  []string
	}{
		"base": {"OU=Groups,DC=example,DC=test", ldap.ScopeBaseObject, []string{"Groups"}},
		"one":  {"DC=example,DC=test", ldap.ScopeSingleLevel, []string{"Builtin", "Groups", "Staff", "Users"}},
		"sub":  {"CN=Builtin,DC=example,DC=test", ldap.ScopeWholeSubtree, []string{"Administrators", "Builtin", "Guests", "Users"}},
		"partitions": {"CN=Partitions,CN=Configuration,DC=example,DC=test", ldap.ScopeSingleLevel,
			[]string{"EXAMPLE"}},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := c.Search(&ldap.SearchRequest{BaseDN: tc.base, Scope: tc.scope, Filter: "(objectClass=*)"})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range found.Entries {
				got = append(got, e.GetAttributeValue("name"))
			}
			slices.Sort(got)
			if !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestSearchRefusals(t *testing.T) {
	s := start(t)
	for name, tc := range map[string]struct {
		conn *ldap.Conn
		base string
		code int
		text string
	}{
		"anonymous":    {dial(t, s), s.BaseDN(), 1, "000004DC: "},
		"unknown base": {bound(t, s), "OU=Nowhere,DC=example,DC=test", 32, "0000208D: "},
		"other domain": {bound(t, s), "DC=example,DC=org", 32, "0000208D: "},
		"unknown SID":  {bound(t, s), "<SID=S-1-5-21-1-2-3-4>", 32, "0000208D: "},
		"no DN":        {bound(t, s), "nonsense", 34, "0000208F: "},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := read(tc.conn, tc.base, "(objectClass=*)")
			if code, text := answer(err); code != tc.code || !strings.HasPrefix(text, tc.text) {
				t.Errorf("got %d %s, want %d %s", code, text, tc.code, tc.text)
			}
		})
	}
	_, err := bound(t, s).Search(&ldap.SearchRequest{BaseDN: "OU=Nowhere," + s.BaseDN(), Filter: "(a=b)"})
	if e, ok := err.(*ldap.Error); !ok || e.MatchedDN != s.BaseDN() {
		t.Errorf("got %v, want the matched DN %s", err, s.BaseDN())
	}
}

func TestSIDBase(t *testing.T) {
	s := start(t)
	c := bound(t, s)
	hexadecimal := strings.ReplaceAll(escaped(s.tree.rid(1104)), `\`, "")
	for _, base := range []string{"<SID=" + s.tree.rid(1104).String() + ">", "<SID=" + hexadecimal + ">", "<sid=" + strings.ToLower(hexadecimal) + ">"} {
		if got := mustRead(t, c, base).DN; got != aliceDN {
			t.Errorf("%s: got %q, want %q", base, got, aliceDN)
		}
	}
}

func TestSearchOptions(t *testing.T) {
	s := start(t)
	c := bound(t, s)
	req := &ldap.SearchRequest{BaseDN: s.BaseDN(), Scope: ldap.ScopeWholeSubtree, Filter: "(objectClass=user)"}
	t.Run("size limit", func(t *testing.T) {
		limited := *req
		limited.SizeLimit = 2
		found, err := c.Search(&limited)
		if code, _ := answer(err); code != 4 || len(found.Entries) != 2 {
			t.Errorf("got %d entries, %v, want 2 and code 4", len(found.Entries), err)
		}
	})
	t.Run("types only", func(t *testing.T) {
		types := *req
		types.TypesOnly = true
		found, err := c.Search(&types)
		if err != nil || len(found.Entries[0].Attributes) == 0 || len(found.Entries[0].Attributes[0].Values) != 0 {
			t.Errorf("got %v, %v", found, err)
		}
	})
	t.Run("paged", func(t *testing.T) {
		found, err := c.SearchWithPaging(req, 3)
		if err != nil || len(found.Entries) != len(s.Users())+1 {
			t.Errorf("got %v, %v", found, err)
		}
	})
	t.Run("referrals", func(t *testing.T) {
		found, err := c.Search(req)
		if err != nil || len(found.Referrals) != 3 {
			t.Errorf("got %v, %v, want 3", found.Referrals, err)
		}
	})
	t.Run("unknown critical control", func(t *testing.T) {
		controlled := *req
		controlled.Controls = []ldap.Control{ldap.NewControlString("1.2.3.4", true, "")}
		if code, text := answer(second(c.Search(&controlled))); code != 12 {
			t.Errorf("got %d %s, want 12", code, text)
		}
	})
}

func second(_ *ldap.SearchResult, err error) error { return err }

// crowd makes a group that is too large to be shown at once.
func crowd(c *Config) {
	c.RangePage = 3
	for _, name := range []string{"u1", "u2", "u3", "u4", "u5", "u6", "u7"} {
		c.Users = append(c.Users, person(name, name, "", "Power Users"))
	}
}

func TestRange(t *testing.T) {
	c := bound(t, start(t, crowd)) // with bob, eight members
	for asked, want := range map[string]map[string]int{
		"member":             {"member": 0, "member;range=0-2": 3},
		"*":                  {"member": 0, "member;range=0-2": 3},
		"member;range=0-*":   {"member;range=0-2": 3},
		"member;range=0-1":   {"member;range=0-1": 2},
		"member;range=3-*":   {"member;range=3-5": 3},
		"member;range=6-*":   {"member;range=6-*": 2},
		"member;range=6-99":  {"member;range=6-*": 2},
		"Member;Range=8-*":   {},
		"memberOf;range=0-*": {},
	} {
		t.Run(asked, func(t *testing.T) {
			e := mustRead(t, c, "CN=Power Users,OU=Groups,DC=example,DC=test", asked)
			got := map[string]int{}
			for _, a := range e.Attributes {
				if strings.HasPrefix(a.Name, "member") {
					got[a.Name] = len(a.Values)
				}
			}
			if len(got) != len(want) {
				t.Errorf("got %v, want %v", got, want)
			}
			for name, n := range want {
				if count, ok := got[name]; !ok || count != n {
					t.Errorf("got %v, want %v", got, want)
				}
			}
		})
	}
}

// Groups in a circle end the walk, and each is in the others.
func TestCycle(t *testing.T) {
	c := bound(t, start(t, func(c *Config) {
		c.Groups = append(c.Groups, Group{Name: "A", MemberOf: []string{"B"}}, Group{Name: "B", MemberOf: []string{"C"}},
			Group{Name: "C", MemberOf: []string{"A"}})
		c.Users[0].Groups = []string{"A"}
	}))
	got := names(t, c, "DC=example,DC=test", "(member:1.2.840.113556.1.4.1941:="+aliceDN+")")
	if want := []string{"A", "B", "C"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestBuiltinGroup(t *testing.T) {
	c := bound(t, start(t, func(c *Config) {
		c.Groups = append(c.Groups, Group{Name: "Operators", OU: "BUILTIN"}, Group{Name: "Administrators", MemberOf: []string{"Operators"}})
		c.Users[0].Attributes = map[string][]string{"employeeType": {"staff", "remote"}}
	}))
	e := mustRead(t, c, "CN=Operators,CN=Builtin,DC=example,DC=test")
	if got, want := e.GetAttributeValue("member"), "CN=Administrators,CN=Builtin,DC=example,DC=test"; got != want {
		t.Errorf("got member %q, want %q", got, want)
	}
	if got := sids(t, e.GetRawAttributeValues("objectSid"))[0]; !strings.HasPrefix(got, "S-1-5-32-") {
		t.Errorf("got %s, want a SID of BUILTIN", got)
	}
	got := mustRead(t, c, aliceDN, "EMPLOYEETYPE").GetAttributeValues("employeeType")
	if want := []string{"staff", "remote"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
