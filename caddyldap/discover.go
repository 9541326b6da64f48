package caddyldap

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// Discover finds domain controllers by the SRV records in DNS.
type Discover struct {
	// The domain's DNS name. No server outside it is believed.
	DNSDomain string `json:"dns_domain"`
	// The site of Active Directory whose controllers come first.
	Site string `json:"site,omitempty"`
}

// Limits of DNS names, RFC 1035 2.3.4.
const (
	maxDNSName  = 253
	maxDNSLabel = 63
)

const discoverUsage = "write discover example.com, or discover example.com Berlin with the site's name"

func (d *Directory) checkDiscover() error {
	if d.Discover == nil {
		return nil
	}
	domain, site := d.Discover.domain(), d.Discover.Site
	switch {
	case strings.ContainsAny(d.Discover.DNSDomain, ":/") || net.ParseIP(domain) != nil:
		return fmt.Errorf("discover %s: it takes the DNS name of a domain, a server goes to a server line; %s", shown(d.Discover.DNSDomain), discoverUsage)
	case checkLabels(domain) != nil:
		return fmt.Errorf("discover %s: %w; %s", d.Discover.DNSDomain, checkLabels(domain), discoverUsage)
	case !strings.Contains(domain, "."):
		return fmt.Errorf("discover %s: a DNS name has a dot in it, a NetBIOS name has none; %s", d.Discover.DNSDomain, discoverUsage)
	case site != "" && (strings.Contains(site, ".") || checkLabels(site) != nil):
		return fmt.Errorf("discover %s %s: not the name of a site, which has letters, digits and dashes; %s", domain, site, discoverUsage)
	case len("_ldap._tcp."+site+"._sites.dc._msdcs."+domain) > maxDNSName:
		return fmt.Errorf("discover %s: the names of its records are longer than DNS allows", domain)
	}
	return nil
}

// checkLabels takes a DNS name without a dot at its end.
func checkLabels(name string) error {
	if err := checkHost(name); err != nil {
		return errors.New("not a DNS name")
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > maxDNSLabel {
			return errors.New("not a DNS name")
		}
	}
	return nil
}

// domain is the domain in lower case, without a dot at its end.
func (c *Discover) domain() string {
	return strings.ToLower(strings.TrimSuffix(c.DNSDomain, "."))
}

// preferred are the names under which a domain's controllers stand, those of
// the site first, [MS-ADTS] 6.3.6.1. The dot at the end keeps the resolver from
// trying them below other domains.
func (c *Discover) preferred() []string {
	names := []string{"_ldap._tcp.dc._msdcs." + c.domain() + "."}
	if c.Site != "" {
		names = append([]string{"_ldap._tcp." + c.Site + "._sites.dc._msdcs." + c.domain() + "."}, names...)
	}
	return names
}

// plain is the name where other directories than Active Directory stand.
func (c *Discover) plain() string { return "_ldap._tcp." + c.domain() + "." }

// refuses says why a record must not be followed, or nothing. DNS proves
// nothing, so the names that certificates are compared with have to come from
// the configuration: an answer may only choose among those below the domain.
func (c *Discover) refuses(r record) string {
	switch {
	case !strings.HasSuffix(r.host, "."+c.domain()) || checkLabels(r.host) != nil:
		return "not below " + c.domain()
	case r.port == 0:
		return "no port"
	case r.port == 3268 || r.port == 3269:
		return "the global catalog"
	}
	return ""
}

// reach is how a record's server is asked. Records say 389, the port of plain
// LDAP, also where LDAPS is meant to be used: there is no other record for it.
func (d *Directory) reach(r record) URL {
	u := URL{Host: r.host, Port: strconv.Itoa(int(r.port)), TLS: true}
	switch {
	case d.StartTLS:
		u.TLS = u.Port == ldap.DefaultLdapsPort
	case u.Port == ldap.DefaultLdapPort:
		u.Port = ldap.DefaultLdapsPort
	}
	return u
}
