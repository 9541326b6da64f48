package caddyntlm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

func init() {
	caddy.RegisterModule(new(adminThrottle))
}

// adminThrottle is admin.api.windows_auth_throttle: DELETE /windows_auth/throttle?user=NAME
// on Caddy's admin endpoint forgets the wrong passwords that are counted of an account, so
// that its owner need not wait. NAME is what somebody types at a log-in.
type adminThrottle struct{ log *zap.Logger }

// CaddyModule returns the Caddy module information.
func (*adminThrottle) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.windows_auth_throttle", New: func() caddy.Module { return new(adminThrottle) }}
}

// Provision makes the endpoint ready.
func (a *adminThrottle) Provision(ctx caddy.Context) error {
	a.log = ctx.Logger()
	return nil
}

// Routes implements caddy.AdminRouter.
func (a *adminThrottle) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{Pattern: "/windows_auth/throttle", Handler: caddy.AdminHandlerFunc(a.serve)}}
}

// forgiveTime bounds how long an administrator waits for controllers and the store.
const forgiveTime = 10 * time.Second

func (a *adminThrottle) serve(w http.ResponseWriter, r *http.Request) error {
	user := r.URL.Query().Get("user")
	switch {
	case r.Method != http.MethodDelete:
		w.Header().Set("Allow", http.MethodDelete)
		return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: errors.New("DELETE forgets the wrong passwords of an account")}
	case user == "":
		return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: errors.New(`say whose: ?user=EXAMPLE\alice`)}
	}
	ctx, cancel := context.WithTimeout(r.Context(), forgiveTime)
	defer cancel()
	forgiven, err := forgive(ctx, identity.ParseName(user))
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: fmt.Errorf("telling the store: %w", err)}
	}
	if forgiven == 0 {
		return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: errors.New("no site with a throttle takes such a name")}
	}
	a.log.Info("wrong passwords forgotten by the admin endpoint", zap.String("user", user))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// forgive forgets what is counted of a name at all sites, and counts the accounts that it
// means.
func forgive(ctx context.Context, name identity.Name) (forgiven int, err error) {
	done := make(map[string]bool)
	for _, h := range livingDoors() {
		if h.throttle == nil {
			continue
		}
		for _, d := range h.directories {
			if !d.Accepts(name) {
				continue
			}
			account := countedAs(d, h.sought(ctx, d, name).Account)
			if done[account] {
				continue
			}
			done[account] = true
			err = errors.Join(err, h.throttle.Forgive(ctx, account))
		}
	}
	return len(done), err
}

// Interface guards.
var (
	_ caddy.AdminRouter = (*adminThrottle)(nil)
	_ caddy.Provisioner = (*adminThrottle)(nil)
)
