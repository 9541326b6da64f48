package caddyldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/krb"
)

// holder is an account that a service principal name stands on. The KDC makes
// tickets for the name with this account's key.
type holder struct {
	dn, sam  string
	names    []string // that keys of the account may have in a keytab
	version  uint32   // msDS-KeyVersionNumber; 0 where it is not to be seen
	etypes   int64    // msDS-SupportedEncryptionTypes, [MS-KILE] 2.2.7; 0 where it is not set
	disabled bool
}

// maxHolders bounds the accounts of one name that are told of.
const maxHolders = 8

// holders finds the accounts of a service principal name in the whole domain. One
// that has HTTP/ alone is meant by it; the name HOST/ of a machine stands for
// HTTP/ where nobody has that, [MS-ADA3] 2.276 (sPNMappings). Nothing is changed.
func holders(ctx context.Context, c *conn, root rootDSE, spn string) ([]holder, error) {
	_, host, _ := strings.Cut(spn, "/")
	for _, name := range [...]string{spn, "HOST/" + host} {
		entries, err := c.search(ctx, root.base, ldap.ScopeWholeSubtree, "(servicePrincipalName="+ldap.EscapeFilter(name)+")", maxHolders,
			"sAMAccountName", "userPrincipalName", "servicePrincipalName", "userAccountControl", "msDS-KeyVersionNumber", "msDS-SupportedEncryptionTypes")
		if err != nil {
			return nil, err
		}
		if len(entries) > 0 {
			found := make([]holder, len(entries))
			for i, e := range entries {
				found[i] = holderOf(e)
			}
			return found, nil
		}
	}
	return nil, nil
}

func holderOf(e *ldap.Entry) holder {
	h := holder{
		dn: e.DN, sam: value(e, "sAMAccountName"),
		version: uint32(number(e, "msDS-KeyVersionNumber")), etypes: number(e, "msDS-SupportedEncryptionTypes"),
		disabled: number(e, "userAccountControl")&uacDisabled != 0,
	}
	h.names = append(e.GetEqualFoldAttributeValues("servicePrincipalName"), h.sam)
	upn, _, _ := strings.Cut(value(e, "userPrincipalName"), "@") // ktpass writes HTTP/host@REALM into it
	h.names = append(h.names, upn)
	if machine, ok := strings.CutSuffix(h.sam, "$"); ok {
		h.names = append(h.names, "host/"+machine)
	}
	return h
}

// keysOf are the keys in a keytab that have a name of the account.
func (h *holder) keysOf(table *krb.Keytab) []*krb.Key {
	var keys []*krb.Key
	for _, k := range table.Keys {
		name := strings.Join(k.Name, "/")
		if slices.ContainsFunc(h.names, func(n string) bool { return n != "" && strings.EqualFold(n, name) }) {
			keys = append(keys, k)
		}
	}
	return keys
}

// Bits of msDS-SupportedEncryptionTypes, [MS-KILE] 2.2.7, strongest first, with the
// enctypes of RFC 3961 8. Tickets are of the strongest.
var supportedTypes = [...]struct {
	bit   int64
	etype int32
}{{1 << 4, krb.AES256}, {1 << 3, krb.AES128}, {1 << 2, krb.RC4}}

// ticketType is the enctype that tickets for the account will be of; 0 where the
// account does not say.
func (h *holder) ticketType() int32 {
	for _, t := range supportedTypes {
		if h.etypes&t.bit != 0 {
			return t.etype
		}
	}
	return 0
}

// checkSPN compares what the domain has of a service principal name with the
// keytab. Each observation names the cure.
func (k *Keytab) checkSPN(ctx context.Context, c *conn, root rootDSE, table *krb.Keytab, spn string) []Observation {
	found, err := holders(ctx, c, root, spn)
	told := func(level Level, hint, format string, args ...any) []Observation {
		return []Observation{{level, "spn", fmt.Sprintf(format, args...), hint}}
	}
	switch {
	case errors.Is(err, errLimit):
		return told(Faulty, "let one account alone have it: setspn -D "+spn+" ACCOUNT on the others", "%s stands on more than %d accounts", spn, maxHolders)
	case err != nil:
		return told(Unclear, "let the service account read servicePrincipalName of all accounts", "%s was not looked for: %v", spn, err)
	case len(found) == 0:
		account := k.owner(table)
		return told(Faulty, fmt.Sprintf("setspn -S %s %s, or samba-tool spn add %s %s", spn, account, spn, account), "no account of %s has %s: clients get no ticket for it", dnsFromDN(root.base), spn)
	case len(found) > 1:
		return told(Faulty, fmt.Sprintf("leave it to the account whose key is in %s: setspn -D %s ACCOUNT on the others; setspn -X finds all that stand twice", k.File, spn), "%s stands on two accounts, and the domain gives no ticket for it: %s", spn, dnsOf(found))
	}
	return k.compare(&found[0], table, spn)
}

func dnsOf(found []holder) string {
	list := make([]string, len(found))
	for i := range found {
		list[i] = found[i].dn
	}
	return strings.Join(list, " and ")
}

// owner names the account of a keytab for a command: a name in it that is no
// service's, else a blank to fill in.
func (k *Keytab) owner(table *krb.Keytab) string {
	for _, key := range table.Keys {
		if len(key.Name) == 1 {
			return key.Name[0]
		}
	}
	return "ACCOUNT"
}

// compare holds an account against the keytab.
func (k *Keytab) compare(h *holder, table *krb.Keytab, spn string) []Observation {
	var all []Observation
	tell := func(level Level, hint, format string, args ...any) {
		all = append(all, Observation{level, "spn", fmt.Sprintf("%s is on %s: ", spn, h.sam) + fmt.Sprintf(format, args...), hint})
	}
	keys := h.keysOf(table)
	switch {
	case h.disabled:
		tell(Faulty, "enable the account, or put the name on the account in use: setspn -D, setspn -S", "the account is disabled (%s)", h.dn)
	case len(keys) == 0:
		tell(Faulty, fmt.Sprintf("put the name on the account whose key that is (setspn -D %s %s, then setspn -S), or write %s anew for %s", spn, h.sam, k.File, h.sam), "the keytab has no key under a name of this account (%s)", h.dn)
	default:
		k.compareKeys(h, keys, tell)
	}
	if len(all) == 0 {
		tell(Well, "", "version %d, tickets of %s, and the keytab has that key", h.version, krb.Etype(h.ticketType()))
	}
	return all
}

// compareKeys compares versions and enctypes.
func (k *Keytab) compareKeys(h *holder, keys []*krb.Key, tell func(level Level, hint, format string, args ...any)) {
	newest := slices.MaxFunc(keys, func(a, b *krb.Key) int { return int(int64(a.Version) - int64(b.Version)) }).Version
	again := fmt.Sprintf("write %s anew (ktpass, msktutil update or samba-tool domain exportkeytab), and have clients get new tickets (klist purge)", k.File)
	has := func(etype int32) bool {
		return slices.ContainsFunc(keys, func(key *krb.Key) bool { return key.Etype == etype && key.Fits(max(h.version, newest)) })
	}
	switch current := slices.ContainsFunc(keys, func(key *krb.Key) bool { return key.Fits(h.version) }); {
	case h.version == 0:
		tell(Unclear, "let the service account read msDS-KeyVersionNumber of "+h.dn, "the version of its key (%d in the keytab) is not to be seen", newest)
	case !current && newest < h.version:
		tell(Faulty, again, "the password was set anew after the keytab was written, whose newest key has version %d and the account's %d", newest, h.version)
		return
	case !current:
		tell(Notable, "is the keytab of this domain and account, and has the controller had the news yet?", "the keytab's newest key has version %d, and the account's has %d", newest, h.version)
	}
	switch etype := h.ticketType(); {
	case etype == 0 && !has(krb.AES256) && !has(krb.AES128) && !k.AllowRC4:
		tell(Faulty, "set msDS-SupportedEncryptionTypes of the account to 24 and its password anew; then "+again, "the keytab has no AES key of it, and tickets of RC4 are refused")
	case etype == 0:
		tell(Notable, "set msDS-SupportedEncryptionTypes of the account to 24 (AES), and its password anew where it is older than the domain's AES", "the account does not say which enctypes it knows, and the domain's own setting decides: RC4 in many, whose tickets are refused")
	case etype == krb.RC4 && !k.AllowRC4:
		tell(Faulty, "set msDS-SupportedEncryptionTypes of the account to 24 and its password anew; then "+again, "the account has no AES (msDS-SupportedEncryptionTypes %d): its tickets are of RC4, and refused", h.etypes)
	case !has(etype):
		tell(Faulty, again, "tickets will be of %s, and the keytab has no key of that with version %d", krb.Etype(etype), max(h.version, newest))
	case etype == krb.RC4:
		tell(Notable, "set msDS-SupportedEncryptionTypes of the account to 24", "tickets are of RC4: whoever has one can guess the account's password from it")
	}
}
