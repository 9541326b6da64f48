package caddyntlm

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// aText is any text, also one that is no UTF-8.
func aText(t *rapid.T, label string) string {
	return string(rapid.SliceOfN(rapid.Byte(), 0, 12).Draw(t, label))
}

// fillAny gives each field of a struct some value, whatever fields it has by now: one that a
// snapshot forgets shows as a difference.
func fillAny(t *rapid.T, v reflect.Value, label string) {
	switch at := v.Addr().Interface().(type) {
	case *identity.SID:
		if rapid.Bool().Draw(t, label+" there") {
			*at = fakeSID(aText(t, label))
		}
		return
	case *time.Time:
		if rapid.Bool().Draw(t, label+" there") {
			*at = time.Unix(0, rapid.Int64().Draw(t, label))
		}
		return
	case *identity.Fit:
		*at = rapid.SampledFrom([]identity.Fit{identity.FitUnknown, identity.FitNo, identity.FitYes}).Draw(t, label)
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(aText(t, label))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, label))
	case reflect.Int64:
		v.SetInt(rapid.Int64().Draw(t, label))
	case reflect.Struct:
		for i := range v.NumField() {
			fillAny(t, v.Field(i), label+"."+v.Type().Field(i).Name)
		}
	case reflect.Pointer:
		if rapid.Bool().Draw(t, label+" there") {
			v.Set(reflect.New(v.Type().Elem()))
			fillAny(t, v.Elem(), label)
		}
	case reflect.Slice:
		n := rapid.IntRange(-1, 3).Draw(t, label+" length")
		if n < 0 {
			return // nil, which is not empty
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fillAny(t, v.Index(i), fmt.Sprint(label, i))
		}
	default:
		panic("nobody has said how to fill a " + v.Type().String())
	}
}

// TestSnapshotKeepsAll: whatever an identity holds comes back as it was, and answers as it
// did.
func TestSnapshotKeepsAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var a identity.Account
		fillAny(t, reflect.ValueOf(&a).Elem(), "account")
		before := held{
			id:     identity.New(a, policy.FoldDN),
			scheme: rapid.SampledFrom([]scheme{schemeNegotiate, schemeNTLM, schemeBasic}).Draw(t, "scheme"),
			by:     rapid.SampledFrom([]mechanism{byPassword, byNTLM, byTicket}).Draw(t, "by"),
		}
		if rapid.Bool().Draw(t, "said") {
			before.said = &said{demand: aText(t, "demand"), meant: identity.Meant{Target: aText(t, "target")}}
			if rapid.Bool().Draw(t, "bound") {
				before.said.meant.Binding = (*[16]byte)(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "binding"))
			}
		}
		snapshot := snapshotOf(before)
		after, err := readSnapshot(snapshot)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(after, before) {
			t.Fatalf("got %+v %+v, want %+v %+v", after, after.id, before, before.id)
		}
		if !slices.Equal(after.id.Groups(), before.id.Groups()) {
			t.Fatalf("got groups %v, want %v", after.id.Groups(), before.id.Groups())
		}
	})
}

// FuzzReadSnapshot: what is read is written back byte for byte, and reading costs memory in
// proportion to its length.
func FuzzReadSnapshot(f *testing.F) {
	for _, h := range aFewHeld() {
		f.Add(snapshotOf(h))
	}
	f.Add(packed(bytes.Repeat(snapshotOf(aFewHeld()[0]), 30)))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := readSnapshot(b)
		if err != nil {
			if h.id != nil {
				t.Error("got somebody beside an error")
			}
			return
		}
		// Groups are sorted when an identity is made of them, so the second time counts.
		again := snapshotOf(h)
		h, err = readSnapshot(again)
		if err != nil || !bytes.Equal(snapshotOf(h), again) {
			t.Errorf("got %x, %v of %x", again, err, b)
		}
	})
}

// aFewHeld are people as connections and sessions remember them.
func aFewHeld() []held {
	d := newFakeDirectory("EXAMPLE")
	plain := d.account("alice")
	d.details = &identity.Details{
		Attributes: []identity.Attribute{{Name: "department", Values: []string{"Web", ""}, Partial: true}, {Name: "mail"}},
		Roles:      []string{"staff"}, Unsure: []string{}, Fittings: []identity.Fitting{{Filter: "(department=Web)", Fit: identity.FitYes}},
	}
	full := d.account("bob")
	full.ByToken, full.PasswordSet, full.UUID = true, 133, "d3b0"
	binding := [16]byte{1, 2, 3}
	return []held{
		{id: plain, scheme: schemeBasic},
		{id: full, scheme: schemeNegotiate, by: byTicket, said: &said{meant: identity.Meant{Binding: &binding, Target: "HTTP/site.example.com"}, demand: "allow"}},
	}
}

// A session of somebody in 2,000 groups fits into a store.
func TestSnapshotOfManyGroups(t *testing.T) {
	a := aFewHeld()[1].id.Account
	for i := range 2000 {
		name := fmt.Sprintf("A group with a rather long name, number %d", i)
		a.Groups = append(a.Groups, identity.Group{SID: fakeSID(name), Name: name, Domain: "EXAMPLE", DN: "CN=" + name + ",OU=Groups of a department,OU=Groups,DC=corp,DC=example,DC=com"})
	}
	snapshot := snapshotOf(held{id: identity.New(a, policy.FoldDN), scheme: schemeNTLM})
	if len(snapshot) > 50_000 {
		t.Errorf("got %d bytes", len(snapshot))
	}
	if strings.Contains(string(snapshot), "secret") {
		t.Error("got a password in it")
	}
	after, err := readSnapshot(snapshot)
	if err != nil || len(after.id.Groups()) != len(a.Groups) {
		t.Errorf("got %v", err)
	}
	if _, err := readSnapshot(snapshot[:len(snapshot)/2]); err == nil {
		t.Error("got half of it without an error")
	}
	bomb := packed(make([]byte, maxUnpacked+1))
	if _, err := readSnapshot(bomb); err == nil || len(bomb) > 64<<10 {
		t.Errorf("%d bytes that unpack to more than 8 MiB: got %v", len(bomb), err)
	}
}
