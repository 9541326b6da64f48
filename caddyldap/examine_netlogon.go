package caddyldap

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// channel has one server open a secure channel and judge a log-in. It goes by the ports
// of RPC, and not by those of LDAP.
func (x *examination) channel(ctx context.Context, s *server) {
	n := x.directory.netlogon()
	if n == nil {
		return
	}
	level, err := n.test(ctx, s)
	if err != nil {
		x.fault("netlogon", err)
		return
	}
	x.channels[s] = Well
	text := fmt.Sprintf("%s: the secure channel of %s works, sealed with %s", s.mapper(), n.Account, channelSeal)
	switch {
	case level == 0:
		x.unclear("netlogon", text+"; the account itself may not log in, so no log-in was judged", "")
	case level < 6:
		x.note("netlogon", fmt.Sprintf("%s; it knows no answers above level %d", text, level), "an older controller: DNS domain and UPN of users come from LDAP alone there")
	default:
		x.well("netlogon", "%s; log-ins are judged, at level %d", text, level)
	}
}

// More bits of userAccountControl, [MS-ADTS] 2.2.16.
const (
	uacServerTrust       = 0x2000 // a controller's own account
	uacTrustedForAnybody = 0x80000
	uacTrustedToAnybody  = 0x1000000
)

// machineAccount looks for rights that the machine account does not need: whoever reads its
// password has them too.
func (x *examination) machineAccount(ctx context.Context, c *conn, root rootDSE) {
	n := x.directory.netlogon()
	if n == nil || !root.ad {
		return
	}
	found, err := c.search(ctx, root.base, ldap.ScopeWholeSubtree, "(sAMAccountName="+ldap.EscapeFilter(n.Account)+")", 2, "userAccountControl", "adminCount", "primaryGroupID")
	switch {
	case err != nil:
		x.once(Observation{Unclear, "machine", "the rights of " + n.Account + " were not looked at: " + err.Error(), ""})
		return
	case len(found) != 1:
		x.once(Observation{Unclear, "machine", n.Account + " is not to be seen", "let the service account read it, where it is there"})
		return
	}
	rights := excessive(found[0])
	for _, o := range rights {
		o.Text = n.Account + " " + o.Text
		x.once(o)
	}
	if len(rights) == 0 {
		x.once(Observation{Well, "machine", n.Account + " is an ordinary computer account", ""})
	}
}

// excessive is what an account has that logs others in, and does not need.
func excessive(e *ldap.Entry) (all []Observation) {
	note := func(text, hint string) { all = append(all, Observation{Notable, "machine", text, hint}) }
	uac, err := strconv.ParseUint(value(e, "userAccountControl"), 10, 32)
	if err != nil {
		return []Observation{{Unclear, "machine", "does not show userAccountControl", ""}}
	}
	if uac&uacDisabled != 0 {
		note("is disabled", "enable it: samba-tool user enable, Enable-ADAccount")
	}
	if uac&uacServerTrust != 0 {
		note("is the account of a domain controller", "make a computer account of this server's own: a controller's can read every password of the domain")
	}
	if uac&(uacTrustedForAnybody|uacTrustedToAnybody) != 0 {
		note("is trusted for delegation", "take that away (Set-ADAccountControl -TrustedForDelegation 0 -TrustedToAuthForDelegation 0): nothing here needs it, and whoever has the account's password can be anybody elsewhere")
	}
	if value(e, "adminCount") == "1" {
		note("is, or was, in a group of administrators", "leave it in Domain Computers alone: nothing here needs more")
	} else if group := value(e, "primaryGroupID"); group != "" && group != "515" && uac&uacServerTrust == 0 {
		note("has the primary group "+strings.TrimSpace(group)+", and not Domain Computers (515)", "nothing here needs another one")
	}
	return all
}
