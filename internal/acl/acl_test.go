package acl

import (
	"encoding/binary"
	"encoding/hex"
	"os"
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

// guid turns the text form into the bytes that the schema holds, [MS-DTYP] 2.3.4.
func guid(t testing.TB, text string) string {
	t.Helper()
	if text == "" {
		return ""
	}
	raw, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil || len(raw) != 16 {
		t.Fatal(text, err)
	}
	binary.LittleEndian.PutUint32(raw, binary.BigEndian.Uint32(raw))
	binary.LittleEndian.PutUint16(raw[4:], binary.BigEndian.Uint16(raw[4:]))
	binary.LittleEndian.PutUint16(raw[6:], binary.BigEndian.Uint16(raw[6:]))
	return string(raw)
}

// TestRealDescriptor is that of an account in Samba, where svc-web has been given the
// rights on unixUserPassword. What it grants was asked of the controller, as each of them.
func TestRealDescriptor(t *testing.T) {
	raw, err := os.ReadFile("testdata/alice.sd")
	if err != nil {
		t.Fatal(err)
	}
	d, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	const domain = "S-1-5-21-1111111111-2222222222-3333333333"
	who := map[string][]identity.SID{
		"owner":   {sid(t, "S-1-5-10"), sid(t, domain+"-1103"), sid(t, "S-1-1-0"), sid(t, "S-1-5-11"), sid(t, domain+"-513")},
		"others":  {sid(t, "S-1-1-0"), sid(t, "S-1-5-11"), sid(t, domain+"-513")},
		"service": {sid(t, domain+"-1120"), sid(t, "S-1-1-0"), sid(t, "S-1-5-11")},
		"admins":  {sid(t, domain+"-512")},
	}
	secret := Property{guid(t, "612cb747-c0e8-4f92-9221-fdd5f15b550d"), ""}
	telephone := Property{guid(t, "bf967a49-0de6-11d0-a285-00aa003049e2"), guid(t, "77b5b886-944a-11d1-aebd-0000f80367c1")}
	department := Property{guid(t, "bf96794f-0de6-11d0-a285-00aa003049e2"), guid(t, "e48d0154-bcf8-11d1-8702-00c04fb96050")}
	for _, test := range []struct {
		who   string
		right Right
		of    Property
		want  bool
	}{
		{"owner", ReadProperty, secret, true}, {"owner", ControlAccess, secret, false}, {"owner", WriteProperty, secret, false},
		{"others", ReadProperty, secret, false}, {"others", ControlAccess, secret, false}, {"others", WriteProperty, secret, false},
		{"service", ReadProperty, secret, true}, {"service", ControlAccess, secret, true}, {"service", WriteProperty, secret, false},
		{"admins", ReadProperty, secret, true}, {"admins", ControlAccess, secret, true}, {"admins", WriteProperty, secret, true},
		{"owner", WriteProperty, telephone, true}, {"others", WriteProperty, telephone, false}, {"others", ReadProperty, telephone, true},
		{"owner", WriteProperty, department, false}, {"others", ReadProperty, department, true},
	} {
		if got := d.Grants(who[test.who], test.right, test.of); got != test.want {
			t.Errorf("%s, right %x: got %t, want %t", test.who, test.right, got, test.want)
		}
	}
	for name, want := range map[string]bool{"owner": false, "others": false, "service": false, "admins": true} {
		if got := d.Rules(who[name]); got != want {
			t.Errorf("%s may change the list: got %t, want %t", name, got, want)
		}
	}
	for cut := range raw {
		if _, err := Parse(raw[:cut]); err == nil {
			t.Fatalf("got no error of %d bytes of %d", cut, len(raw))
		}
	}
}

// descriptor makes one with a list of entries.
func descriptor(owner identity.SID, entries ...[]byte) []byte {
	list := []byte{4, 0, 0, 0, byte(len(entries)), 0, 0, 0}
	for _, e := range entries {
		list = append(list, e...)
	}
	binary.LittleEndian.PutUint16(list[2:], uint16(len(list)))
	raw := make([]byte, headerSize)
	raw[0] = 1
	binary.LittleEndian.PutUint16(raw[2:], selfRelative|daclPresent)
	binary.LittleEndian.PutUint32(raw[4:], headerSize)
	raw = append(raw, owner.Bytes()...)
	binary.LittleEndian.PutUint32(raw[16:], uint32(len(raw)))
	return append(raw, list...)
}

func ace(kind, flags byte, mask Right, object string, who identity.SID) []byte {
	raw := binary.LittleEndian.AppendUint32([]byte{kind, flags, 0, 0}, uint32(mask))
	if kind == 0x05 || kind == 0x06 || kind == 0x0B {
		var has uint32
		if object != "" {
			has = hasObject
		}
		raw = append(binary.LittleEndian.AppendUint32(raw, has), object...)
	}
	raw = append(raw, who.Bytes()...)
	binary.LittleEndian.PutUint16(raw[2:], uint16(len(raw)))
	return raw
}

func TestGrants(t *testing.T) {
	alice, bob := sid(t, "S-1-5-21-1-2-3-1001"), sid(t, "S-1-5-21-1-2-3-1002")
	p := Property{Attribute: strings.Repeat("a", 16), Set: strings.Repeat("s", 16)}
	tests := map[string]struct {
		raw  []byte
		want bool
	}{
		"an empty list":          {descriptor(bob), false},
		"allowed":                {descriptor(bob, ace(0, 0, WriteProperty, "", alice)), true},
		"somebody else":          {descriptor(bob, ace(0, 0, WriteProperty, "", bob)), false},
		"another right":          {descriptor(bob, ace(0, 0, ReadProperty|ControlAccess, "", alice)), false},
		"denied first":           {descriptor(bob, ace(1, 0, WriteProperty, "", alice), ace(0, 0, WriteProperty, "", alice)), false},
		"denied after":           {descriptor(bob, ace(0, 0, WriteProperty, "", alice), ace(1, 0, WriteProperty, "", alice)), true},
		"for entries below":      {descriptor(bob, ace(0, inheritOnly, WriteProperty, "", alice)), false},
		"the attribute":          {descriptor(bob, ace(5, 0, WriteProperty, p.Attribute, alice)), true},
		"its set":                {descriptor(bob, ace(5, 0, WriteProperty, p.Set, alice)), true},
		"another attribute":      {descriptor(bob, ace(5, 0, WriteProperty, strings.Repeat("x", 16), alice)), false},
		"all of them":            {descriptor(bob, ace(5, 0, WriteProperty, "", alice)), true},
		"the attribute denied":   {descriptor(bob, ace(6, 0, WriteProperty, p.Attribute, alice), ace(0, 0, WriteProperty, "", alice)), false},
		"everything":             {descriptor(bob, ace(0, 0, genericAll, "", alice)), true},
		"all writing":            {descriptor(bob, ace(0, 0, genericWrite, "", alice)), true},
		"all reading":            {descriptor(bob, ace(0, 0, genericRead, "", alice)), false},
		"allowed on a condition": {descriptor(bob, ace(9, 0, WriteProperty, "", alice)), true},
		"denied on a condition":  {descriptor(bob, ace(10, 0, WriteProperty, "", alice), ace(0, 0, WriteProperty, "", alice)), true},
		"an audit":               {descriptor(bob, ace(2, 0, WriteProperty, "", alice)), false},
	}
	for name, test := range tests {
		d, err := Parse(test.raw)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := d.Grants([]identity.SID{alice}, WriteProperty, p); got != test.want {
			t.Errorf("%s: got %t, want %t", name, got, test.want)
		}
		if !d.Rules([]identity.SID{bob}) {
			t.Errorf("%s: the owner may not change the list", name)
		}
	}
	none := descriptor(bob)
	binary.LittleEndian.PutUint16(none[2:], selfRelative)
	if d, err := Parse(none); err != nil || !d.Grants([]identity.SID{alice}, WriteProperty, p) {
		t.Errorf("no list: got %v, %v, want everything", d, err)
	}
}

func FuzzParse(f *testing.F) {
	alice := sid(f, "S-1-5-21-1-2-3-1001")
	f.Add(descriptor(alice, ace(5, 0, WriteProperty, strings.Repeat("a", 16), alice)))
	if raw, err := os.ReadFile("testdata/alice.sd"); err == nil {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := Parse(raw)
		if err != nil {
			return
		}
		d.Grants([]identity.SID{alice}, ReadProperty, Property{Attribute: "0123456789abcdef"})
		d.Rules([]identity.SID{alice})
	})
}
