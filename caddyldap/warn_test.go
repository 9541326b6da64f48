package caddyldap

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
	"github.com/caddy-ntlm/caddy-ntlm/internal/kdctest"
)

// TestWarnOfNames: outside Active Directory nobody but a service account sees
// that two accounts share a name, and the log says so before any user comes.
func TestWarnOfNames(t *testing.T) {
	unix, active := unixPeople(t, nil), startDemo(t, nil)
	for name, c := range map[string]struct {
		server  *demodir.Server
		form    *BindAs
		account bool
		want    int
	}{
		"absolute":                  {unix, &BindAs{Form: bindAbsolute}, false, 1},
		"template":                  {unix, &BindAs{Form: bindTemplate, Template: "cn={user},OU=Staff,DC=example,DC=test"}, false, 1},
		"relative":                  {unix, &BindAs{Form: bindRelative}, false, 1},
		"with a service account":    {unix, &BindAs{Form: bindAbsolute}, true, 0},
		"Active Directory":          {active, &BindAs{Form: bindAbsolute}, false, 0},
		"Active Directory, by name": {active, nil, false, 0},
	} {
		config := unixDirectory(c.server, "OU=Staff,"+c.server.BaseDN())
		config.BindAs = c.form
		if !c.account {
			config.ServiceAccount = nil
		}
		d, logs := open(t, config, "EXAMPLE")
		d.start()
		for deadline := time.Now().Add(10 * time.Second); logs.FilterMessageSnippet("self-test: the servers answer").Len()+logs.FilterMessageSnippet("all is well").Len()+logs.FilterMessageSnippet("will not work").Len() == 0; {
			if time.Now().After(deadline) {
				t.Fatalf("%s: the self-test does not end", name)
			}
			time.Sleep(time.Millisecond)
		}
		if got := logs.FilterMessageSnippet("two accounts of one log-in name").Len(); got != c.want {
			t.Errorf("%s: got %d warnings, want %d\n%v", name, got, c.want, logs.All())
		}
	}
}

// TestWarnOfTickets: whom a ticket proves has groups by SID alone where nobody looks
// up names, whoever got the ticket.
func TestWarnOfTickets(t *testing.T) {
	keytab := writeFile(t, "http.keytab", kdctest.Keytab("EXAMPLE.TEST", webService, 3, webKey))
	for verifier, want := range map[string]int{nameKeytab: 1, nameKerberosPassword: 1, nameBind: 0} {
		for _, looked := range []bool{false, true} {
			config := demoDirectory(startDemo(t, nil))
			if !looked {
				config.ServiceAccount = nil
			}
			words := map[string]string{"verifier": verifier}
			if verifier != nameBind {
				words["file"] = keytab
			}
			raw, err := json.Marshal(words)
			if err != nil {
				t.Fatal(err)
			}
			config.VerifyRaw = []json.RawMessage{raw}
			_, logs := open(t, config, "EXAMPLE")
			if got := logs.FilterMessageSnippet("tickets tell SIDs").Len(); got != want && !looked || looked && got != 0 {
				t.Errorf("%s, service account %v: got %d warnings, want %d without one", verifier, looked, got, want)
			}
		}
	}
}
