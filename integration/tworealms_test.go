package integration

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/krbforge"
)

// TestKeysOfTwoRealms: threats C-07 at a running site, whose keytab has keys of a
// realm besides the directory's. Whoever runs the other realm makes tickets of
// anybody under the key that it shares with the site, and none of them is anna.
func TestKeysOfTwoRealms(t *testing.T) {
	const other = "OTHER.ORG"
	theirs := krbforge.Key(aes256SHA1, 0x22)
	raw := krbforge.Keytab(forgedRealm, forgedService, 3, forgedKey(aes256SHA1))
	raw = append(raw, krbforge.Keytab(other, forgedService, 3, theirs)[2:]...) // without its version
	keytab := filepath.Join(t.TempDir(), "http.keytab")
	if err := os.WriteFile(keytab, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	s := forgedSite(t, openLDAP(t), keytab, "")
	for _, c := range []struct {
		name, service, client string // the realms that the ticket is written to be of
		forgery
	}{
		{"under our key", forgedRealm, forgedRealm, forgery{status: 200}},
		{"under theirs, said to be ours", forgedRealm, forgedRealm, forgery{status: 401, reason: "bad_token"}},
		{"theirs, about a client of ours", other, forgedRealm, forgery{status: 403, reason: "realm"}},
		{"theirs, about a client of theirs", other, other, forgery{status: 403, reason: "realm"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := forge("anna")
			if c.status != 200 {
				f.Long = theirs
			}
			f.Realm, f.Part.CRealm, f.Sent.CRealm = c.service, c.client, c.client
			s.wantForged(t, present(t, s.HTTP+"/", f.Token(t)), c.forgery)
		})
	}
}
