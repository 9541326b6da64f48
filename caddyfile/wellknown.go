package caddyfile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// wellKnown are groups of Windows whose names have spaces, without those that
// end in Users, which are refused.
var wellKnown = []string{
	"Domain Admins", "Domain Computers", "Domain Controllers", "Domain Guests", "Enterprise Admins", "Enterprise Key Admins",
	"Schema Admins", "Key Admins", "Cert Publishers", "Cloneable Domain Controllers", "Group Policy Creator Owners",
	"Read-only Domain Controllers", "Enterprise Read-only Domain Controllers", "RAS and IAS Servers",
	"Allowed RODC Password Replication Group", "Denied RODC Password Replication Group",
	"Account Operators", "Backup Operators", "Print Operators", "Server Operators", "Cryptographic Operators",
	"Network Configuration Operators", "Access Control Assistance Operators", "Certificate Service DCOM Access",
	"Event Log Readers", "Hyper-V Administrators", "Incoming Forest Trust Builders", "Pre-Windows 2000 Compatible Access",
	"RDS Endpoint Servers", "RDS Management Servers", "RDS Remote Access Servers", "Storage Replica Administrators",
	"Terminal Server License Servers", "Windows Authorization Access Group",
	"Admins du domaine", "Admins. del dominio",
}

// warnWellKnown warns where names that spaces separate are together one that
// every domain has: group Domain Admins is the groups Domain and Admins. It is
// no error, for there may be such groups.
func warnWellKnown(l line, pieces []piece) {
	if !severalUnquoted(pieces) {
		return
	}
	for len(pieces) > 0 {
		words := wellKnownAt(pieces)
		if words == nil {
			pieces = pieces[1:]
			continue
		}
		name := l.word.Text + ` "` + strings.Join(words, " ") + `"`
		caddy.Log().Named("caddyfile").Warn(fmt.Sprintf("%s, without quotes, is %d groups: %s", strings.ReplaceAll(name, `"`, ""), len(words), listed(words)),
			zap.String("at", place(pieces[0].at)), zap.String("hint", "Quote the name: "+name))
		pieces = pieces[len(words):]
	}
}

// wellKnownAt is the words at the beginning that are together the name of a
// well-known group. A domain may stand before it.
func wellKnownAt(pieces []piece) []string {
	var words []string
	for _, p := range pieces {
		if p.kind != plain {
			return nil
		}
		words = append(words, p.text)
		name := strings.Join(words, " ")
		if at := strings.IndexByte(words[0], '\\'); at >= 0 {
			name = name[at+1:]
		}
		if len(words) > 1 && slices.ContainsFunc(wellKnown, func(known string) bool { return identity.Fold(name) == identity.Fold(known) }) {
			return words
		}
	}
	return nil
}

// listed writes names as a sentence does.
func listed(names []string) string {
	last := len(names) - 1
	return `"` + strings.Join(names[:last], `", "`) + `" and "` + names[last] + `"`
}
