package caddyldap

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/netlogon"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
)

// withSuffix is a directory where erin has a UPN of another suffix than the domain's,
// and whose one controller judges log-ins as the bench does.
func withSuffix(t *testing.T, service bool) (*Directory, *bench, identity.SID) {
	t.Helper()
	s := startDemo(t, func(c *demodir.Config) {
		c.Users = append(c.Users, demodir.User{Name: "erin", Password: "Secr3t-alice", UPN: "erin@corp.example"})
	})
	configured := demoDirectory(s)
	configured.VerifyRaw = []json.RawMessage{json.RawMessage(`{"verifier": "netlogon", "account": "WEB04$", "secret": "Secr3t-web04"}`)}
	configured.Domain, configured.DNSDomain = "EXAMPLE", "example.test"
	looking, _ := open(t, demoDirectory(s), "EXAMPLE")
	erin, err := looking.Find(t.Context(), identity.ParseName("erin"))
	if err != nil {
		t.Fatal(err)
	}
	if !service {
		configured.ServiceAccount = nil
	}
	d, _ := open(t, configured, "EXAMPLE")
	b := &bench{fails: make(map[string]error), hangs: make(map[string]bool)}
	d.netlogon().machine.judges = func(netlogon.Config) (judge, error) { return seat{b, "dc"}, nil }
	return d, b, erin.SID
}

var errNoSuchUser = verdict(ntstatus.NoSuchUser)

// TestNetlogonOtherSuffix: a UPN with another suffix is looked up where that can be,
// and the account that is found is the one that must come in.
func TestNetlogonOtherSuffix(t *testing.T) {
	const typed = "erin@corp.example"
	for name, c := range map[string]struct {
		service bool
		typed   string
		sid     bool // the controller answers with the SID that the directory has
		fails   error
		asked   string
		want    identity.Kind
		hint    string
	}{
		"looked up":               {true, typed, true, nil, `EXAMPLE\erin`, 0, ""},
		"in capitals":             {true, "ERIN@CORP.example", true, nil, `EXAMPLE\erin`, 0, ""},
		"somebody else comes in":  {true, typed, false, nil, `EXAMPLE\erin`, identity.KindMismatch, "one domain"},
		"nobody's":                {true, "erin@other.example", true, errNoSuchUser, `\erin@other.example`, identity.KindBadCredentials, `EXAMPLE\user`},
		"the domain's own suffix": {true, "erin@example.test", true, nil, `\erin@example.test`, 0, ""},
		"nobody can look it up":   {false, typed, true, errNoSuchUser, `\` + typed, identity.KindBadCredentials, "with a service_account"},
		"a wrong password":        {false, typed, true, verdict(ntstatus.WrongPassword), `\` + typed, identity.KindBadCredentials, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d, b, erin := withSuffix(t, c.service)
			b.fails["dc"] = c.fails
			b.self = func(v *netlogon.Validation) { v.LogonDomainID = erin.Domain() }
			b.change = func(v *netlogon.Validation) {
				if v.LogonDomainID = erin.Domain(); c.sid {
					v.UserID = erin.RID()
				}
			}
			p, err := d.PasswordVerifier().VerifyPassword(t.Context(), identity.ParseName(c.typed), identity.NewSecret("Secr3t-alice"))
			if got := strings.Join(b.names, " "); got != c.asked {
				t.Errorf("the controller was asked about %q, want %q", got, c.asked)
			}
			if (err == nil) != (c.want == 0) || err != nil && identity.KindOf(err) != c.want || err == nil && p.SID() != erin {
				t.Errorf("got %v, %v, want %v", p, err, c.want)
			}
			e, _ := errors.AsType[*identity.Error](err)
			if e != nil && (!strings.Contains(e.Hint, c.hint) || (e.Hint == "") != (c.hint == "")) {
				t.Errorf("got the hint %q, want %q", e.Hint, c.hint)
			}
		})
	}
}
