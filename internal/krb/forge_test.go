package krb

import (
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/caddy-ntlm/caddy-ntlm/internal/krbforge"
)

// forge makes requests of alice's, good ones and others.
type forge = krbforge.Forge

func newForge(now time.Time, long types.EncryptionKey) *forge {
	return krbforge.New(now, long, "EXAMPLE.TEST", "HTTP/web.example.test", "alice")
}

func aKey(etype int32, fill byte) types.EncryptionKey { return krbforge.Key(etype, fill) }

func must[T any](t testing.TB, value T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// keytabOf is a keytab with keys for one name, each with its version.
func keytabOf(realm, service string, keys map[int]types.EncryptionKey) *Keytab {
	table := new(Keytab)
	for version, k := range keys {
		table.Keys = append(table.Keys, &Key{Realm: realm, Name: []string{service}, Version: uint32(version), Etype: k.KeyType, value: k})
	}
	return table
}
