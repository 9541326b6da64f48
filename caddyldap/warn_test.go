package caddyldap

import (
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
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
