package caddyntlm

import (
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// Caddy's events, for whoever subscribes to them in the app events: docs/sessions.md tells
// of each. Handlers run before the answer goes out, and cannot change it.

// The events.
const (
	tellsLogIn   = "windows_auth_login"
	tellsLogOut  = "windows_auth_logout"
	tellsRefusal = "windows_auth_refusal" // a controller said no to an account, or the account is not to log in
	tellsLock    = "windows_auth_lock"    // an account or an address has to wait: nobody was asked
)

// announcer sends events.
type announcer struct {
	app *caddyevents.App
	ctx caddy.Context
}

// openEvents finds the app that passes events on.
func (h *Handler) openEvents(ctx caddy.Context) error {
	loaded, err := ctx.App("events")
	if err != nil {
		return fmt.Errorf("loading the app events: %w", err)
	}
	h.announcer = &announcer{loaded.(*caddyevents.App), ctx}
	return nil
}

// tell sends an event about the visit, where somebody listens. More is what the event has
// besides.
func (v *visit) tell(name string, more map[string]any) {
	t := v.door.announcer
	if t == nil || !t.app.ShouldEmit(name) {
		return
	}
	data := map[string]any{"address": clientAddress(v.r), "host": sessionHost(v.r), "scheme": v.scheme.String()}
	if v.id != nil {
		data["user"], data["directory"], data["verifier"] = v.id.Logon(), v.id.Directory, v.id.Verifier
	}
	for key, value := range more {
		data[key] = value
	}
	t.app.Emit(t.ctx, name, data)
}

// tellLogIn tells that somebody has logged in with this request and was let in.
func (v *visit) tellLogIn() {
	if v.loggedIn && (v.outer == nil || v.outer.id == nil) {
		v.tell(tellsLogIn, nil)
	}
}

// tellRefusal tells that an account was refused, or that somebody has to wait. Whose the
// name is nobody knows.
func (v *visit) tellRefusal(kind identity.Kind) {
	switch {
	case kind.AboutAccount():
		v.tell(tellsRefusal, map[string]any{"reason": kind.String(), "user_claimed": escapeClaimed(v.claimed)})
	case kind == identity.KindThrottled:
		v.tell(tellsLock, map[string]any{"reason": kind.String(), "user_claimed": escapeClaimed(v.claimed)})
	}
}

// tellLogOut is the one place that tells of a log-out, which may be of no session.
func (v *visit) tellLogOut(came *carried) {
	more := map[string]any{}
	if came != nil {
		more["session"], more["user"] = came.id.Handle(), came.record.Name
	}
	v.tell(tellsLogOut, more)
	if c := v.door.log.Check(zapcore.InfoLevel, decision); c != nil {
		fields := v.fields("logout", "", nil)
		if came != nil && v.session == nil {
			fields = append(fields, zap.String("session", came.id.Handle()))
		}
		if came != nil && v.id == nil {
			fields = append(fields, zap.String("user", came.record.Name))
		}
		c.Write(fields...)
	}
}
