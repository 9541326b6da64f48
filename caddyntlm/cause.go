package caddyntlm

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/spnego"
)

// Why a client that has used NTLM did not use Kerberos, as far as a server can see:
// clients never say.

// circumstances are what is seen of a client that comes by NTLM.
type circumstances struct {
	keytab  bool     // a directory of the site takes tickets
	offered bool     // and the site offers them
	host    string   // that the client asked for, without a port
	names   []string // the hosts that tickets may be for; nil where that is not known
	scheme  scheme
	mechs   []spnego.OID // of the client, in SPNEGO
}

// cause is a reason why it was not Kerberos.
type cause struct {
	word string // label of the metrics, and reason in the log
	text string
	cure string
}

// circumstances gathers what is known of this request's client.
func (v *visit) circumstances(mechs []spnego.OID) circumstances {
	c := circumstances{offered: v.door.tickets != nil, host: hostOf(v.r.Host), scheme: v.scheme, mechs: mechs}
	d := v.door.ticketDirectory()
	if c.keytab = d != nil; !c.keytab {
		return c
	}
	if named, ok := d.TicketVerifier().(identity.NamedVerifier); ok {
		c.names = named.ServiceHosts()
	}
	return c
}

// hostOf is the host of a Host header, as a log line may hold it.
func hostOf(header string) string {
	host, _, err := net.SplitHostPort(header)
	if err != nil {
		host = strings.Trim(header, "[]")
	}
	return escape(strings.ToLower(host), maxHost)
}

// causeOf finds the first cause that fits: what keeps everybody from Kerberos, then
// what keeps clients of this name from it, then what the client has done.
func causeOf(c circumstances) cause {
	spn := spnOf(c.host)
	_, notAddress := netip.ParseAddr(c.host)
	switch {
	case !c.keytab:
		return cause{"no_keytab", "no directory of this site has verify keytab, so it takes no Kerberos tickets",
			"Give an account the SPN " + spn + ", write its keytab and verify keytab with it."}
	case !c.offered:
		return cause{"not_offered", "schemes leaves negotiate out, under which Kerberos comes",
			"Write negotiate first in schemes."}
	case notAddress == nil:
		return cause{"ip_address", "the client asked for an IP address, and tickets are for names",
			"Let clients use the name of the site."}
	case c.names != nil && !containsHost(c.names, c.host):
		return cause{"unknown_name", "tickets may be for " + strings.Join(shortened(c.names), ", ") + ", and the client asked for " + c.host,
			"Let clients use one of those names, or give the same account the SPN (setspn -S " + spn + ") and write its keytab again."}
	case c.scheme == schemeNTLM || slices.ContainsFunc(c.mechs, isKerberos):
		return cause{"chosen", "the client chose NTLM where Kerberos was offered: a program that is told to, such as curl --ntlm, or a browser that has no ticket and passes over Negotiate",
			"Tell the program to use Negotiate (curl --negotiate -u :). In a browser put the site into the intranet zone or its allow-list; klist get " + spn + " on that machine shows whether there is a ticket."}
	}
	return cause{"no_ticket", "the client found no ticket for " + spn + ": no such SPN, or on two accounts; the site not in the intranet zone or the browser's allow-list; an alias that leads to another name; no controller in reach; or a machine or user outside the domain",
		"On that machine klist get " + spn + " says which; setspn -Q " + spn + " shows whose the name is."}
}

// spnOf is the name of the service at a host, as it may stand in a command. The host is
// the client's to write, and Host may hold what a shell runs, such as $(…): an
// administrator copies commands from hints.
func spnOf(host string) string {
	if host == "" || strings.ContainsFunc(host, func(r rune) bool {
		return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || strings.ContainsRune(".-_", r))
	}) {
		return "HTTP/NAME"
	}
	return "HTTP/" + host
}

// maxHost is how long a name in DNS may be, RFC 1035 2.3.4.
const maxHost = 255

// containsHost reports whether one of the names is the host.
func containsHost(names []string, host string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, host) })
}

// maxHosts is how many names a cause lists.
const maxHosts = 5

func shortened(names []string) []string {
	if len(names) <= maxHosts {
		return names
	}
	return append(slices.Clone(names[:maxHosts]), "…")
}
