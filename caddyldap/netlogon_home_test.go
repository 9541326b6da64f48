package caddyldap

import (
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/netlogon"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// TestNetlogonWhoseSID: threats B-11. A controller of a trusted domain may give its
// users our names and no SID of ours: the machine's own log-in tells whose those are.
func TestNetlogonWhoseSID(t *testing.T) {
	foreign, err := identity.ParseSID("S-1-5-21-7-8-9")
	if err != nil {
		t.Fatal(err)
	}
	lies := func(v *netlogon.Validation) { v.LogonDomainID = foreign }
	for name, c := range map[string]struct {
		user, self func(*netlogon.Validation)
		domain     string
		want       identity.Kind
	}{
		"a bare name":                     {nil, nil, "", 0},
		"a bare name, of another domain":  {lies, nil, "", identity.KindRealm},
		"the machine is nobody":           {nil, func(v *netlogon.Validation) { v.EffectiveName = "eve" }, "", identity.KindSecureChannel},
		"the machine is of elsewhere":     {lies, func(v *netlogon.Validation) { lies(v); v.LogonDomainName = "OTHER" }, "", identity.KindSecureChannel},
		"our domain, whose word is taken": {nil, func(v *netlogon.Validation) { v.EffectiveName = "eve" }, "EXAMPLE", 0},
	} {
		t.Run(name, func(t *testing.T) {
			d, _ := memberServer(t, &bench{change: c.user, self: c.self})
			client := &ntlm.Client{User: "alice", Domain: c.domain, Workstation: "DESK", Password: "Secr3t-alice"}
			for range 2 { // the second time by what is remembered
				if _, err := logInNTLM(t, d, client); (err == nil) != (c.want == 0) || err != nil && identity.KindOf(err) != c.want {
					t.Errorf("got %v, want %v", err, c.want)
				}
			}
		})
	}
}
