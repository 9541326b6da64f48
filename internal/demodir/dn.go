package demodir

import (
	"strings"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/go-ldap/ldap/v3"
)

// dnKey is a DN in the form in which two of them are compared: folded, without
// escapes, the root's RDN first and a NUL behind each, so that an entry's key
// starts with the keys of all that stands above it.
type dnKey string

const rdnEnd = "\x00"

func parseDN(text string) (dnKey, error) {
	parsed, err := ldap.ParseDN(text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for i := len(parsed.RDNs) - 1; i >= 0; i-- {
		for j, part := range parsed.RDNs[i].Attributes {
			if j > 0 {
				b.WriteByte('+')
			}
			b.WriteString(identity.Fold(part.Type) + "=" + identity.Fold(part.Value))
		}
		b.WriteString(rdnEnd)
	}
	return dnKey(b.String()), nil
}

// mustDN is parseDN for the DNs that this package composes.
func mustDN(text string) dnKey {
	key, err := parseDN(text)
	if err != nil {
		panic("demodir: " + text + ": " + err.Error())
	}
	return key
}

// above reports whether other is k or stands somewhere below it.
func (k dnKey) above(other dnKey) bool { return strings.HasPrefix(string(other), string(k)) }

// parentOf reports whether other stands right below k.
func (k dnKey) parentOf(other dnKey) bool {
	return k.above(other) && other.depth() == k.depth()+1
}

func (k dnKey) depth() int { return strings.Count(string(k), rdnEnd) }

// parent is the key one level up, empty above the root.
func (k dnKey) parent() dnKey {
	text := strings.TrimSuffix(string(k), rdnEnd)
	return dnKey(text[:strings.LastIndex(text, rdnEnd)+1])
}

// rdn writes one RDN with the escapes of RFC 4514 2.4.
func rdn(attribute, value string) string {
	var b strings.Builder
	for i, r := range value {
		edge := r == ' ' && (i == 0 || i == len(value)-1) || r == '#' && i == 0
		if edge || strings.ContainsRune(`,+"\<>;=`, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return attribute + "=" + b.String()
}

// domainDN is the DN of a DNS domain, RFC 2247.
func domainDN(dns string) string {
	if dns == "" {
		return ""
	}
	labels := strings.Split(dns, ".")
	for i, label := range labels {
		labels[i] = rdn("DC", label)
	}
	return strings.Join(labels, ",")
}
