package demodir

import (
	"strings"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// account is somebody who can log in, and what a connection remembers of it.
type account struct {
	User
	sid        identity.SID
	logon      string // DOMAIN\user
	hash       ntlm.Key
	entry      *entry // nil for the anonymous one
	noPassword bool   // the guest and the anonymous one
}

// accountToBind finds whom the name of a simple bind means, as
// [MS-ADTS] 5.1.1.1.1 has it and a controller was seen to: a DN, an explicit
// userPrincipalName, an implicit one by the DNS or NetBIOS name of the domain,
// DOMAIN\user. A bare name means nobody.
func (t *tree) accountToBind(name string) *account {
	if key, err := parseDN(name); err == nil {
		if e := t.byKey[key]; e != nil {
			return e.account
		}
		return nil
	}
	if strings.Contains(name, "@") && !strings.Contains(name, `\`) {
		return t.accountByUPN(name)
	}
	domain, user, ok := strings.Cut(name, `\`)
	if !ok || identity.Fold(domain) != identity.Fold(t.netbios) {
		return nil
	}
	return t.bySAM[identity.Fold(user)]
}

// accountByName finds whom a Type 3 names. The domain that stands beside the
// name is not asked for: a controller lets OTHER\alice in as its own alice.
func (t *tree) accountByName(user string) *account {
	if a := t.bySAM[identity.Fold(user)]; a != nil {
		return a
	}
	return t.accountByUPN(user)
}

func (t *tree) accountByUPN(name string) *account {
	if a := t.byUPN[identity.Fold(name)]; a != nil {
		return a
	}
	at := strings.LastIndexByte(name, '@')
	if at < 0 {
		return nil
	}
	switch suffix := identity.Fold(name[at+1:]); suffix {
	case identity.Fold(t.dns), identity.Fold(t.netbios):
		return t.bySAM[identity.Fold(name[:at])]
	}
	return nil
}
