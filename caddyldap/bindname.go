package caddyldap

import (
	"strings"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// bindName is a name as a controller takes it in a simple bind, [MS-ADTS]
// 5.1.1.1.1: DOMAIN\user with a NetBIOS name, or user@suffix. A bare name gets
// the domain's name; one whose domain part is the DNS name becomes user@it,
// since controllers refuse dns.name\user. Everything else goes as typed, for
// the controller to judge.
func bindName(n identity.Name, netBIOS, dns string) string {
	_, _, isUPN := n.UPN()
	switch {
	case n.Domain != "" && dns != "" && strings.EqualFold(n.Domain, dns):
		if isUPN {
			return n.User
		}
		return n.User + "@" + dns
	case n.Domain != "":
		return n.Domain + `\` + n.User
	case isUPN:
		return n.User
	case netBIOS != "":
		return netBIOS + `\` + n.User
	case dns != "":
		return n.User + "@" + dns
	default:
		return n.User
	}
}
