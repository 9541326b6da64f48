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
// on Caddy's admin endpoint forgets the wrong passwords and codes that are counted of an
// account, so that its owner need not wait. NAME is what somebody types at a log-in.
type adminThrottle struct{ log *zap.Logger }

// CaddyModule returns the Caddy module information.
func (*adminThrottle) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.windows_auth_throttle", New: func() caddy.Module { return new(adminThrottle) }}
}

// Provision makes the endpoint ready.
func (a *adminThrottle) Provision(ctx caddy.Context) error {
	a.log = ctx.Logger(a)
	return nil
}

// Routes implements caddy.AdminRouter.
func (a *adminThrottle) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{Pattern: "/windows_auth/throttle", Handler: caddy.AdminHandlerFunc(a.serve)}}
}

// forgiveTime bounds how long an administrator waits for controllers and the store.
const forgiveTime = 10 * time.Second

func (a *adminThrottle) serve(w http.ResponseWriter, r *http.Request) error {
	asked := r.URL.Query()
	user := asked.Get("user")
	switch {
	case r.Method != http.MethodDelete:
		w.Header().Set("Allow", http.MethodDelete)
		return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: errors.New("DELETE forgets the wrong passwords and codes of an account")}
	case user == "":
		return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: errors.New(`say whose: ?user=EXAMPLE\alice`)}
	}
	for word := range asked {
		if word != "user" {
			return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: fmt.Errorf(`%.40q is not known, and nothing was forgotten: write ?user=EXAMPLE\alice`, word)}
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), forgiveTime)
	defer cancel()
	forgiven, err := forgive(ctx, identity.ParseName(user))
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: fmt.Errorf("forgetting: %w", err)}
	}
	if forgiven == 0 {
		return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: errors.New("no site with a throttle or totp takes such a name")}
	}
	a.log.Info("wrong passwords and codes forgotten by the admin endpoint", zap.String("user", user))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// forgive forgets what is counted of a name at all sites, and counts what it forgot: an
// account's passwords and its codes are one each.
func forgive(ctx context.Context, name identity.Name) (forgiven int, err error) {
	done := make(map[string]bool)
	once := func(what string, forget func() error) {
		if !done[what] {
			done[what] = true
			err = errors.Join(err, forget())
		}
	}
	for _, h := range livingDoors() {
		for _, d := range h.directories {
			if !d.Accepts(name) {
				continue
			}
			if h.throttle != nil {
				account := countedAs(d, h.sought(ctx, d, name).Account)
				once("passwords of "+account, func() error { return h.throttle.Forgive(ctx, account) })
			}
			if h.factor != nil {
				once("codes in "+d.Key(), func() error { return h.factor.forgive(ctx, d, name) })
			}
		}
	}
	return len(done), err
}

// Interface guards.
var (
	_ caddy.AdminRouter = (*adminThrottle)(nil)
	_ caddy.Provisioner = (*adminThrottle)(nil)
)
