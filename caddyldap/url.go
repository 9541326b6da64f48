package caddyldap

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// URL is one server's address as RFC 4516 writes it, ldaps://host:port/base.
type URL struct {
	TLS    bool   // ldaps
	Host   string // a name or an address, without brackets
	Port   string // 636 or 389 unless said
	BaseDN string // the path, decoded; empty without one
}

// Addr is host:port.
func (u URL) Addr() string { return net.JoinHostPort(u.Host, u.Port) }

// isCatalog reports whether the URL is of a global catalog, [MS-ADTS] 3.1.1.3.1: it
// knows accounts of the whole forest and some of their attributes.
func (u URL) isCatalog() bool { return u.Port == catalogPort || u.Port == catalogTLSPort }

// The ports of global catalogs, without and with TLS.
const (
	catalogPort    = "3268"
	catalogTLSPort = "3269"
)

// ParseServer reads what a server line says: an RFC 4516 URL, or a bare host
// or host:port, which means ldaps. A base DN may be plain or percent-encoded.
// Attributes, filters and extensions have no meaning here and are refused.
func ParseServer(raw string) (URL, error) {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		scheme, rest = "ldaps", raw
	}
	u := URL{Port: ldap.DefaultLdapPort}
	switch strings.ToLower(scheme) {
	case "ldaps":
		u.TLS, u.Port = true, ldap.DefaultLdapsPort
	case "ldap":
	default:
		return URL{}, fmt.Errorf("server %s: %s:// is not spoken here; write ldaps://host or ldap://host", shown(raw), scheme)
	}
	authority, path, _ := strings.Cut(rest, "/")
	if err := u.parseAuthority(authority); err != nil {
		return URL{}, fmt.Errorf("server %s: %w", shown(raw), err)
	}
	if err := u.parsePath(path); err != nil {
		return URL{}, fmt.Errorf("server %s: %w", shown(raw), err)
	}
	return u, nil
}

// shown is a URL for an error: one that may hold a password shows no more than
// what comes after it.
func shown(raw string) string {
	if at := strings.LastIndexByte(raw, '@'); at >= 0 {
		return "…" + raw[at:]
	}
	return raw
}

func (u *URL) parseAuthority(text string) error {
	if strings.Contains(text, "@") {
		return errors.New("a name or password in the URL is not used; write a service_account line")
	}
	host, port := text, ""
	switch {
	case strings.HasPrefix(text, "["):
		inner, after, ok := strings.Cut(text[1:], "]")
		if !ok || (after != "" && after[0] != ':') || !isIPv6(inner) {
			return errors.New("not an IPv6 address in brackets; write [2001:db8::1] or [2001:db8::1]:636")
		}
		host = inner
		if after != "" {
			port = after[1:]
			if port == "" {
				return errors.New("the port is missing after the colon")
			}
		}
	case strings.Count(text, ":") > 1:
		return fmt.Errorf("an IPv6 address stands in brackets: [%s]", text)
	case strings.Contains(text, ":"):
		host, port, _ = strings.Cut(text, ":")
		if port == "" {
			return errors.New("the port is missing after the colon")
		}
	}
	if err := checkHost(host); err != nil {
		return err
	}
	u.Host = host
	if port == "" {
		return nil
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 {
		return fmt.Errorf("port %s is not a number from 1 to 65535", port)
	}
	u.Port = strconv.FormatUint(number, 10)
	return nil
}

// isIPv6 takes a zone too, of the characters that RFC 6874 section 2 leaves
// unescaped: netip would take a zone of anything at all.
func isIPv6(text string) bool {
	addr, err := netip.ParseAddr(text)
	return err == nil && addr.Is6() && !strings.ContainsFunc(addr.Zone(), isOutsideZone)
}

func isOutsideZone(r rune) bool { return !isNameRune(r) && r != '~' }

// checkHost takes names of letters, digits, dots, dashes and underscores, and
// addresses.
func checkHost(host string) error {
	if host == "" {
		return errors.New("the host is missing")
	}
	if isIPv6(host) {
		return nil
	}
	for _, r := range host {
		if !isNameRune(r) {
			return fmt.Errorf("%q cannot stand in a host name", r)
		}
	}
	return nil
}

func isNameRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(".-_", r)
}

// parsePath reads [dn["?"attributes["?"scope["?"filter["?"extensions]]]]],
// RFC 4516 2. The parts after the DN may stand there empty.
func (u *URL) parsePath(path string) error {
	dn, extras, _ := strings.Cut(path, "?")
	if strings.Trim(extras, "?") != "" || strings.Count(extras, "?") > 3 {
		return fmt.Errorf("nothing may follow the base DN; remove ?%s", extras)
	}
	text, err := url.PathUnescape(dn)
	if err != nil {
		return fmt.Errorf("base DN: %w", err)
	}
	if text == "" {
		return nil
	}
	if err := checkDN(text); err != nil {
		return err
	}
	u.BaseDN = text
	return nil
}

// checkDN refuses what is not a distinguished name of at least one part.
func checkDN(text string) error {
	parsed, err := ldap.ParseDN(text)
	if err != nil || len(parsed.RDNs) == 0 {
		return fmt.Errorf("%q is not a distinguished name such as DC=example,DC=com", text)
	}
	return nil
}
