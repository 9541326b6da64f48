package lab

import (
	"reflect"
	"testing"
)

func TestAccountNames(t *testing.T) {
	for sam, want := range map[string]string{
		"eve":    `CN=O'Hara\, Eve (IT),OU=Staff,DC=example,DC=test`,
		"müller": "CN=Jörg Müller,OU=Staff,DC=example,DC=test",
		"WEB01$": "CN=WEB01,CN=Computers,DC=example,DC=test",
	} {
		if got := Account(sam).DN(); got != want {
			t.Errorf("%s: got %s, want %s", sam, got, want)
		}
	}
}

func TestMembersExist(t *testing.T) {
	known := map[string]bool{}
	for _, user := range Users() {
		if known[user.Sam] || user.Password == "" {
			t.Errorf("%s: named twice, or without a password", user.Sam)
		}
		known[user.Sam] = true
	}
	for _, group := range Groups() {
		known[group.Sam] = true
	}
	for _, group := range Groups() {
		for _, member := range group.Members {
			if !known[member] {
				t.Errorf("%s: its member %s is nobody", group.Sam, member)
			}
		}
	}
}

func TestLDIFValues(t *testing.T) {
	ldif := "dn: CN=x\nmemberOf: CN=Long na\n me,DC=test\nmemberOf:: RsO8aHJ1bmc=\nother: 1\n"
	got, err := ldifValues(ldif, "memberof")
	if want := []string{"CN=Long name,DC=test", "Führung"}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}
