package caddyntlm

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// directory is a directory of the records office as the door sees it.
type directory interface {
	identity.Directory
	// Name is the NAME in the configuration.
	Name() string
	// PasswordVerifier, NTLMVerifier and TicketVerifier are nil where no verifier
	// serves.
	PasswordVerifier() identity.PasswordVerifier
	NTLMVerifier() identity.NTLMVerifier
	TicketVerifier() identity.TicketVerifier
	// Purged is when somebody's identities were purged: older ones are looked up again.
	Purged(*identity.Identity) time.Time
	// Accepts reports whether a typed name may be one of its accounts.
	Accepts(identity.Name) bool
	// Freshness is how old an identity may be when it is used, and how old
	// while no controller answers.
	Freshness() (fresh, stale time.Duration)
	// GivesRole reports whether its map could give a role to anybody.
	GivesRole(role string) bool
}

// open finds the directories in the ldap app.
func (h *Handler) open(ctx caddy.Context) ([]directory, error) {
	if (h.Directory == nil) == (len(h.Directories) == 0) {
		return nil, errors.New("windows_auth needs either NAMEs of directories or a directory of its own")
	}
	loaded, err := ctx.App("ldap")
	if err != nil {
		return nil, fmt.Errorf("loading the directories: %w", err)
	}
	app := loaded.(*caddyldap.App)
	if h.Directory != nil {
		own, err := app.Adopt(ctx, h.Directory)
		if err != nil {
			return nil, err
		}
		return []directory{own}, nil
	}
	directories := make([]directory, 0, len(h.Directories))
	for _, name := range h.Directories {
		d, err := app.Directory(name)
		if err != nil {
			return nil, err
		}
		directories = append(directories, d)
	}
	return directories, nil
}

// furnish makes the handler ready to serve, given its directories.
func (h *Handler) furnish(ctx caddy.Context, directories []directory) error {
	h.log, h.now = ctx.Logger(), time.Now
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return errors.New("windows_auth stands outside an HTTP server, where no connection can be known")
	}
	h.server = server
	if err := h.openStore(ctx); err != nil {
		return err
	}
	if err := h.settle(directories); err != nil {
		return err
	}
	wanted := caddyldap.Wants{}
	if h.Require != nil {
		wanted = caddyldap.WantsOf(*h.Require)
	}
	wanted.Add(h.factorWants())
	wanted.Forwarded = AttributesOf(h.forwarding.lines)
	if err := want(ctx, wanted); err != nil {
		return err
	}
	if err := h.loadBypass(ctx); err != nil {
		return err
	}
	if err := errors.Join(h.openBook(ctx), h.openEvents(ctx)); err != nil {
		return err
	}
	h.makeRoom(server)
	h.warn()
	server.RegisterConnContext(h.conns.connContext)
	server.RegisterConnState(h.conns.connState)
	if err := h.shareEndpoints(); err != nil {
		return err
	}
	if err := h.shareThrottle(); err != nil {
		return err
	}
	return h.measure(ctx)
}

// settle checks the configuration and makes it ready.
func (h *Handler) settle(directories []directory) error {
	h.conns, h.notices, h.endpoints = newConns(), new(notices), newEndpoints()
	if err := errors.Join(h.settleLimits(), h.settleOneToOne(), h.settleNTLM(), h.settleProtection(), h.settleSession(), h.Throttle.check()); err != nil {
		return err
	}
	h.directories, h.finders, h.meter = directories, accountFinders(directories), newMeter(newMetrics(), directories)
	h.scope = policy.Scope{First: directories[0].Name()}
	if err := checkTwice(directories); err != nil {
		return err
	}
	if strings.ContainsFunc(h.Realm, unicode.IsControl) {
		return fmt.Errorf("realm %q holds a control character", h.Realm)
	}
	if err := errors.Join(h.settleSchemes(), h.settleLogin()); err != nil {
		return err
	}
	var err error
	if h.nameOf, err = h.Username.format(len(directories) > 1); err != nil {
		return err
	}
	if h.forwarding, err = newForwarding(h.Forward); err != nil {
		return err
	}
	h.stripped = slices.Concat(claims, h.forwarding.names)
	rule := policy.Rule{ValidUser: true}
	if h.Require != nil {
		rule = *h.Require
	}
	if h.rule, err = policy.Compile(rule); err != nil {
		return fmt.Errorf("require: %w", err)
	}
	if err := h.settleFactor(); err != nil {
		return err
	}
	return caddyldap.CheckRoles(append(rule.Roles(), h.factorWants().Roles...), directories)
}

func checkTwice(directories []directory) error {
	for i, d := range directories {
		for _, other := range directories[:i] {
			if d.Key() == other.Key() {
				return fmt.Errorf("directory %s is named twice", d.Name())
			}
		}
	}
	return nil
}

// settleSchemes checks the offered schemes against what the verifiers serve.
func (h *Handler) settleSchemes() error {
	served := h.served()
	if len(h.Schemes) == 0 {
		h.offered = served
	}
	for _, word := range h.Schemes {
		s, err := parseScheme(word)
		if err == nil {
			err = h.checkRetired(s)
		}
		switch {
		case err != nil:
			return err
		case slices.Contains(h.offered, s):
			return fmt.Errorf("schemes: %s stands there twice", word)
		case !h.lendsCode(s):
			return fmt.Errorf("schemes: totp asks everybody for a code, and %s carries none: take it out, write exempt kerberos or ntlm in the block totp, or say there by require who owes a code", word)
		case !slices.Contains(served, s) && (s != schemeNegotiate || h.ntlmDirectory() == nil):
			return fmt.Errorf("schemes: no verifier of %s serves %s", h.names(), word)
		}
		h.offered = append(h.offered, s)
	}
	if len(h.offered) == 0 && h.refusesNTLM() {
		return errNothingLeft
	}
	if len(h.offered) == 0 {
		return fmt.Errorf("no verifier of %s serves any scheme", h.names())
	}
	h.settleNegotiate()
	return nil
}

// served lists the schemes that some verifier serves well, in their order of
// preference: what needs no password first. Negotiate with NTLM alone, by relay,
// is not among them: its clients mostly ask for signing, which a relay over TLS
// cannot give. Who names it gets it. By netlogon it is.
func (h *Handler) served() []scheme {
	var served []scheme
	if h.ticketDirectory() != nil || takesSigning(h.ntlmDirectory()) {
		served = append(served, schemeNegotiate)
	}
	if h.ntlmDirectory() != nil {
		served = append(served, schemeNTLM)
	}
	if h.passwordDirectory(identity.Name{}) != nil {
		served = append(served, schemeBasic)
	}
	return slices.DeleteFunc(served, func(s scheme) bool { return !h.lendsCode(s) })
}

// takesSigning reports whether a directory, which may be nil, serves NTLM to clients
// that ask for signing.
func takesSigning(d directory) bool {
	if d == nil {
		return false
	}
	v, ok := d.NTLMVerifier().(identity.SigningVerifier)
	return ok && v.TakesSigning()
}

func parseScheme(word string) (scheme, error) {
	for _, s := range [...]scheme{schemeNegotiate, schemeNTLM, schemeBasic} {
		if word == s.String() {
			return s, nil
		}
	}
	return schemeNone, fmt.Errorf("schemes: unknown scheme %s; known: negotiate, ntlm, basic", word)
}

// passwordDirectory is the first directory that accepts a name and verifies
// passwords, else the first that verifies passwords, else nil.
func (h *Handler) passwordDirectory(name identity.Name) directory {
	var first directory
	for _, d := range h.directories {
		if d.PasswordVerifier() == nil {
			continue
		}
		if d.Accepts(name) {
			return d
		}
		if first == nil {
			first = d
		}
	}
	return first
}

func (h *Handler) names() string {
	names := make([]string, len(h.directories))
	for i, d := range h.directories {
		names[i] = d.Name()
	}
	return strings.Join(names, ", ")
}
