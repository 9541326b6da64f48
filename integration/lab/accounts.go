package lab

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A User is one account of the table accounts.json.
type User struct {
	Sam          string            // sAMAccountName; a computer's ends in $
	Password     string            //
	CN           string            //
	OU           string            // its organisational unit; "" for computers
	UPN          string            // explicit userPrincipalName, or ""
	State        string            // why a log-in is refused: disabled, expired, mustchange, pwexpired, locked, hours, workstation
	Data         string            // the code in the controller's answer to a refused bind, as 533
	Computer     bool              //
	SPNs         []string          //
	PrimaryGroup string            `json:"primary_group"`
	Attributes   map[string]string // further LDAP attributes, as mail
}

// A Group is one group of the table accounts.json.
type Group struct {
	Sam     string   // sAMAccountName
	CN      string   // where it differs from Sam
	Scope   string   // "" is global, or domain-local
	Kind    string   // "" is a security group, or distribution
	Members []string // direct members, users or groups, by Sam
}

type table struct {
	BaseDN string `json:"base_dn"`
	Users  []User
	Groups []Group
}

func accounts() table {
	text, err := script.ReadFile("accounts.json")
	if err != nil {
		panic(err) // embedded
	}
	var t table
	if err := json.Unmarshal(text, &t); err != nil {
		panic("accounts.json: " + err.Error())
	}
	return t
}

// Users are the accounts of the domain.
func Users() []User { return accounts().Users }

// Groups are the groups of the domain, save the 300 of many, bulk-001 to
// bulk-300.
func Groups() []Group { return accounts().Groups }

// Account is the account named sam. It panics when there is none: the tests
// name them all as constants.
func Account(sam string) User {
	users := Users()
	i := slices.IndexFunc(users, func(u User) bool { return u.Sam == sam })
	if i < 0 {
		panic("no account of the lab is named " + sam)
	}
	return users[i]
}

// DN is the account's distinguished name, as the directory writes it.
func (u User) DN() string {
	parent := "CN=Computers"
	if !u.Computer {
		parent = "OU=" + u.OU
	}
	return "CN=" + escapeDN(u.CN) + "," + parent + "," + accounts().BaseDN
}

// DN is the group's distinguished name, as the directory writes it.
func (g Group) DN() string {
	cn := g.CN
	if cn == "" {
		cn = g.Sam
	}
	return "CN=" + escapeDN(cn) + ",OU=Groups," + accounts().BaseDN
}

// escapeDN escapes what the table's names hold of RFC 4514's special characters.
func escapeDN(value string) string {
	return strings.NewReplacer(`\`, `\\`, ",", `\,`, "+", `\+`, `"`, `\"`, "<", `\<`, ">", `\>`, ";", `\;`).Replace(value)
}

// SID is the security identifier of an account or group, as S-1-5-21-….
func (l *Lab) SID(sam string) (string, error) {
	values, err := l.Attribute(1, sam, "objectSid")
	if err != nil {
		return "", err
	}
	if len(values) != 1 {
		return "", fmt.Errorf("%s has %d SIDs", sam, len(values))
	}
	return values[0], nil
}

// BadPasswordCount is badPwdCount of an account at controller n; they do not
// replicate it.
func (l *Lab) BadPasswordCount(n int, sam string) (int, error) {
	values, err := l.Attribute(n, sam, "badPwdCount")
	if err != nil || len(values) == 0 {
		return 0, err
	}
	var count int
	_, err = fmt.Sscan(values[0], &count)
	return count, err
}

// Attribute reads an attribute from controller n's database file with
// ldbsearch, so also while the controller is stopped. A missing attribute has
// no values.
func (l *Lab) Attribute(n int, sam, name string) ([]string, error) {
	filter := strings.NewReplacer(`\`, `\5c`, "(", `\28`, ")", `\29`, "*", `\2a`).Replace(sam)
	ldif, err := l.search(n, "(sAMAccountName="+filter+")", "sAMAccountName", name)
	if err != nil {
		return nil, err
	}
	found, err := ldifValues(ldif, "sAMAccountName")
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("%d accounts are named %s", len(found), sam)
	}
	if err != nil {
		return nil, err
	}
	return ldifValues(ldif, name)
}

func (l *Lab) search(n int, filter string, attributes ...string) (ldif string, err error) {
	controller := filepath.Join(l.Dir, fmt.Sprintf("dc%d", n))
	command := exec.Command("ldbsearch", "-s", "sub", "-b", l.BaseDN,
		"--configfile="+filepath.Join(controller, "smb.conf"),
		"-H", filepath.Join(controller, "private", "sam.ldb"), filter)
	command.Args = append(command.Args, attributes...)
	var complaint strings.Builder
	command.Stderr = &complaint
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("searching controller %d for %s: %w\n%s", n, filter, err, complaint.String())
	}
	return string(out), nil
}

// ldifValues picks an attribute's values out of LDIF (RFC 2849).
func ldifValues(ldif, name string) ([]string, error) {
	var values []string
	for line := range strings.Lines(strings.ReplaceAll(ldif, "\n ", "")) {
		found, value, ok := strings.Cut(strings.TrimRight(line, "\n"), ":")
		if !ok || !strings.EqualFold(found, name) {
			continue
		}
		encoded, isBase64 := strings.CutPrefix(value, ": ")
		if !isBase64 {
			values = append(values, strings.TrimPrefix(value, " "))
			continue
		}
		decoded, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		values = append(values, string(decoded))
	}
	return values, nil
}
