package caddyldap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/caddy-ntlm/caddy-ntlm/internal/krb"
)

// keytab is the verifier of tickets, nil where the directory has none.
func (d *Directory) keytab() *Keytab {
	k, _ := d.TicketVerifier().(*Keytab)
	return k
}

// spns are the names that clients will ask tickets for, as far as the words and
// the file say: those of spn, else those of the keytab that begin with HTTP/.
func (k *Keytab) spns(table *krb.Keytab) []string {
	if len(k.SPN) > 0 {
		return k.SPN
	}
	var names []string
	for _, key := range table.Keys {
		name := strings.Join(key.Name, "/")
		if !badSPN(name) && !containsFold(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// ServiceHosts implements identity.NamedVerifier.
func (k *Keytab) ServiceHosts() []string {
	table, err := k.current()
	if err != nil {
		return nil
	}
	var hosts []string
	for _, spn := range k.spns(table) {
		_, host, _ := strings.Cut(spn, "/")
		hosts = append(hosts, host)
	}
	return hosts
}

func containsFold(list []string, text string) bool {
	return slices.ContainsFunc(list, func(other string) bool { return strings.EqualFold(other, text) })
}

// TicketRealms are the realms whose users get in by ticket; none where no verifier
// takes tickets, or the keytab cannot be read.
func (d *Directory) TicketRealms() []string {
	k := d.keytab()
	if k == nil {
		return nil
	}
	if len(k.Realms) > 0 {
		return k.Realms
	}
	table, err := k.current()
	if err != nil {
		return nil
	}
	return table.Realms()
}

// tickets compares the keytab with what one server has of its names.
func (x *examination) tickets(ctx context.Context, c *conn, root rootDSE) {
	k := x.directory.keytab()
	if k == nil {
		return
	}
	table, err := k.current()
	if err != nil {
		return // told with the directory
	}
	if !root.ad {
		x.kerberos[c.server] = Unclear
		x.once(Observation{Unclear, "spn", "no Active Directory: which account has which name was not looked for", ""})
		return
	}
	names, lenient := k.asked(table, x.hosts)
	worst := Well
	for _, spn := range names {
		for _, o := range k.checkSPN(ctx, c, root, table, spn) {
			if o.Level == Faulty && containsFold(lenient, spn) {
				o.Level = Notable
			}
			worst = max(worst, o.Level)
			x.once(o)
		}
	}
	if len(names) == 0 {
		worst = Unclear
		x.once(Observation{Unclear, "spn", "neither spn, nor the keytab, nor a site says which name browsers ask tickets for", "write spn HTTP/intranet.example.com into verify keytab"})
	}
	if x.kerberos[c.server] = worst; worst == Notable {
		x.kerberos[c.server] = Well
	}
}

// asked are all names to look for, with those of the sites that use the directory.
// lenient are those that some other site can do without: a site may have names by
// which nobody is meant to come in by ticket.
func (k *Keytab) asked(table *krb.Keytab, hosts []string) (names, lenient []string) {
	names = slices.Clone(k.spns(table))
	known := slices.ContainsFunc(hosts, func(host string) bool { return containsFold(names, "HTTP/"+host) })
	for _, host := range hosts {
		spn := "HTTP/" + host
		if containsFold(names, spn) || len(k.SPN) > 0 || !isHost(host) {
			continue // where spn is written down, names tells
		}
		names = append(names, spn)
		if known {
			lenient = append(lenient, spn)
		}
	}
	return names, lenient
}

// isHost reports whether tickets can be for a host: addresses and patterns have
// no name.
func isHost(host string) bool {
	return net.ParseIP(strings.Trim(host, "[]")) == nil && !strings.ContainsAny(host, "*{")
}

// keytabFile tells of the file, and of the names of the sites.
func (x *examination) keytabFile(ctx context.Context) {
	k := x.directory.keytab()
	if k == nil {
		return
	}
	table, err := k.current()
	if err != nil {
		x.fault("keytab", err)
		return
	}
	x.well("keytab", "%s has %s", k.File, shownFew(keyNames(table)))
	if info, err := os.Stat(k.File); err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o007 != 0 {
		x.note("keytab", fmt.Sprintf("%s can be read by everybody on this machine (mode %04o)", k.File, info.Mode().Perm()), "chmod o= "+k.File+": whoever has the key can write tickets for anybody")
	}
	if k.AllowRC4 {
		x.note("keytab", "allow_rc4 takes tickets that a guessed password opens", "take it out once the account has AES")
	}
	x.refusedHosts(k)
	for _, host := range x.hosts {
		x.alias(ctx, host)
	}
}

// keyNames are the keys in a file: the names, those together that have keys of the
// same versions and enctypes.
func keyNames(table *krb.Keytab) []string {
	var names, kinds []string
	of, named := make(map[string]string), make(map[string][]string)
	for _, k := range table.Keys {
		name := k.Principal()
		if of[name] == "" {
			names = append(names, name)
		}
		of[name] += fmt.Sprintf(", version %d %s", k.Version, krb.Etype(k.Etype))
	}
	for _, name := range names {
		kind := of[name]
		if named[kind] == nil {
			kinds = append(kinds, kind)
		}
		named[kind] = append(named[kind], name)
	}
	for i, kind := range kinds {
		kinds[i] = shownFew(named[kind]) + " (" + strings.TrimPrefix(kind, ", ") + ")"
	}
	return kinds
}

// refusedHosts tells of sites for which no ticket is taken, because spn leaves
// them out.
func (x *examination) refusedHosts(k *Keytab) {
	var out []string
	in := false
	for _, host := range x.hosts {
		switch {
		case containsFold(k.SPN, "HTTP/"+host):
			in = true
		case isHost(host):
			out = append(out, "HTTP/"+host)
		}
	}
	if len(k.SPN) == 0 || len(out) == 0 {
		return
	}
	o := Observation{Faulty, "spn", fmt.Sprintf("spn %s takes no ticket for %s, which browsers get for the site", strings.Join(k.SPN, " "), shownFew(out)), "write " + strings.Join(out, " ") + " behind spn, where people come in by that name"}
	if in {
		o.Level = Notable
	}
	x.tell(o)
}

// alias looks a site's host up: browsers that follow an alias ask for a ticket
// for the name at its end.
func (x *examination) alias(ctx context.Context, host string) {
	if !isHost(host) {
		x.note("dns", host+" has no ticket: there are none for addresses and patterns", "have users open the site by its name")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, x.directory.requestTimeout())
	defer cancel()
	canonical, err := x.canonical(ctx, host)
	canonical = strings.TrimSuffix(canonical, ".")
	switch missing := (*net.DNSError)(nil); {
	case errors.As(err, &missing) && missing.IsNotFound:
		x.unclear("dns", host+" has no address, as this machine sees it", "clients must find it: is it in the DNS that they ask?")
	case err != nil:
		x.unclear("dns", err.Error(), "")
	case !strings.EqualFold(canonical, host):
		x.note("dns", fmt.Sprintf("%s is an alias (CNAME) of %s: browsers that follow it ask for a ticket for HTTP/%s", host, canonical, canonical), "let the account have both names, or give the host an address record (A, AAAA) of its own")
	default:
		x.well("dns", "%s has an address, and is no alias", host)
	}
}

// testTickets looks, after the start, whether the domain gives tickets that the
// keytab opens.
func (d *Directory) testTickets(ctx context.Context) error {
	k := d.keytab()
	if k == nil {
		return nil
	}
	table, err := k.current()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, overall)
	defer cancel()
	return d.service.do(ctx, func(c *conn, root rootDSE) error {
		if !root.ad {
			return nil
		}
		for _, spn := range k.spns(table) {
			for _, o := range k.checkSPN(ctx, c, root, table, spn) {
				if o.Level == Faulty {
					return misconfigured(c.server, o.Hint, "%s", o.Text)
				}
			}
		}
		return nil
	})
}
