package caddyldap

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// What is read of accounts and groups.
var (
	groupAttributes = []string{"objectSid", "sAMAccountName", "sAMAccountType", "groupType", "cn"}
	nameAttributes  = append([]string{"uid", "gidNumber", "userPrincipalName", "displayName", "mail", "primaryGroupID", "pwdLastSet"}, groupAttributes...)
	// Standing and memberships take a controller time to work out, so they are
	// not asked of every group.
	accountAttributes = append(append([]string{
		"userAccountControl", "accountExpires", "msDS-User-Account-Control-Computed", "memberOf",
	}, uniqueAttributes...), nameAttributes...)
	// What tells an entry from a later one of its DN, where there are no SIDs:
	// entryUUID, RFC 4530, or in 389 Directory Server its forerunner.
	uniqueAttributes = []string{"entryUUID", "nsUniqueId"}
)

// sAMAccountType values of accounts, [MS-SAMR] 2.2.1.9.
const (
	samUser    = "805306368" // SAM_USER_OBJECT
	samMachine = "805306369" // SAM_MACHINE_ACCOUNT
	samTrust   = "805306370" // SAM_TRUST_ACCOUNT
)

func isAccount(e *ldap.Entry) bool {
	kind := value(e, "sAMAccountType")
	return kind == samUser || kind == samMachine || kind == samTrust
}

// uuidOf is what tells an entry from a later one of its DN, empty where the server
// shows none.
func uuidOf(e *ldap.Entry) string {
	for _, attribute := range uniqueAttributes {
		if uuid := value(e, attribute); uuid != "" {
			return uuid
		}
	}
	return ""
}

// sidChunk is how many SIDs one filter asks for.
const sidChunk = 64

// bySIDs finds the entries of the domain that have one of the SIDs.
func bySIDs(ctx context.Context, c *conn, base string, list []identity.SID, attributes []string) (map[identity.SID]*ldap.Entry, error) {
	found := make(map[identity.SID]*ldap.Entry, len(list))
	for chunk := range slices.Chunk(list, sidChunk) {
		var filter strings.Builder
		filter.WriteString("(|")
		for _, sid := range chunk {
			filter.WriteString("(objectSid=" + escapeBytes(sid.Bytes()) + ")")
		}
		filter.WriteString(")")
		entries, err := c.search(ctx, base, ldap.ScopeWholeSubtree, filter.String(), 2*sidChunk, attributes...)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			sid, err := sidOf(e)
			if err != nil {
				return nil, err
			}
			switch known := found[sid]; {
			case known == nil:
				found[sid] = e
			case !sid.IsWellKnown() && sid.Domain() != identity.SIDBuiltin:
				return nil, identity.Fail(identity.KindAmbiguous, errors.New("two entries have the SID "+sid.String()))
			case isOfDomain(e.DN, base) && !isOfDomain(known.DN, base):
				found[sid] = e
			}
		}
	}
	return found, nil
}

// isOfDomain tells an entry of the domain itself from those of other domains and of
// the configuration, which have entries of the same well-known SIDs; a global
// catalog shows all of them.
func isOfDomain(dn, base string) bool {
	return strings.EqualFold(dnsFromDN(dn), dnsFromDN(base)) && !strings.Contains(identity.Fold(dn), ",cn=configuration,")
}

// escapeBytes writes a binary value into a filter, RFC 4515 3.
func escapeBytes(b []byte) string {
	const digits = "0123456789abcdef"
	text := make([]byte, 0, 3*len(b))
	for _, octet := range b {
		text = append(text, '\\', digits[octet>>4], digits[octet&0xF])
	}
	return string(text)
}

// find looks for the one account with a name, under each base DN in order; nil
// when there is none. A UPN is looked for as it stands before its first part
// counts as the account's name, as controllers do.
func (d *Directory) find(ctx context.Context, c *conn, root rootDSE, n identity.Name) (*ldap.Entry, error) {
	user, suffix, isUPN := n.UPN()
	if isUPN && n.Domain == "" && !d.namesByAttribute() {
		e, err := d.findBy(ctx, c, root, "(userPrincipalName="+ldap.EscapeFilter(n.User)+")")
		if err != nil || e != nil || !d.isOwn(suffix) && (root.ad || !d.isOwnPart(suffix)) {
			return e, err
		}
		n.User = user
	}
	return d.findBy(ctx, c, root, "("+d.loginAttribute(root)+"="+ldap.EscapeFilter(n.User)+")")
}
