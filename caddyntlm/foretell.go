package caddyntlm

import (
	"context"
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// What a configuration alone says of log-ins, for the doctor, which starts nothing.

// Foretell settles a handler that was read from a configuration and will not serve.
// The errors are those that keep Caddy from starting.
func (h *Handler) Foretell(directories []*caddyldap.Directory) error {
	known := make([]directory, len(directories))
	for i, d := range directories {
		known[i] = d
	}
	return h.settle(known)
}

// Foresee is what a configuration alone says will trouble users, where its server speaks TLS
// or does not: a warning at the start, and a line of the doctor's before. Foretell comes first.
func (h *Handler) Foresee(overTLS bool) []caddyldap.Observation {
	return slices.Concat(h.foreseePlain(overTLS), h.foreseeSession(overTLS), h.foreseeCodes())
}

// AsksByNTLM is the directory that an NTLM log-in asks; nil where NTLM is not
// offered. Foretell comes first.
func (h *Handler) AsksByNTLM() *caddyldap.Directory {
	d, _ := h.ntlm.(*caddyldap.Directory)
	return d
}

// AsksByTicket is the directory that looks up whoever shows a Kerberos ticket; nil
// where none is taken. Foretell comes first.
func (h *Handler) AsksByTicket() *caddyldap.Directory {
	d, _ := h.tickets.(*caddyldap.Directory)
	return d
}

// AsksByPassword is the directory that Basic asks about a name; nil where Basic is
// not offered, on no connection. Foretell comes first.
func (h *Handler) AsksByPassword(name identity.Name) *caddyldap.Directory {
	for _, s := range h.offered {
		if s == schemeBasic {
			d, _ := h.passwordDirectory(name).(*caddyldap.Directory)
			return d
		}
	}
	return nil
}

// NameFor is what {http.auth.user.id} would hold of an account. An account without
// a name is refused, by an error of the kind that says so. Foretell comes first.
func (h *Handler) NameFor(id *identity.Identity) (string, error) {
	name := h.nameOf(id)
	if name == "" {
		return "", nameless()
	}
	return name, nil
}

// OwesCode says whether an account owes the second factor of totp: Unseen where a
// log-in alone shows it. Foretell comes first.
func (h *Handler) OwesCode(id *identity.Identity, scope policy.Scope, loggedIn bool) policy.Verdict {
	switch {
	case h.factor == nil:
		return policy.FitsNot
	case h.factor.free == nil:
		return policy.Fits
	}
	switch h.factor.free.Explain(id, scope, loggedIn).Verdict {
	case policy.Fits:
		return policy.FitsNot
	case policy.Unseen:
		return policy.Unseen
	}
	return policy.Fits
}

// Enrolled gives the error by which an account is refused whatever code it sends, and
// nil where it can send a right one. There must be totp, and Foretell comes first.
func (h *Handler) Enrolled(ctx context.Context, d *caddyldap.Directory, id *identity.Identity) error {
	held, err := d.Enrolment(ctx, id, h.factor.attribute)
	if err != nil {
		return err
	}
	if _, err := readFactors(held); err != nil {
		return h.factor.unusable(err)
	}
	return nil
}

// SeesPath reports whether a set of matchers may decide by the path, so that a
// bypass by it needs a path of one reading.
func SeesPath(set caddy.ModuleMap) bool { return sightOf(set)&seesPath != 0 }

// MayBePreflight reports whether allow_preflight may let a request pass: the rest
// that makes it a preflight is in headers.
func (h *Handler) MayBePreflight(r *http.Request) bool {
	return h.AllowPreflight && r.Method == http.MethodOptions
}
