package identity

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func groupSID(n int) SID {
	raw := []byte("\x01\x05\x00\x00\x00\x00\x00\x05\x15\x00\x00\x00aaaabbbbcccc")
	return SID{raw: string(binary.LittleEndian.AppendUint32(raw, uint32(n)))}
}

// member is a new account of a domain with the groups of these numbers; all of
// its texts are its own, as they are when they come from a controller.
func member(number int, groups ...int) Account {
	name := fmt.Sprintf("user%05d", number)
	a := Account{
		Directory: "EXAMPLE", Home: "EXAMPLE", Domain: "EXAMPLE", DNSDomain: "example.com", SID: groupSID(1e6 + number), SAM: name,
		UPN: name + "@example.com", DN: "CN=" + name + ",OU=Staff,DC=example,DC=com", DisplayName: "User " + name, Mail: name + "@example.com",
		Verifier: "relay", Server: "dc1.example.com:636", At: time.Unix(0, 0),
	}
	for _, n := range groups {
		group := fmt.Sprintf("Group %05d", n)
		a.Groups = append(a.Groups, Group{SID: groupSID(n), Name: group, Domain: strings.Clone("EXAMPLE"), DN: "CN=" + group + ",OU=Groups,DC=example,DC=com"})
	}
	return a
}

// held is what each identity of so many accounts holds, in bytes.
func held(accounts int, groups ...int) int {
	identities := make([]*Identity, accounts)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range identities {
		identities[i] = New(member(i, groups...), Fold)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(identities)
	return int(after.HeapAlloc-before.HeapAlloc) / accounts
}

// TestIdentityIsSmall: with what a connection remembers beside it, which
// TestMemoryOfIdleConnections of the door holds, it stays below a kibibyte, and
// a group costs each of its members little.
func TestIdentityIsSmall(t *testing.T) {
	if got := held(5000, 1, 2); got > 760 {
		t.Errorf("two groups: got %d bytes, want at most 760", got)
	}
	many := make([]int, 300)
	for i := range many {
		many[i] = i
	}
	if got := held(500, many...); got > 760+300*20 {
		t.Errorf("300 groups: got %d bytes, want at most 20 a group more", got)
	}
}

// TestGroupSet holds the searches to plain loops.
func TestGroupSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom([]string{"", "a", "A", "ab", "AA", "b", "ä", "Ä", "long name", "z"})
		groups := rapid.SliceOf(rapid.Custom(func(t *rapid.T) Group {
			g := Group{Name: text.Draw(t, "name"), DN: text.Draw(t, "dn"), Domain: text.Draw(t, "domain")}
			if n := rapid.IntRange(0, 5).Draw(t, "sid"); n > 0 {
				g.SID = groupSID(n)
			}
			return g
		})).Draw(t, "groups")
		id := New(Account{Groups: groups}, Fold)
		asked, domain, sid := Fold(text.Draw(t, "asked")), text.Draw(t, "asked domain"), groupSID(rapid.IntRange(1, 6).Draw(t, "asked sid"))
		inDomain := func(d string) bool { return d == domain }
		has := func(of func(Group) bool) bool { return slices.ContainsFunc(groups, of) }
		if got, want := id.InSID(sid), has(func(g Group) bool { return g.SID == sid }); got != want {
			t.Errorf("InSID: got %v, want %v", got, want)
		}
		if got, want := id.InDN(asked), asked != "" && has(func(g Group) bool { return Fold(g.DN) == asked }); got != want {
			t.Errorf("InDN: got %v, want %v", got, want)
		}
		if got, want := id.InName(asked, inDomain), asked != "" && has(func(g Group) bool { return Fold(g.Name) == asked && g.Domain == domain }); got != want {
			t.Errorf("InName: got %v, want %v", got, want)
		}
		listed := id.Groups()
		if len(listed) != len(groups) || !slices.IsSortedFunc(listed, func(a, b Group) int { return strings.Compare(Fold(a.Name), Fold(b.Name)) }) {
			t.Errorf("Groups: got %v of %v", listed, groups)
		}
	})
}

func TestGroupSetAllocatesNothing(t *testing.T) {
	id := New(member(1, 1, 2, 3), Fold)
	any := func(string) bool { return true }
	if n := testing.AllocsPerRun(100, func() {
		if !id.InSID(groupSIDOf3) || !id.InName("GROUP 00002", any) || !id.InDN("CN=GROUP 00001,OU=GROUPS,DC=EXAMPLE,DC=COM") {
			t.Error("a group is missing")
		}
	}); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}

var groupSIDOf3 = groupSID(3)

func BenchmarkQuestions(b *testing.B) {
	groups := make([]int, 2000)
	for i := range groups {
		groups[i] = i
	}
	id := New(member(1, groups...), Fold)
	any := func(string) bool { return true }
	b.Run("InSID", func(b *testing.B) {
		for b.Loop() {
			id.InSID(groupSIDOf3)
		}
	})
	b.Run("InName", func(b *testing.B) {
		for b.Loop() {
			id.InName("GROUP 01234", any)
		}
	})
	b.Run("InDN", func(b *testing.B) {
		for b.Loop() {
			id.InDN("CN=GROUP 01234,OU=GROUPS,DC=EXAMPLE,DC=COM")
		}
	})
}

// TestBeginningOfAName is nobody's: HR is not HR Interns, nor a DN another below
// it, nor a SID one that is longer.
func TestBeginningOfAName(t *testing.T) {
	id := New(Account{Groups: []Group{{SID: groupSID(7), Name: "HR Interns", Domain: "EXAMPLE", DN: "CN=HR Interns,DC=example"}}}, Fold)
	any := func(string) bool { return true }
	short := groupSID(7)
	short.raw = short.raw[:len(short.raw)-4]
	if id.InName("HR", any) || id.InDN("CN=HR INTERNS,DC=EX") || id.InSID(short) {
		t.Error("a group is found by its beginning")
	}
	if !id.InName("HR INTERNS", any) || !id.InDN("CN=HR INTERNS,DC=EXAMPLE") || !id.InSID(groupSID(7)) {
		t.Error("a group is not found")
	}
}

// TestHidesGroupsWithoutSIDs: a group of OpenLDAP whose name may not be read could
// be any, and none that names groups must not pass by it.
func TestHidesGroupsWithoutSIDs(t *testing.T) {
	for name, want := range map[string]bool{"": true, "staff": false} {
		id := New(Account{SAM: "anna", Groups: []Group{{Name: "unix", DN: "cn=unix"}, {Name: name}}}, Fold)
		if got := id.HidesGroups(); got != want {
			t.Errorf("a group named %q: got hidden %v, want %v", name, got, want)
		}
	}
}
