package diag

import (
	"errors"
	"slices"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// ridProtectedUsers is that of the group whose members no controller lets in by NTLM
// or by a simple bind, [MS-DTYP] 2.4.2.4.
const ridProtectedUsers = 525

// protected says which ways in are closed to a member of Protected Users. Their
// password is as good as anybody's, and what refuses it is not to be seen before.
func (g *judgement) protected(to *ways) error {
	member := slices.ContainsFunc(g.id.Groups(), func(group identity.Group) bool {
		return group.SID.IsOfDomain() && group.SID.RID() == ridProtectedUsers
	})
	if !member || g.loggedIn {
		return nil
	}
	var byKDC bool
	if to.byPassword != nil {
		_, byKDC = to.byPassword.PasswordVerifier().(*caddyldap.KerberosPassword)
	}
	switch {
	case to.byTicket == nil && !byKDC:
		return g.stranger(&identity.Error{
			Kind: identity.KindRestricted, Err: errors.New("a member of Protected Users, whom controllers let in by Kerberos alone"),
			Hint: "verify keytab takes tickets, and verify kerberos_password has a KDC judge passwords; or take the account out of the group",
		})
	case byKDC:
		say(g.out, "  note      a member of Protected Users: NTLM is refused (restriction)\n")
	default:
		say(g.out, "  note      a member of Protected Users: a ticket alone lets in, NTLM and Basic are refused (restriction)\n")
	}
	return nil
}
