package integration

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
	"github.com/caddy-ntlm/caddy-ntlm/integration/slapd"
)

// question is what testdata/oracle.py reads.
type question struct {
	URI           string   `json:"uri"`
	CA            string   `json:"ca"`
	Who           string   `json:"who"`
	Password      string   `json:"password"`
	Admin         string   `json:"admin"`
	AdminPassword string   `json:"admin_password"`
	People        string   `json:"people"`
	Attribute     string   `json:"attribute"`
	Add           []string `json:"add"`
	Secret        string   `json:"secret"`
	Names         []string `json:"names"`
}

// answered is what a directory says of a name that python-ldap escaped.
type answered struct {
	Found     []string
	Named, At string
}

// consult asks a directory by python-ldap, which shares no line with what is
// tested.
func consult(t *testing.T, q question) []answered {
	t.Helper()
	raw, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command("/usr/bin/python3", "testdata/oracle.py")
	command.Stdin = bytes.NewReader(raw)
	var said bytes.Buffer
	command.Stderr = &said
	out, err := command.Output()
	if err != nil {
		t.Fatalf("asking by python-ldap, which make deps installs: %v\n%s", err, &said)
	}
	var answers []answered
	if err := json.Unmarshal(out, &answers); err != nil || len(answers) != len(q.Names) {
		t.Fatalf("got %d answers, %v", len(answers), err)
	}
	return answers
}

// pieces are what filters, DNs, log-in names and careless programs stumble over.
var pieces = []string{
	"*", "(", ")", "\\", "\\2a", "\\5c", "\\28", "*)(uid=*", ")(|(uid=*", "&", "|", "!", "=", "~=", ">=", "<", ">", ",", "+", ";", "\"", "#",
	" ", "  ", "'", "/", "@", "%", "%2a", "$", "{user}", "{http.auth.user.id}", ",ou=people", ",dc=example", "+cn=x", "\\,", "\\+", "\\ ",
	"ä", "Ä", "ß", "é", "e\u0301", "а", "ｘ", "＊", "（", "\u212a", "ı", "ſ", "\u200b", "\u00a0", "\ufeff", "😀", "1.1", "oid.1", "x", "dn:",
}

// hostileNames are n different names, made of a few that are there and of pieces.
func hostileNames(random *rand.Rand, seeds []string, n int) []string {
	seen := make(map[string]bool)
	var names []string
	for len(names) < n {
		name := seeds[random.IntN(len(seeds))]
		for range random.IntN(4) {
			at := random.IntN(len([]rune(name)) + 1)
			runes := []rune(name)
			piece := pieces[random.IntN(len(pieces))]
			switch end := min(len(runes), at+random.IntN(2)); random.IntN(3) {
			case 0:
				name = string(runes[:at]) + piece + string(runes[end:])
			case 1:
				name = string(runes[:at]) + string(runes[end:]) + piece
			default:
				name = strings.ToUpper(name)
			}
		}
		if !seen[name] && name != "" && !strings.Contains(name, ":") { // RFC 7617 2
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}

// enter logs in by Basic, on one connection, and gives the DN of whoever got in.
func enter(t *testing.T, s *site, name, password string) (status int, dn string) {
	t.Helper()
	r, err := http.NewRequest("GET", s.HTTP+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(name, password)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// judge compares who got in with who should. exact says whether they must get in
// at all: a backslash or an at sign may part a domain from the name.
func judge(t *testing.T, how, name string, status int, got, want string, exact bool) {
	t.Helper()
	switch {
	case status != 200 && status != 401:
		t.Errorf("%s: %q: got %d", how, name, status)
	case status == 200 && got != want:
		t.Errorf("%s: %q: got in as %q, and another library finds %q", how, name, got, want)
	case status != 200 && want != "" && exact:
		t.Errorf("%s: %q: got %d, and another library finds %q", how, name, status, want)
	}
}

const hostileSecret = "Secr3t-hostile"

// TestHostileNames: D-02. A thousand names, and as many DNs, find at a real slapd
// whom another library's escaping finds, and nobody else.
func TestHostileNames(t *testing.T) {
	server := openLDAP(t)
	random := rand.New(rand.NewPCG(4, 2026))
	there := hostileNames(random, []string{"zed", "yan", "x", "Ute Öz"}, 150)
	there = slices.DeleteFunc(there, func(name string) bool { return strings.TrimSpace(name) == "" })
	const people = "ou=people," + slapd.Base
	names := append(slices.Clone(there), hostileNames(random, there, 1000-len(there))...)
	dns := make([]string, 0, 1000)
	for i, name := range hostileNames(random, there, 1000) {
		dns = append(dns, []string{"uid=" + name + "," + people, name, "UID = " + name + " , " + people, "uid=x+uid=" + name + "," + people}[i%4])
	}
	q := question{
		URI: server.LDAPS, CA: server.CA, Who: slapd.Service, Password: slapd.ServicePassword, Admin: slapd.Admin, AdminPassword: slapd.AdminPassword,
		People: people, Attribute: "uid", Add: there, Secret: hostileSecret, Names: append(slices.Clone(names), dns...),
	}
	answers := consult(t, q)
	for form, c := range map[string]struct {
		words string
		names []string
		want  func(answered) string
	}{
		"search": {"bind_as search", names, func(a answered) string {
			if len(a.Found) == 1 {
				return a.Found[0]
			}
			return ""
		}},
		"template": {"bind_as template uid={user}," + people, names, func(a answered) string { return a.Named }},
		"absolute": {"bind_as absolute", dns, func(a answered) string { return a.At }},
	} {
		t.Run(form, func(t *testing.T) {
			s := start(t, siteConfig{
				Servers: server.LDAPS, CA: server.CA, LDAP: serviceWords + "\nbase_dn " + people + "\n" + c.words + "\nverify bind",
				Body: "\twindows_auth EXAMPLE {\n\t\tinsecure_basic\n\t\tthrottle off\n\t}\n\trespond \"{http.auth.user.dn}\"\n",
			})
			in := 0
			for _, name := range c.names {
				status, got := enter(t, s, name, hostileSecret)
				if status == 200 {
					in++
				}
				want := c.want(answers[slices.Index(q.Names, name)])
				judge(t, form, name, status, got, want, !strings.ContainsAny(name, `\@`) && !strings.ContainsFunc(name, unicode.IsControl))
			}
			if in < 50 {
				t.Errorf("only %d of %d got in: the test proves little", in, len(c.names))
			}
			t.Logf("%d of %d got in", in, len(c.names))
		})
	}
}

// TestHostileNamesInActiveDirectory: the same at a real domain controller, by
// search and by the names that it takes itself.
func TestHostileNamesInActiveDirectory(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 2027))
	alice := lab.Account("alice")
	names := hostileNames(random, []string{"alice", "ALICE", "Alice"}, 500)
	service := lab.Account("svc-web")
	answers := consult(t, question{
		URI: domain.LDAPS(1), CA: domain.CA(), Who: `EXAMPLE\svc-web`, Password: service.Password, People: domain.BaseDN,
		Attribute: "sAMAccountName", Names: names,
	})
	for _, form := range []string{"search", "direct"} {
		t.Run(form, func(t *testing.T) {
			s := start(t, siteConfig{
				LDAP: `service_account EXAMPLE\svc-web ` + service.Password + "\nbind_as " + form,
				Body: "\twindows_auth EXAMPLE {\n\t\tinsecure_basic\n\t\tthrottle off\n\t}\n\trespond \"{http.auth.user.dn}\"\n",
			})
			for i, name := range names {
				status, got := enter(t, s, name, alice.Password)
				want := ""
				if len(answers[i].Found) == 1 {
					want = answers[i].Found[0]
				}
				judge(t, form, name, status, got, want, form == "search" && !strings.ContainsAny(name, `\@`))
			}
			if status, got := enter(t, s, "alice", alice.Password); status != 200 || got != alice.DN() {
				t.Errorf("alice herself: got %d %q", status, got)
			}
		})
	}
}
