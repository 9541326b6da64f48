package krb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/keytab"
)

// written is a keytab as the library writes one.
func written(t testing.TB) []byte {
	t.Helper()
	table := keytab.New()
	for version, name := range []string{"HTTP/web.example.test", "HTTP/web.example.test", "svc-web"} {
		for _, etype := range []int32{etypeAES256SHA1, etypeAES128SHA2, etypeRC4} {
			if err := table.AddEntry(name, "EXAMPLE.TEST", fmt.Sprint("Secr3t-", version), time.Unix(1e9, 0), uint8(version+1), etype); err != nil {
				t.Fatal(err)
			}
		}
	}
	raw, err := table.Marshal()
	return must(t, raw, err)
}

// TestParseKeytab beside the library, which reads the same keys.
func TestParseKeytab(t *testing.T) {
	raw := written(t)
	table, err := ParseKeytab(raw)
	if err != nil {
		t.Fatal(err)
	}
	theirs := keytab.New()
	if err := theirs.Unmarshal(raw); err != nil {
		t.Fatal(err)
	}
	if len(table.Keys) != 9 || len(theirs.Entries) != 9 {
		t.Fatalf("got %d keys, the library has %d, want 9", len(table.Keys), len(theirs.Entries))
	}
	for i, k := range table.Keys {
		e := theirs.Entries[i]
		if k.Realm != e.Principal.Realm || strings.Join(k.Name, "/") != strings.Join(e.Principal.Components, "/") || k.Version != uint32(e.KVNO8) ||
			k.Etype != e.Key.KeyType || string(k.value.KeyValue) != string(e.Key.KeyValue) || !k.Since.Equal(time.Unix(1e9, 0)) {
			t.Errorf("%d: got %v version %d, the library has %v", i, k, k.Version, e)
		}
		if text := fmt.Sprintf("%v %+v %#v %s", k, k, k, k); strings.Contains(text, fmt.Sprint(k.value.KeyValue[0], " ")) || !strings.Contains(text, "@EXAMPLE.TEST") {
			t.Errorf("a key prints itself: %s", text)
		}
	}
	if r := table.Realms(); len(r) != 1 || r[0] != "EXAMPLE.TEST" {
		t.Errorf("got the realms %v", r)
	}
}

// TestKeytabRefused: each cut, and each of these, is an error and no panic.
func TestKeytabRefused(t *testing.T) {
	raw := written(t)
	for name, bad := range map[string][]byte{
		"nothing":         nil,
		"an old one":      {5, 1, 0, 0, 0, 1, 0},
		"text":            []byte("keytab"),
		"no entry":        {5, 2},
		"a huge entry":    {5, 2, 0x7f, 0xff, 0xff, 0xff},
		"the least hole":  {5, 2, 0x80, 0, 0, 0},
		"an entry of one": {5, 2, 0, 0, 0, 1, 0},
		"many components": append([]byte{5, 2, 0, 0, 0, 8}, 0xff, 0xff, 0, 0, 0, 0, 0, 0),
		"DES alone":       desKeytab(),
	} {
		if table, err := ParseKeytab(bad); !errors.Is(err, ErrCredential) {
			t.Errorf("%s: got %v, %v", name, table, err)
		}
	}
	for n := range raw {
		if table, err := ParseKeytab(raw[:n]); err == nil && len(table.Keys) == 9 {
			t.Errorf("cut to %d bytes: got all keys", n)
		}
	}
}

func desKeytab() []byte {
	body := []byte{0, 1, 0, 1, 'R', 0, 1, 'x', 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 3, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8}
	return append(binary.BigEndian.AppendUint32([]byte{5, 2}, uint32(len(body))), body...)
}

// TestFittingKeys: the ticket's version first, then the newest, each key once, and
// a read-only controller's number above the version does no harm.
func TestFittingKeys(t *testing.T) {
	table := new(Keytab)
	for version, fill := range map[uint32]byte{2: 2, 3: 3, 258: 4} {
		for _, name := range []string{"HTTP/web", "svc-web"} {
			table.Keys = append(table.Keys, &Key{Realm: "R", Name: []string{name}, Version: version, Etype: etypeAES256SHA1, value: aKey(etypeAES256SHA1, fill)})
		}
	}
	for _, c := range []struct {
		ticket uint32
		first  byte
		known  bool
	}{
		{2, 2, true}, {3, 3, true}, {9, 4, false}, {0, 4, true}, {0x12340003, 3, true}, {258, 4, true}, {259, 3, true},
	} {
		keys, known := table.fitting("R", etypeAES256SHA1, c.ticket)
		if len(keys) != 3 || keys[0].value.KeyValue[0] != c.first || known != c.known {
			t.Errorf("version %d: got %d keys, the first %d, known %v; want 3, %d, %v", c.ticket, len(keys), keys[0].value.KeyValue[0], known, c.first, c.known)
		}
	}
	if keys, known := table.fitting("R", etypeAES128SHA1, 2); len(keys) > 0 || known {
		t.Errorf("another enctype: got %d keys, %v", len(keys), known)
	}
	if keys, known := table.fitting("S", etypeAES256SHA1, 2); len(keys) > 0 || known {
		t.Errorf("another realm: got %d keys, %v", len(keys), known)
	}
}
