package integration

import (
	"crypto/tls"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"unicode"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/integration/slapd"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// foldedPairs are the letters beyond ASCII that identity.Fold joins, each small
// letter with its capital.
func foldedPairs() map[rune]rune {
	pairs := make(map[rune]rune)
	for r := rune(0x80); r <= unicode.MaxRune; r++ {
		if folded := []rune(identity.Fold(string(r))); unicode.SimpleFold(r) != r && folded[0] != r {
			pairs[r] = folded[0]
		}
	}
	return pairs
}

// TestFoldAsSlapd: letters that identity.Fold joins are one to OpenLDAP
// (threats D-03, D-04).
func TestFoldAsSlapd(t *testing.T) {
	server := openLDAP(t)
	c, err := ldap.DialURL(server.LDAPS, ldap.DialWithTLSConfig(&tls.Config{InsecureSkipVerify: true}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Bind(slapd.Admin, slapd.AdminPassword); err != nil {
		t.Fatal(err)
	}
	pairs, small := foldedPairs(), []string(nil)
	for lower := range pairs {
		small = append(small, "x"+string(lower))
	}
	dn := "cn=letters," + slapd.Base
	add := ldap.NewAddRequest(dn, nil)
	add.Attribute("objectClass", []string{"person"})
	add.Attribute("cn", []string{"letters"})
	add.Attribute("sn", small)
	if err := c.Add(add); err != nil {
		t.Fatal(err)
	}
	for lower, upper := range pairs {
		if same, err := c.Compare(dn, "sn", "x"+string(upper)); err != nil || !same {
			t.Errorf("%q and %q: got %v, %v, want the same", lower, upper, same, err)
		}
	}
	if len(pairs) < 400 {
		t.Errorf("got %d pairs, want those of Latin, Greek and Cyrillic at least", len(pairs))
	}
}

// TestFoldAsSamba: nor does Samba's database, which keeps sAMAccountName apart, tell
// them apart.
func TestFoldAsSamba(t *testing.T) {
	var pairs strings.Builder
	for lower, upper := range foldedPairs() {
		fmt.Fprintf(&pairs, "%d %d\n", lower, upper)
	}
	c := exec.Command("/usr/bin/python3", "-c", `
import ldb, samba, sys
path = sys.argv[1]
samba.Ldb(path).add({"dn": "@ATTRIBUTES", "cn": "CASE_INSENSITIVE"})
db = samba.Ldb(path)
db.set_utf8_casefold()
fold = lambda n: ldb.Dn(db, "CN=x" + chr(int(n))).get_casefold()
for line in sys.stdin:
    small, capital = line.split()
    if fold(small) != fold(capital):
        print(small, capital)
print("done")`, t.TempDir()+"/letters.ldb")
	c.Stdin = strings.NewReader(pairs.String())
	out, err := c.CombinedOutput()
	if err != nil || string(out) != "done\n" {
		t.Errorf("%v: got pairs that are two letters there, want none:\n%s", err, out)
	}
}

// TestNamesThatSlapdKeepsApart: who registers a name that Unicode's tables bring
// together with another's, and slapd does not, is not the other to any rule, nor to the
// cache (threats D-03, D-04).
func TestNamesThatSlapdKeepsApart(t *testing.T) {
	server := openLDAP(t)
	for _, pair := range [][2]string{{"νικος", "νικοσ"}, {"василий", "\u1C80асилий"}, {"straße", "straẞe"}} {
		for i, uid := range pair {
			person := fmt.Sprintf("dn: uid=%[1]s,ou=people,%[2]s\nobjectClass: inetOrgPerson\nuid: %[1]s\ncn: x\nsn: x\nuserPassword: Secr3t-%[3]d\n", uid, slapd.Base, i)
			if err := server.Change(person); err != nil {
				t.Fatal(err)
			}
		}
		for rule, want := range map[string][2]int{
			"require user " + pair[0]: {200, 403},
			"require user " + strings.ToUpper(string([]rune(pair[0])[:1])) + string([]rune(pair[0])[1:]): {200, 403},
			"require user uid=" + pair[0] + ",ou=people," + slapd.Base:                                   {200, 403},
			"require all {\nvalid-user\nnone {\nuser " + pair[0] + "\n}\n}":                              {403, 403},
			"require valid-user": {200, 200},
		} {
			s := people(t, server, serviceWords, "\t\t"+rule)
			for i, uid := range pair {
				got := curl(t, "--basic", "-u", fmt.Sprintf("%s:Secr3t-%d", uid, i), s.HTTP+"/")
				if name, _, _ := strings.Cut(got.Body, "|"); got.Status != want[i] || got.Status == 200 && name != uid {
					t.Errorf("%s, %s: got %d %s, reason %s, want %d", rule, uid, got.Status, got.Body, s.reason(t), want[i])
				}
			}
		}
	}
}
