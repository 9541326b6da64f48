package caddyldap

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

func init() {
	caddy.RegisterModule(new(adminPurge))
}

// adminPurge is admin.api.ldap: POST /ldap/purge on Caddy's admin endpoint has every
// identity looked up again before it is used, ?directory=NAME those of one
// directory, ?user=NAME those of somebody.
type adminPurge struct{ log *zap.Logger }

// CaddyModule returns the Caddy module information.
func (*adminPurge) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.ldap", New: func() caddy.Module { return new(adminPurge) }}
}

// Provision makes the endpoint ready.
func (a *adminPurge) Provision(ctx caddy.Context) error {
	a.log = ctx.Logger(a)
	return nil
}

// Routes implements caddy.AdminRouter.
func (a *adminPurge) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{Pattern: "/ldap/purge", Handler: caddy.AdminHandlerFunc(a.serve)}}
}

func (a *adminPurge) serve(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: errors.New("purging changes what is known: POST it")}
	}
	asked := r.URL.Query()
	for word := range asked {
		if word != "directory" && word != "user" {
			return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: fmt.Errorf(`%.40q is not known, and nothing was purged: write ?user=EXAMPLE\alice or ?directory=NAME, or neither for everybody`, word)}
		}
	}
	name, user := asked.Get("directory"), asked.Get("user")
	purged := purgeShelved(name, user)
	if purged == 0 {
		return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: fmt.Errorf("no directory %q is in use", name)}
	}
	a.log.Info("identities purged by the admin endpoint", zap.String("directory", name), zap.String("user", user), zap.Int("directories", purged))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// purgeShelved forgets the identities of the directories of a name, of all without one,
// everybody's or one user's, and counts those directories.
func purgeShelved(name, user string) int {
	purged := 0
	for _, h := range shelved.All() {
		if name != "" && h.name != name {
			continue
		}
		if user == "" {
			h.purge()
		} else {
			h.purgeUser(user)
		}
		purged++
	}
	return purged
}

// purge empties the cache. What connections remember is known to be too old by the
// time of the purge.
func (h *holdings) purge() {
	h.cache.purged.everybody(h.cache.now())
	h.cache.entries.InvalidateAll()
	h.sought.names.InvalidateAll()
	h.taught.accounts.InvalidateAll()
	h.taught.people.InvalidateAll()
	h.finer.accounts.InvalidateAll()
	h.lockouts.forget()
}

// purgeUser does the same for one user, whom the cache may not know.
func (h *holdings) purgeUser(name string) {
	h.cache.purged.person(name, h.cache.now())
	h.sought.names.InvalidateAll() // which are asked for again at the next log-ins
	h.finer.accounts.InvalidateAll()
}

// Purged is when somebody's identities were last purged: older ones are to be looked up
// again before they are used. It is the beginning of time where they never were.
func (d *Directory) Purged(id *identity.Identity) time.Time {
	return time.Unix(0, d.cache.purged.of(id))
}

// Interface guards.
var (
	_ caddy.AdminRouter = (*adminPurge)(nil)
	_ caddy.Provisioner = (*adminPurge)(nil)
)
