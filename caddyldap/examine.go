package caddyldap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// Level is how bad something is.
type Level uint8

// The levels of what an examination sees.
const (
	Well    Level = iota
	Notable       // works, and is worth knowing
	Unclear       // could not be found out
	Faulty        // will not work
)

// Observation is one thing that an examination sees.
type Observation struct {
	Level Level
	About string // one word
	Text  string
	Hint  string // the cure, where there is one
}

// examination is a look at all that log-ins will need: the self-test, server by
// server, told as it goes.
type examination struct {
	directory *Directory
	servers   []*server // those that there were at the beginning
	tell      func(Observation)

	hosts     []string                                               // of the sites that use the directory
	canonical func(ctx context.Context, host string) (string, error) // the name at the end of a host's aliases

	refusals Refusals             // of service accounts: they are not tried again
	relay    map[*server]Level    // what became of NTLM there
	kerberos map[*server]Level    // what became of tickets there
	channels map[*server]Level    // what became of the secure channel there
	usable   map[*server]bool     // connection and rootDSE are well
	told     map[Observation]bool // what is the same at each server
}

// Refusals are the service accounts that a server refused, and why: by name, and
// by where the secret comes from. Each try counts towards their lockout, so that
// directories that share an account share its refusal.
type Refusals map[[2]string]error

// Of is why the service account of a directory was refused, or nil.
func (r Refusals) Of(d *Directory) error { return r[d.serviceKey()] }

// serviceKey tells service accounts apart.
func (d *Directory) serviceKey() [2]string {
	if d.ServiceAccount == nil {
		return [2]string{}
	}
	return [2]string{identity.Fold(d.ServiceAccount.Name + "\n" + d.ServiceAccount.Principal), d.ServiceAccount.Secret + "\n" + d.ServiceAccount.Keytab + "\n" + d.ServiceAccount.CCache}
}

// Examine looks at what log-ins will need, for the doctor. begin is told of each
// server before its observations, and of the directory itself by an empty text.
// It writes nothing, and sends no password but the service account's own: that none
// that is in refusals, and notes there what is refused. The machine account proves
// that it knows its password, and shows it to nobody. hosts are those of the sites
// that use the directory, for which browsers get tickets.
func (d *Directory) Examine(ctx context.Context, refusals Refusals, hosts []string, begin func(server string), tell func(Observation)) {
	x := &examination{
		directory: d, tell: tell, refusals: refusals, told: make(map[Observation]bool), hosts: hosts, canonical: net.DefaultResolver.LookupCNAME,
		relay: make(map[*server]Level), kerberos: make(map[*server]Level), channels: make(map[*server]Level), usable: make(map[*server]bool),
	}
	missing := d.testDiscovery(ctx)
	x.servers = d.servers.all()
	for _, s := range x.servers {
		begin(s.shown())
		x.server(ctx, s)
	}
	begin("")
	switch {
	case missing != nil:
		x.fault("discover", missing)
	case d.Discover != nil:
		x.well("discover", "DNS names the controllers of %s", d.Discover.domain())
	}
	d.giveaways(func(word, hint string) { x.note("words", word+" gives protection away", hint) })
	x.names()
	x.keytabFile(ctx)
	x.schemes()
}

func (x *examination) well(about, format string, args ...any) {
	x.tell(Observation{Level: Well, About: about, Text: fmt.Sprintf(format, args...)})
}

func (x *examination) note(about, text, hint string) {
	x.tell(Observation{Level: Notable, About: about, Text: text, Hint: hint})
}

func (x *examination) unclear(about, text, hint string) {
	x.tell(Observation{Level: Unclear, About: about, Text: text, Hint: hint})
}

// fault tells of an error with the cure that it knows.
func (x *examination) fault(about string, err error) {
	o := Observation{Level: Faulty, About: about, Text: err.Error()}
	if e, ok := errors.AsType[*identity.Error](err); ok {
		o.Hint = e.Hint
	}
	x.tell(o)
}

// ldap tells of LDAP that does not work, which is no fault where none is needed.
func (x *examination) ldap(about string, err error) {
	if x.directory.needsLDAP() {
		x.fault(about, err)
		return
	}
	x.note(about, err.Error()+"; no LDAP of it is needed", "")
}

// shown is the server as a server line would name it.
func (s *server) shown() string {
	if s.url.TLS {
		return "ldaps://" + s.url.Addr()
	}
	return "ldap://" + s.url.Addr()
}

// names compares the configured names with those of the domain.
func (x *examination) names() {
	d := x.directory
	k := d.domain.known()
	if configured, hint := d.wrongNetBIOS(k); configured != "" {
		x.tell(Observation{Faulty, "domain", "the domain's NetBIOS name is " + k.netBIOS + ", and not " + configured, hint})
	}
	if d.mixesNames() {
		x.note("names", "two accounts of one log-in name would be one user", "users seldom may read each other's entries: write a service_account that may read all accounts")
	}
}

// schemes says which verifier will serve which scheme.
func (x *examination) schemes() {
	d := x.directory
	const byHand = "caddy windows-auth check-user --ntlm tries it with a user's password"
	switch d.PasswordVerifier().(type) {
	case nil:
	case *SMB:
		x.unclear("basic", "verify "+nameSMB+", the controllers were not tried that way", byHand)
	case *KerberosPassword:
		x.unclear("basic", "verify "+nameKerberosPassword+", the KDCs were not tried", "caddy windows-auth check-user tries one, and the keytab, with a user's password")
	case *Netlogon:
		x.scheme("basic", nameNetlogon, x.channels, byHand)
	default:
		x.scheme("basic", nameBind, nil, byHand)
	}
	switch d.NTLMVerifier().(type) {
	case nil:
	case *Netlogon:
		x.scheme("ntlm", nameNetlogon, x.channels, byHand)
	case *SMB:
		x.unclear("ntlm", "verify "+nameSMB+", the controllers were not tried that way", byHand)
	default:
		x.scheme("ntlm", nameRelay, x.relay, byHand)
	}
	if d.keytab() != nil {
		x.scheme("kerberos", nameKeytab, x.kerberos, "caddy windows-auth check-site --kerberos tries it with a user's ticket")
	}
}

func (x *examination) scheme(scheme, verifier string, probed map[*server]Level, byHand string) {
	var at, not, untried []string
	for _, s := range x.servers {
		switch level, tried := probed[s]; {
		case !x.usable[s] && verifier != nameNetlogon, tried && level == Faulty:
			not = append(not, s.url.Addr())
		case probed != nil && (!tried || level == Unclear):
			untried = append(untried, s.url.Addr())
		default:
			at = append(at, s.url.Addr())
		}
	}
	text := "verify " + verifier
	for _, part := range []struct {
		what  string
		where []string
	}{{"works at", at}, {"was not tried at", untried}, {"will not work at", not}} {
		if len(part.where) > 0 {
			text += ", " + part.what + " " + strings.Join(part.where, " and ")
		}
	}
	switch {
	case len(at)+len(untried) == 0:
		x.tell(Observation{Faulty, scheme, text, "the lines above say why"})
	case len(untried) > 0:
		x.unclear(scheme, text, byHand)
	case len(not) > 0:
		x.note(scheme, text, "the lines above say why")
	default:
		x.well(scheme, "%s", text)
	}
}

// shownFew joins a few of many.
func shownFew(list []string) string {
	const most = 6
	if len(list) > most {
		list = append(slices.Clone(list[:most]), fmt.Sprintf("… (%d in all)", len(list)))
	}
	return strings.Join(list, ", ")
}
