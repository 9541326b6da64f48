package windowsauth

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

const module = "github.com/caddy-ntlm/caddy-ntlm"

// house is the plan: each room and the rooms it may use, all of them further
// down. ARCHITECTURE.md draws it; a room that is not here is refused.
var house = map[string][]string{
	// nouns
	"internal/identity": {},
	// codecs and pure rooms
	"internal/ntlm":   {"internal/identity"},
	"internal/policy": {"internal/identity"},
	"internal/spnego": {},
	"internal/ndr":    {"internal/identity"},
	"internal/pac":    {"internal/identity", "internal/ndr"},
	"internal/acl":    {"internal/identity"},
	// what is kept for a while, and who counts, remembers and checks by it; the clock is handed in
	"internal/store":      {},
	"internal/redisstore": {"internal/store"},
	"internal/throttle":   {"internal/store"},
	"internal/session":    {"internal/store"},
	"internal/totp":       {"internal/store"},
	"internal/loginpage":  {},
	// what outlives a configuration
	"internal/shelf": {},
	// statuses of SMB and Netlogon
	"internal/ntstatus": {},
	// for tests alone
	"internal/metrictest": {},
	"internal/modeltest":  {},
	"internal/storetest":  {"internal/store"},
	"internal/faultproxy": {},
	"internal/kdctest":    {},
	"internal/krbforge":   {},
	// clients, and the directory in the process
	"internal/ldapsasl": {"internal/identity"},
	"internal/demodir":  {"internal/identity", "internal/ntlm"},
	"internal/krb":      {},
	"internal/dcerpc":   {"internal/ndr"},
	"internal/smb2":     {"internal/ntlm", "internal/ntstatus", "internal/spnego"},
	"internal/netlogon": {"internal/dcerpc", "internal/identity", "internal/ndr", "internal/ntlm", "internal/ntstatus"},
	// the records office
	"caddyldap": {"internal/identity", "internal/ntlm", "internal/policy", "internal/spnego", "internal/ldapsasl", "internal/krb", "internal/pac", "internal/netlogon", "internal/dcerpc", "internal/smb2", "internal/ntstatus", "internal/acl", "internal/shelf"},
	// the door
	"caddyntlm": {"internal/identity", "internal/ntlm", "internal/policy", "internal/spnego", "caddyldap", "internal/store", "internal/redisstore", "internal/throttle", "internal/session", "internal/totp", "internal/loginpage", "internal/shelf"},
	// words, and the doctor
	"caddyfile": {"internal/identity", "internal/policy", "caddyldap", "caddyntlm"},
	"diag":      {"internal/identity", "internal/policy", "internal/ntlm", "internal/spnego", "internal/krb", "internal/pac", "internal/demodir", "internal/totp", "caddyldap", "caddyntlm"},
	// the roof
	"":                    {"caddyfile", "diag"},
	"cmd/caddy":           {""},
	"integration":         {"", "integration/lab", "integration/redis", "integration/servers", "integration/slapd", "internal/faultproxy", "internal/krbforge"},
	"integration/daemon":  {},
	"integration/redis":   {"integration/daemon"},
	"integration/adapt":   {"", "caddyfile"},
	"integration/bench":   {"integration/daemon", "integration/lab", "integration/servers", "integration/slapd"},
	"integration/lab":     {},
	"integration/mutants": {},
	"integration/servers": {"integration/lab"},
	"integration/slapd":   {"integration/daemon"},
	"integration/soak":    {"", "internal/demodir"},
}

// outside is what the cellar may import besides the standard library and the
// rooms below it: no Caddy below the records office, and cryptography and BER
// only where bytes are read.
var outside = map[string][]string{
	"internal/identity":   {},
	"internal/ntlm":       {"golang.org/x/crypto/md4"},
	"internal/policy":     {"github.com/go-asn1-ber/asn1-ber", "github.com/go-ldap/ldap/v3"},
	"internal/spnego":     {},
	"internal/ndr":        {},
	"internal/pac":        {},
	"internal/acl":        {},
	"internal/dcerpc":     {},
	"internal/netlogon":   {},
	"internal/ntstatus":   {},
	"internal/smb2":       {},
	"internal/store":      {},
	"internal/redisstore": {"github.com/redis/rueidis"},
	"internal/throttle":   {},
	"internal/session":    {},
	"internal/totp":       {"github.com/pquerna/otp", "github.com/pquerna/otp/hotp", "github.com/pquerna/otp/totp"},
	"internal/loginpage":  {},
	"internal/shelf":      {},
	"internal/faultproxy": {},
	"internal/storetest":  {},
	"internal/metrictest": {"github.com/prometheus/client_golang/prometheus"},
	"internal/modeltest":  {"pgregory.net/rapid"},
	"internal/ldapsasl":   {"github.com/go-asn1-ber/asn1-ber"},
	"internal/demodir":    {"github.com/go-asn1-ber/asn1-ber", "github.com/go-ldap/ldap/v3"},
	"internal/krbforge": {
		"github.com/jcmturner/gofork/encoding/asn1", "github.com/jcmturner/gokrb5/v8/asn1tools", "github.com/jcmturner/gokrb5/v8/crypto",
		"github.com/jcmturner/gokrb5/v8/messages", "github.com/jcmturner/gokrb5/v8/types",
	},
	"internal/krb": {
		"github.com/jcmturner/gokrb5/v8/client", "github.com/jcmturner/gokrb5/v8/config", "github.com/jcmturner/gokrb5/v8/credentials",
		"github.com/jcmturner/gokrb5/v8/crypto", "github.com/jcmturner/gokrb5/v8/iana/chksumtype", "github.com/jcmturner/gokrb5/v8/iana/flags",
		"github.com/jcmturner/gokrb5/v8/iana/keyusage", "github.com/jcmturner/gokrb5/v8/keytab", "github.com/jcmturner/gokrb5/v8/messages",
		"github.com/jcmturner/gokrb5/v8/types", "golang.org/x/crypto/cryptobyte", "golang.org/x/crypto/cryptobyte/asn1",
	},
	"internal/kdctest": {
		"github.com/jcmturner/gofork/encoding/asn1", "github.com/jcmturner/gokrb5/v8/asn1tools", "github.com/jcmturner/gokrb5/v8/crypto",
		"github.com/jcmturner/gokrb5/v8/messages", "github.com/jcmturner/gokrb5/v8/types",
	},
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []goPackage
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func room(path string) (string, bool) {
	if path == module {
		return "", true
	}
	return strings.CutPrefix(path, module+"/")
}

func TestImportsPointDown(t *testing.T) {
	for _, p := range packages(t) {
		name, _ := room(p.ImportPath)
		allowed, known := house[name]
		if !known {
			t.Errorf("%q is a room that the plan of the house does not have: draw it in ARCHITECTURE.md and here first", name)
			continue
		}
		for _, path := range p.Imports {
			checkImport(t, name, allowed, path)
		}
	}
}

func checkImport(t *testing.T, name string, allowed []string, path string) {
	t.Helper()
	if own, ours := room(path); ours {
		if !slices.Contains(allowed, own) {
			t.Errorf("%s imports %s, which is not below it in the house", name, own)
		}
		return
	}
	first, _, _ := strings.Cut(path, "/")
	libraries, cellar := outside[name]
	if cellar && strings.Contains(first, ".") && !slices.Contains(libraries, path) {
		t.Errorf("%s, a room of the cellar, imports %s", name, path)
	}
}

// TestHouseHasNoCycle holds the table itself: a room may use only rooms that do
// not, directly or through others, use it.
func TestHouseHasNoCycle(t *testing.T) {
	var visit func(name string, path []string)
	visit = func(name string, path []string) {
		if slices.Contains(path, name) {
			t.Fatalf("the plan goes in a circle: %v", append(path, name))
		}
		for _, below := range house[name] {
			visit(below, append(slices.Clone(path), name))
		}
	}
	for name := range house {
		visit(name, nil)
	}
}

// provers are the files in which a controller's answer becomes a Principal.
var provers = []string{"caddyldap/whois.go", "caddyldap/ticket.go", "caddyldap/netlogon_witness.go", "caddyldap/smb_account.go"}

// TestOnlyVerifiersProve: a Principal comes from a verifier's own answer, so
// identity.Prove is called where that is read and nowhere else.
func TestOnlyVerifiersProve(t *testing.T) {
	eachGoFile(t, func(path string, file *ast.File) {
		if strings.HasSuffix(path, "_test.go") || slices.Contains(provers, path) {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.SelectorExpr); ok && call.Sel.Name == "Prove" {
				if pkg, ok := call.X.(*ast.Ident); ok && pkg.Name == "identity" {
					t.Errorf("%s calls identity.Prove: only %v may", path, provers)
				}
			}
			return true
		})
	})
}

// maxLines is where a file stops being one idea.
const maxLines = 260

func TestFilesHoldOneIdea(t *testing.T) {
	eachGoFile(t, func(path string, _ *ast.File) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), "\n"); n > maxLines && !strings.HasSuffix(path, "_test.go") {
			t.Errorf("%s has %d lines: give its second idea a file of its own (at most %d)", path, n, maxLines)
		}
	})
}

func eachGoFile(t *testing.T, visit func(path string, file *ast.File)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		visit(filepath.ToSlash(path), file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestEveryKindIsExplained: each reason that the log may give stands on the
// troubleshooting page.
func TestEveryKindIsExplained(t *testing.T) {
	page, err := os.ReadFile("docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range identity.Kinds() {
		if !strings.Contains(string(page), "`"+kind.String()+"`") {
			t.Errorf("docs/troubleshooting.md does not explain the reason %s", kind)
		}
	}
}

// TestSpecificationsAreListed: whoever reads docs/protocols.md finds every
// specification that the code cites.
func TestSpecificationsAreListed(t *testing.T) {
	page, err := os.ReadFile("docs/protocols.md")
	if err != nil {
		t.Fatal(err)
	}
	cited := regexp.MustCompile(`\[MS-[A-Z0-9]+\]|\bRFC \d+`)
	eachGoFile(t, func(path string, _ *ast.File) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range cited.FindAllString(string(text), -1) {
			if path != "house_test.go" && !strings.Contains(string(page), name) {
				t.Errorf("%s cites %s, which docs/protocols.md does not list", path, name)
			}
		}
	})
}
