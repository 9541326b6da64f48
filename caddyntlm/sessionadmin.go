package caddyntlm

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/session"
)

func init() {
	caddy.RegisterModule(new(adminSessions))
}

// adminSessions is admin.api.windows_auth: /windows_auth/sessions on Caddy's admin
// endpoint. GET lists the sessions of all sites, ?user=NAME those of somebody; DELETE with
// ?user=NAME or ?session=HANDLE ends them. No answer holds what opens a session.
type adminSessions struct {
	book *session.Book // nil where no site has windows_auth
	log  *zap.Logger
}

// CaddyModule returns the Caddy module information.
func (*adminSessions) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.windows_auth", New: func() caddy.Module { return new(adminSessions) }}
}

// Provision finds the store of the configuration. Its book has no limits of its own: each
// session has those of the site that opened it.
func (a *adminSessions) Provision(ctx caddy.Context) error {
	a.log = ctx.Logger()
	loaded, err := ctx.AppIfConfigured("windows_auth")
	if errors.Is(err, caddy.ErrNotConfigured) {
		return nil
	}
	if err != nil {
		return err
	}
	a.book = session.New(loaded.(*App).Store(), session.Limits{TTL: math.MaxInt64, Idle: math.MaxInt64}, time.Now)
	return nil
}

// Routes implements caddy.AdminRouter.
func (a *adminSessions) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{Pattern: "/windows_auth/sessions", Handler: caddy.AdminHandlerFunc(a.serve)}}
}

func (a *adminSessions) serve(w http.ResponseWriter, r *http.Request) error {
	user, handle := r.URL.Query().Get("user"), r.URL.Query().Get("session")
	switch {
	case r.Method == http.MethodGet:
	case r.Method != http.MethodDelete:
		w.Header().Set("Allow", "GET, DELETE")
		return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: errors.New("GET lists sessions, DELETE ends them")}
	case (user == "") == (handle == ""):
		return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: errors.New(`say whose or which to end: ?user=EXAMPLE\alice or ?session=HANDLE`)}
	}
	found, err := a.find(r, user, handle)
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: fmt.Errorf("asking the store: %w", err)}
	}
	if r.Method == http.MethodDelete {
		return a.end(w, r, found)
	}
	shown := make([]shownSession, len(found))
	for i, f := range found {
		shown[i] = f.shown()
	}
	return writeJSON(w, shown)
}

// foundSession is one that an administrator asks about.
type foundSession struct {
	id     session.ID
	record *session.Record
}

// shownSession is what an administrator is told of a session.
type shownSession struct {
	Session   string     `json:"session"` // the handle, which opens nothing
	User      string     `json:"user"`
	Directory string     `json:"directory"`
	Host      string     `json:"host"`
	Form      string     `json:"form"` // cookie or key
	Scheme    string     `json:"scheme"`
	Verifier  string     `json:"verifier,omitempty"`
	Address   string     `json:"address,omitempty"` // that logged in
	Opened    time.Time  `json:"opened"`
	Used      time.Time  `json:"used"` // to a minute
	Ends      time.Time  `json:"ends"` // at the latest
	Factor    *time.Time `json:"factor,omitempty"`
}

func (f foundSession) shown() shownSession {
	r := f.record
	name, _, _ := strings.Cut(r.Directory, "#")
	s := shownSession{
		Session: f.id.Handle(), User: r.Name, Directory: name, Host: r.Host, Form: r.Form.String(), Scheme: r.Scheme, Verifier: r.Verifier, Address: r.Address,
		Opened: r.Opened.UTC(), Used: r.Used.UTC(), Ends: r.Ends.UTC(),
	}
	if !r.Factor.IsZero() {
		at := r.Factor.UTC()
		s.Factor = &at
	}
	return s
}

// find lists sessions, the latest first: all, somebody's, or one.
func (a *adminSessions) find(r *http.Request, user, handle string) ([]foundSession, error) {
	if a.book == nil {
		return nil, nil
	}
	var found []foundSession
	err := a.book.Each(r.Context(), func(id session.ID, record *session.Record) bool {
		if (user == "" || isUser(record, user)) && (handle == "" || id.Handle() == handle) {
			found = append(found, foundSession{id, record})
		}
		return true
	})
	slices.SortFunc(found, func(x, y foundSession) int {
		return cmp.Or(y.record.Used.Compare(x.record.Used), strings.Compare(x.id.Handle(), y.id.Handle()))
	})
	return found, err
}

// isUser reports whether a session is of somebody: DOMAIN\name, the name alone, or what
// tells accounts apart, such as the SID.
func isUser(r *session.Record, user string) bool {
	folded := identity.Fold(user)
	_, bare, _ := strings.Cut(r.Name, `\`)
	return identity.FoldsTo(r.Name, folded) || identity.FoldsTo(bare, folded) && bare != "" || r.Account == user
}

// end ends sessions, and has connections forget their users.
func (a *adminSessions) end(w http.ResponseWriter, r *http.Request, found []foundSession) error {
	if len(found) == 0 {
		return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: errors.New("no such session, or it has ended")}
	}
	ended := 0
	for _, f := range found {
		switch _, err := a.book.End(r.Context(), f.id); {
		case err == nil:
			ended++
			countEnded(f.record.Form)
		case !errors.Is(err, session.ErrNone):
			return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: fmt.Errorf("%d sessions ended, then the store failed: %w", ended, err)}
		}
		forgetEverywhere(f.record.Directory, f.record.Account)
	}
	a.log.Info("sessions ended by the admin endpoint", zap.Int("ended", ended), zap.String("user", found[0].record.Name))
	return writeJSON(w, map[string]int{"ended": ended})
}

func writeJSON(w http.ResponseWriter, value any) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(value)
}

// Interface guards.
var (
	_ caddy.AdminRouter = (*adminSessions)(nil)
	_ caddy.Provisioner = (*adminSessions)(nil)
)
