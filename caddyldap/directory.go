package caddyldap

import (
	"encoding/json"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// Directory is one domain or directory tree and the servers that know it.
type Directory struct {
	// Controllers in order of preference: the first that answers is asked.
	Server []Server `json:"server,omitempty"`
	// Controllers that DNS names, after those of server.
	Discover *Discover `json:"discover,omitempty"`
	// Default NetBIOS domain of bare names. Default: the directory's NAME; in
	// the short form read from the controller.
	Domain string `json:"domain,omitempty"`
	// DNS name of the domain. Default: from base_dn.
	DNSDomain string `json:"dns_domain,omitempty"`
	// Where accounts are searched, in order. Default: the URL's path, else the
	// controller's defaultNamingContext.
	BaseDN []string `json:"base_dn,omitempty"`
	// Which certificates are believed.
	TLS *TLS `json:"tls,omitempty"`
	// Turn plain ldap:// connections into TLS before anything else is said.
	StartTLS bool `json:"starttls,omitempty"`
	// Allow ldap:// without TLS: passwords in the clear.
	InsecurePlaintext bool `json:"insecure_plaintext,omitempty"`
	// The account that searches when there is no user's connection to search on.
	ServiceAccount *ServiceAccount `json:"service_account,omitempty"`
	// How a typed name becomes a bind name. Default: direct; search where a
	// service account stands there and the server is no Active Directory.
	BindAs *BindAs `json:"bind_as,omitempty"`
	// How accounts are found.
	User *User `json:"user,omitempty"`
	// Which groups count, and by what they are called.
	Group *Group `json:"group,omitempty"`
	// LDAP attributes that become {http.auth.user.attr.NAME}. Default:
	// displayName, mail.
	Attributes []string `json:"attributes,omitempty"`
	// Which attribute values give which roles.
	Map *Map `json:"map,omitempty"`
	// Default: 1.5s to dial, 4s a request.
	Timeout *Timeout `json:"timeout,omitempty"`
	// How long identities are used. Default: 5m, 15m while no controller
	// answers, 100000 of them.
	Cache *Cache `json:"cache,omitempty"`
	// The service account's connections. Default: 8, idle ones above one for 2m.
	Pool *Pool `json:"pool,omitempty"`
	// Who decides. Default: bind and relay.
	VerifyRaw []json.RawMessage `json:"verify,omitempty" caddy:"namespace=ldap.verifiers inline_key=verifier"`

	*holdings                  // kept over reloads; nil until the directory is provisioned
	unhold        func() error // gives holdings back
	releaseOnce   sync.Once
	unmeasureOnce sync.Once

	name      string
	named     string // the NAME, empty in the short form
	key       string
	dnsDomain string   // configured or from a base DN; may be empty
	bases     []string // where accounts may be; empty: the whole domain
	reading   reading
	concealed []string // attributes that hold secrets
	asked     Wants    // attributes, of rules and headers
	watched   watched
	mapping   *mapping // nil without a map
	filters   []*wantedFilter
	schema    sync.Map     // syntaxes of attributes, as far as asked
	shown     sync.Map     // attributes that came under their own names, in lower case
	told      sync.Map     // those of which was said that they come under others
	ruled     *ruledGroups // of all rules, nil before the app starts
	verifiers []Verifier
	missing   hush        // of base DNs
	logger    *zap.Logger // of this configuration; log is for what outlives it
	metrics   *metrics
	now       func() time.Time
	resolver  resolver
	intn      func(n int) int // random, below n
	startOnce sync.Once
}

// Name is the directory's NAME in the configuration, for the log; in the
// short form its DNS domain or first server.
func (d *Directory) Name() string { return d.name }

// Key implements identity.Directory.
func (d *Directory) Key() string { return d.key }

// PasswordVerifier is the first verifier that decides by password, or nil.
func (d *Directory) PasswordVerifier() identity.PasswordVerifier {
	for _, v := range d.verifiers {
		if p, ok := v.(identity.PasswordVerifier); ok {
			return p
		}
	}
	return nil
}

// TicketVerifier is the first verifier that decides by Kerberos tickets, or nil.
func (d *Directory) TicketVerifier() identity.TicketVerifier {
	for _, v := range d.verifiers {
		if t, ok := v.(identity.TicketVerifier); ok {
			return t
		}
	}
	return nil
}

// NTLMVerifier is the first verifier that decides by NTLM, or nil.
func (d *Directory) NTLMVerifier() identity.NTLMVerifier {
	for _, v := range d.verifiers {
		if n, ok := v.(identity.NTLMVerifier); ok {
			return n
		}
	}
	return nil
}

// Accepts reports whether a name is this directory's to decide: it names no
// domain, or its domain part or UPN suffix is the directory's NetBIOS name or
// DNS domain. It is for choosing among directories and proves nothing.
func (d *Directory) Accepts(n identity.Name) bool {
	domain := n.Domain
	if domain == "" {
		_, domain, _ = n.UPN()
	}
	return domain == "" || domain == "." || d.isOwn(domain)
}

// isOwn reports whether a domain name is one of this directory's.
func (d *Directory) isOwn(domain string) bool {
	facts := d.domain.known()
	for _, own := range [...]string{d.netBIOS(), d.dns(), d.Domain, facts.netBIOS, facts.dns} {
		if own != "" && strings.EqualFold(domain, own) {
			return true
		}
	}
	return false
}

// start warms the pool and begins the self-test.
func (d *Directory) start() {
	d.startOnce.Do(func() {
		d.speak(d.logger)
		if f := d.servers.finder; f != nil {
			f.keeping.Do(func() { d.spawn(f.keep) })
		}
		if d.service != nil {
			d.spawn(d.service.warm)
		}
		d.spawn(d.selfTest)
	})
}

// stop gives back what the directory holds. What no other configuration holds
// ends with it.
func (d *Directory) stop() {
	if d.holdings == nil {
		return // never provisioned
	}
	d.release()
	d.unmeasure()
}

var _ identity.Directory = (*Directory)(nil)
