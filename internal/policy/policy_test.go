package policy

import (
	"strings"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

func sid(t testing.TB, text string) identity.SID {
	t.Helper()
	s, err := identity.ParseSID(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const domainSID = "S-1-5-21-1-2-3-"

func alice(t testing.TB) *identity.Identity {
	return identity.New(identity.Account{
		Directory: "EXAMPLE", Home: "EXAMPLE", Domain: "EXAMPLE", DNSDomain: "example.test",
		SID: sid(t, domainSID+"1104"), SAM: "alice", UPN: "alice@example.test",
		DN: "CN=Alice Adams,OU=Staff,DC=example,DC=test",
		Groups: []identity.Group{
			{SID: sid(t, domainSID+"1200"), Name: "Web Users", Domain: "EXAMPLE", DN: "CN=Web Users,OU=Staff,DC=example,DC=test"},
			{SID: sid(t, domainSID+"1201"), Name: "Sales, EMEA (West)", Domain: "EXAMPLE", DN: `CN=Sales\, EMEA (West),OU=Staff,DC=example,DC=test`},
			{SID: sid(t, "S-1-5-32-545"), Name: "Users", Domain: "BUILTIN", DN: "CN=Users,CN=Builtin,DC=example,DC=test"},
			{SID: sid(t, "S-1-5-21-9-9-9-1300"), Name: "HR", Domain: "OTHER", DN: "CN=HR,DC=other,DC=test"},
			{SID: sid(t, "S-1-5-11")},
		},
	}, FoldDN)
}

func TestDecide(t *testing.T) {
	tests := map[string]struct {
		rule Rule
		want bool
		said string
	}{
		"valid-user":           {Rule{ValidUser: true}, true, "valid-user"},
		"user":                 {Rule{User: []string{"bob", "ALICE"}}, true, "user bob ALICE"},
		"another user":         {Rule{User: []string{"bob"}}, false, "user bob"},
		"user in domain":       {Rule{User: []string{`example\alice`}}, true, `user example\alice`},
		"user in DNS domain":   {Rule{User: []string{`example.test\alice`}}, true, `user example.test\alice`},
		"user in other domain": {Rule{User: []string{`OTHER\alice`}}, false, `user OTHER\alice`},
		"user by UPN":          {Rule{User: []string{"Alice@Example.TEST"}}, true, "user Alice@Example.TEST"},
		"user by DN":           {Rule{User: []string{"cn=alice adams, ou=staff,dc=EXAMPLE,dc=test"}}, true, `user "cn=alice adams, ou=staff,dc=EXAMPLE,dc=test"`},
		"user by SID":          {Rule{User: []string{domainSID + "1104"}}, true, "user " + domainSID + "1104"},
		"user by a group's SID": {
			Rule{User: []string{domainSID + "1200"}}, false, "user " + domainSID + "1200",
		},
		"group":                 {Rule{Group: []string{"web users"}}, true, `group "web users"`},
		"group with a comma":    {Rule{Group: []string{"Sales, EMEA (West)"}}, true, `group "Sales, EMEA (West)"`},
		"group by DN":           {Rule{Group: []string{`CN=Sales\2c EMEA (West),OU=Staff,DC=example,DC=test`}}, true, ""},
		"group by SID":          {Rule{Group: []string{domainSID + "1201"}}, true, ""},
		"group by the user's":   {Rule{Group: []string{domainSID + "1104"}}, false, ""},
		"builtin group":         {Rule{Group: []string{"Users"}}, true, "group Users"},
		"builtin by domain":     {Rule{Group: []string{`BUILTIN\Users`}}, true, `group BUILTIN\Users`},
		"group in DNS domain":   {Rule{Group: []string{`example.test\web users`}}, true, ""},
		"foreign by our DNS":    {Rule{Group: []string{`example.test\hr`}}, false, ""},
		"foreign, bare":         {Rule{Group: []string{"HR"}}, false, "group HR"},
		"foreign, with domain":  {Rule{Group: []string{`other\hr`}}, true, `group other\hr`},
		"group of no name":      {Rule{Group: []string{"Domain Users"}}, false, ""},
		"sid of the user":       {Rule{SID: []string{domainSID + "1104"}}, true, "sid " + domainSID + "1104"},
		"sid of a group":        {Rule{SID: []string{"S-1-5-11"}}, true, ""},
		"sid of nobody":         {Rule{SID: []string{"S-1-5-32-544"}}, false, ""},
		"any":                   {Rule{Any: []Rule{{User: []string{"bob"}}, {Group: []string{"Users"}}}}, true, "group Users"},
		"any, none fits":        {Rule{Any: []Rule{{User: []string{"bob"}}, {Group: []string{"HR"}}}}, false, "any { user bob; group HR }"},
		"all":                   {Rule{All: []Rule{{User: []string{"alice"}}, {Group: []string{"Users"}}}}, true, "all { user alice; group Users }"},
		"all, one short":        {Rule{All: []Rule{{User: []string{"alice"}}, {Group: []string{"HR"}}}}, false, ""},
		"all with none":         {Rule{All: []Rule{{ValidUser: true}, {None: []Rule{{User: []string{"bob"}}}}}}, true, ""},
		"all with none, inside": {Rule{All: []Rule{{ValidUser: true}, {None: []Rule{{User: []string{"bob"}}, {Group: []string{"Users"}}}}}}, false, ""},
		"nested": {
			Rule{All: []Rule{{Any: []Rule{{User: []string{"bob"}}, {All: []Rule{{Group: []string{"Users"}}}}}}}},
			true, "",
		},
	}
	id := alice(t)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := Compile(test.rule)
			if err != nil {
				t.Fatal(err)
			}
			got := p.Decide(id, Scope{First: "EXAMPLE"})
			if got.Allow != test.want {
				t.Errorf("%s: got %v, want %v", p, got.Allow, test.want)
			}
			if test.said != "" && got.Rule != test.said {
				t.Errorf("rule: got %s, want %s", got.Rule, test.said)
			}
		})
	}
}

// TestBareUserBelongsToTheFirstDirectory: alice of a second directory, or of a
// trusted domain, is another person.
func TestBareUserBelongsToTheFirstDirectory(t *testing.T) {
	p, err := Compile(Rule{User: []string{"alice"}})
	if err != nil {
		t.Fatal(err)
	}
	id := alice(t)
	if p.Decide(id, Scope{First: "PARTNER"}).Allow {
		t.Error("alice of the second directory passed as alice of the first")
	}
	foreign := id.Account
	foreign.Domain = "OTHER"
	if p.Decide(identity.New(foreign, FoldDN), Scope{First: "EXAMPLE"}).Allow {
		t.Error("alice of a trusted domain passed as alice of the directory's own")
	}
}

// TestNoneWithHiddenGroups: a group whose name the directory does not show may
// be the very one that none names.
func TestNoneWithHiddenGroups(t *testing.T) {
	hidden := alice(t).Account
	hidden.Groups = append([]identity.Group{{SID: sid(t, domainSID+"1999")}}, alice(t).Groups()...)
	id := identity.New(hidden, FoldDN)
	hidden.Groups = []identity.Group{{SID: sid(t, "S-1-5-32-580")}}
	if !identity.New(hidden, FoldDN).HidesGroups() {
		t.Error("a hidden group of BUILTIN is not seen")
	}
	for name, test := range map[string]struct {
		none Rule
		want bool
	}{
		"by name":  {Rule{Group: []string{"Contractors"}}, false},
		"inside":   {Rule{Any: []Rule{{User: []string{"bob"}}, {Group: []string{"Contractors"}}}}, false},
		"deeper":   {Rule{Any: []Rule{{User: []string{"bob"}}, {All: []Rule{{ValidUser: true}, {Group: []string{"Contractors"}}}}}}, false},
		"by SID":   {Rule{Group: []string{domainSID + "2000"}}, true},
		"own SID":  {Rule{SID: []string{domainSID + "1999"}}, false},
		"of users": {Rule{User: []string{"bob"}}, true},
	} {
		p, err := Compile(Rule{All: []Rule{{ValidUser: true}, {None: []Rule{test.none}}}})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Decide(id, Scope{First: "EXAMPLE"}).Allow; got != test.want {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
}

// TestNamesWithSlashes: a slash inside a name is no separator where the name is
// written whole.
func TestNamesWithSlashes(t *testing.T) {
	who := alice(t).Account
	who.SAM, who.UPN = `web/ali\ce`, "host/web@example.test"
	who.Groups = []identity.Group{{SID: sid(t, domainSID+"1300"), Name: "R/D", Domain: "EXAMPLE"}}
	id := identity.New(who, FoldDN)
	for _, rule := range []Rule{
		{User: []string{`EXAMPLE\web/ali\ce`}}, {User: []string{"host/web@example.test"}}, {Group: []string{`example\r/d`}},
	} {
		p, err := Compile(rule)
		if err != nil {
			t.Errorf("%v: %v", rule, err)
		} else if !p.Decide(id, Scope{First: "EXAMPLE"}).Allow {
			t.Errorf("%s does not fit", p)
		}
	}
}

func TestNobodyIsDenied(t *testing.T) {
	p, err := Compile(Rule{ValidUser: true})
	if err != nil {
		t.Fatal(err)
	}
	if p.Decide(nil, Scope{}).Allow {
		t.Error("no identity was let in")
	}
}

func TestEmptyNamesMatchNobody(t *testing.T) {
	blank := identity.New(identity.Account{Directory: "EXAMPLE"}, FoldDN)
	for _, rule := range []Rule{{User: []string{"x"}}, {User: []string{`X\y`}}, {Group: []string{"x"}}, {User: []string{"CN=x"}}, {SID: []string{"S-1-5-7"}}} {
		p, err := Compile(rule)
		if err != nil {
			t.Fatal(err)
		}
		if p.Decide(blank, Scope{First: "EXAMPLE"}).Allow {
			t.Errorf("%s let in an account without names", p)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	deep := Rule{ValidUser: true}
	for range maxDepth + 1 {
		deep = Rule{All: []Rule{deep}}
	}
	tests := map[string]struct {
		rule Rule
		want string
	}{
		"two at once":       {Rule{ValidUser: true, User: []string{"alice"}}, "holds several"},
		"nobody":            {Rule{User: []string{}}, "names nobody"},
		"empty name":        {Rule{Group: []string{""}}, "empty name"},
		"bad SID":           {Rule{SID: []string{"S-1-5-x"}}, "not a security identifier"},
		"name for SID":      {Rule{SID: []string{"alice"}}, "not a security identifier"},
		"bad DN":            {Rule{Group: []string{"=x"}}, "distinguished name"},
		"no domain":         {Rule{User: []string{`\alice`}}, `want DOMAIN\name`},
		"no name":           {Rule{Group: []string{`EXAMPLE\`}}, `want DOMAIN\name`},
		"none alone":        {Rule{None: []Rule{{User: []string{"bob"}}}}, "only inside all"},
		"none in any":       {Rule{Any: []Rule{{None: []Rule{{User: []string{"bob"}}}}}}, "only inside all"},
		"none in none":      {Rule{All: []Rule{{ValidUser: true}, {None: []Rule{{None: []Rule{{ValidUser: true}}}}}}}, "only inside all"},
		"all of none":       {Rule{All: []Rule{{None: []Rule{{User: []string{"bob"}}}}}}, "who may come in"},
		"empty block":       {Rule{All: []Rule{}}, "holds no rule"},
		"two backslashes":   {Rule{User: []string{`EXAMPLE\\alice`}}, `write user EXAMPLE\alice`},
		"two, in a group":   {Rule{Group: []string{`EXAMPLE\\Web Users`}}, `write group "EXAMPLE\Web Users"`},
		"nothing after two": {Rule{User: []string{`EXAMPLE\\`}}, `want DOMAIN\name`},
		"slash":             {Rule{User: []string{"EXAMPLE/alice"}}, `write user EXAMPLE\alice`},
		"slash, in a group": {Rule{Any: []Rule{{Group: []string{"HR", "example.com/HR"}}}}, `write group example.com\HR`},
		"slash alone":       {Rule{Group: []string{"/"}}, `DOMAIN\name`},
		"slash first":       {Rule{User: []string{"/alice"}}, `DOMAIN\name`},
		"nothing said":      {Rule{}, "says nothing"},
		"nothing inside":    {Rule{Any: []Rule{{User: []string{"bob"}}, {}}}, "says nothing"},
		"placeholder":       {Rule{User: []string{"{env.ADMIN}"}}, "placeholders"},
		"deeper than sense": {deep, "too deep"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Compile(test.rule)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
}

func TestDecideAllocatesNothing(t *testing.T) {
	p, err := Compile(Rule{Any: []Rule{{User: []string{"bob"}}, {Group: []string{"HR", `OTHER\x`}}, {SID: []string{"S-1-5-32-544"}}, {Group: []string{"users"}}}})
	if err != nil {
		t.Fatal(err)
	}
	id := alice(t)
	if n := testing.AllocsPerRun(100, func() { p.Decide(id, Scope{First: "EXAMPLE"}) }); n > 0 {
		t.Errorf("got %v allocations a decision, want 0", n)
	}
}

func FuzzParseName(f *testing.F) {
	for _, seed := range []string{"alice", `EXAMPLE\alice`, "a@b", "CN=a,DC=b", "S-1-5-7", "S-1-", "=", `\`, `CN=a\`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, word := range []string{"user", "group", "sid"} {
			_, _ = parseName(word, text)
		}
	})
}

// TestFoldDN: letters beyond ASCII have a case too, and escapes hide none.
func TestFoldDN(t *testing.T) {
	for _, same := range [][2]string{
		{"CN=Führung,DC=example", "cn=FÜHRUNG, dc=EXAMPLE"},
		{`CN=F\c3\bchrung,DC=example`, "CN=FÜHRUNG,DC=example"},
		{`CN=a\2cb,DC=x`, `cn=A\,B,dc=X`},
		{"CN=a+OU=b,DC=x", "OU=b+CN=a,DC=x"},
	} {
		if FoldDN(same[0]) != FoldDN(same[1]) {
			t.Errorf("%s and %s differ: %s, %s", same[0], same[1], FoldDN(same[0]), FoldDN(same[1]))
		}
	}
	for _, other := range [][2]string{
		{`CN=a\,OU=b,DC=x`, "CN=a,OU=b,DC=x"},
		{`CN=a\+OU\=b,DC=x`, "CN=a+OU=b,DC=x"},
		{"CN=\u212aarl,DC=x", "CN=Karl,DC=x"},
		{`CN=\ff,DC=x`, `CN=\fe,DC=x`},
		{`CN=\5cff,DC=x`, `CN=\ff,DC=x`},
	} {
		if FoldDN(other[0]) == FoldDN(other[1]) {
			t.Errorf("%s and %s are one: %s", other[0], other[1], FoldDN(other[0]))
		}
	}
}
