package caddyldap

import (
	"context"
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
	Server []Server `json:"server"`
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
	// LDAP attributes that become {http.auth.user.attr.NAME}. Default:
	// displayName, mail.
	Attributes []string `json:"attributes,omitempty"`
	// Which attribute values give which roles.
	Map *Map `json:"map,omitempty"`
	// Default: 1.5s to dial, 4s a request.
	Timeout *Timeout `json:"timeout,omitempty"`
	// Who decides. Default: bind and relay.
	VerifyRaw []json.RawMessage `json:"verify,omitempty" caddy:"namespace=ldap.verifiers inline_key=verifier"`

	name      string
	key       string
	dnsDomain string   // configured or from a base DN; may be empty
	bases     []string // where accounts may be; empty: the whole domain
	reading   reading
	mapping   *mapping // nil without a map
	verifiers []Verifier
	servers   *servers
	service   *service // nil without a service account
	domain    domainFacts
	pace      pace
	missing   hush // of base DNs
	logger    *zap.Logger
	metrics   *metrics
	now       func() time.Time
	life      context.Context // ends with stop
	end       context.CancelFunc
	startOnce sync.Once

	spawning   sync.Mutex // against stop
	background sync.WaitGroup
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

// start begins the self-test.
func (d *Directory) start() {
	d.startOnce.Do(func() { d.spawn(d.selfTest) })
}

// spawn runs something in the background, until stop at the latest. After stop
// it still runs, with a context that has ended, so that nobody waits for its
// outcome in vain.
func (d *Directory) spawn(run func(context.Context)) {
	d.spawning.Lock()
	defer d.spawning.Unlock()
	if d.life.Err() != nil {
		go run(d.life)
		return
	}
	d.background.Go(func() { run(d.life) })
}

// stop ends what the directory does on its own and waits for it.
func (d *Directory) stop() {
	if d.end == nil {
		return // never provisioned
	}
	d.spawning.Lock()
	d.end()
	d.spawning.Unlock()
	if d.service != nil {
		d.service.close()
	}
	d.background.Wait()
	d.unmeasure()
}

var _ identity.Directory = (*Directory)(nil)
