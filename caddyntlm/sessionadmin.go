package caddyntlm

import (
	"cmp"
	"context"
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
	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

func init() {
	caddy.RegisterModule(new(adminSessions))
}

// adminSessions is admin.api.windows_auth: /windows_auth/sessions on Caddy's admin
// endpoint. GET lists the sessions of all sites, ?user=NAME those of somebody; DELETE with
// ?user=NAME or ?session=HANDLE ends them. No answer holds what opens a session.
type adminSessions struct {
	books func() []*session.Book
	log   *zap.Logger
}

// CaddyModule returns the Caddy module information.
func (*adminSessions) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.windows_auth", New: func() caddy.Module { return &adminSessions{books: booksInUse} }}
}

// Provision makes the endpoint ready. It comes before the apps, so which stores there are is
// asked when somebody asks.
func (a *adminSessions) Provision(ctx caddy.Context) error {
	a.log = ctx.Logger(a)
	return nil
}

// booksInUse are those of the stores of all sites with sessions. They have no limits of their
// own: each session has those of the site that opened it.
func booksInUse() []*session.Book {
	var stores []store.Store
	for _, h := range livingDoors() {
		if h.sessions != nil && !slices.Contains(stores, h.sessions.kept) {
			stores = append(stores, h.sessions.kept)
		}
	}
	books := make([]*session.Book, len(stores))
	for i, kept := range stores {
		books[i] = adminBook(kept)
	}
	return books
}

func adminBook(kept store.Store) *session.Book {
	return session.New(kept, session.Limits{TTL: math.MaxInt64, Idle: math.MaxInt64}, time.Now)
}

// Routes implements caddy.AdminRouter.
func (a *adminSessions) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{Pattern: "/windows_auth/sessions", Handler: caddy.AdminHandlerFunc(a.serve)}}
}

func (a *adminSessions) serve(w http.ResponseWriter, r *http.Request) error {
	asked := r.URL.Query()
	user, handle := asked.Get("user"), asked.Get("session")
	for word := range asked {
		if word != "user" && word != "session" {
			return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: fmt.Errorf(`%.40q is not known: write ?user=EXAMPLE\alice or ?session=HANDLE`, word)}
		}
	}
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
		return a.end(r.Context(), w, found, user != "")
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
	book   *session.Book
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
	var found []foundSession
	seen := make(map[session.ID]bool) // before and after a reload a store may have two objects
	for _, book := range a.books() {
		err := book.Each(r.Context(), func(id session.ID, record *session.Record) bool {
			if (user == "" || isUser(record, user)) && (handle == "" || id.Handle() == handle) && !seen[id] {
				seen[id] = true
				found = append(found, foundSession{id, record, book})
			}
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(found, func(x, y foundSession) int {
		return cmp.Or(y.record.Used.Compare(x.record.Used), strings.Compare(x.id.Handle(), y.id.Handle()))
	})
	return found, nil
}

// isUser reports whether a session is of somebody: DOMAIN\name, the name alone, or what
// tells accounts apart, such as the SID.
func isUser(r *session.Record, user string) bool {
	folded := identity.Fold(user)
	_, bare, _ := strings.Cut(r.Name, `\`)
	return identity.FoldsTo(r.Name, folded) || identity.FoldsTo(bare, folded) && bare != "" || r.Account == user
}

// end ends sessions, and has connections forget their users. Of a user all are ended, those
// too that were opened, or given another token, since they were looked for.
func (a *adminSessions) end(ctx context.Context, w http.ResponseWriter, found []foundSession, ofUser bool) error {
	if len(found) == 0 {
		return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: errors.New("no such session, or it has ended")}
	}
	count := 0
	for _, f := range found {
		ended, err := f.end(ctx, ofUser)
		for _, record := range ended {
			count++
			countEnded(record.Form)
		}
		if err != nil {
			return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: fmt.Errorf("%d sessions ended, then the store failed: %w", count, err)}
		}
		forgetEverywhere(f.record.Directory, f.record.Account)
	}
	a.log.Info("sessions ended by the admin endpoint", zap.Int("ended", count), zap.String("user", found[0].record.Name))
	return writeJSON(w, map[string]int{"ended": count})
}

// end ends a session, and on demand all that are in the list of its account, where the
// store may have lost its own place.
func (f foundSession) end(ctx context.Context, all bool) (ended []*session.Record, err error) {
	if all {
		if ended, err = f.book.EndOf(ctx, f.record.Directory, f.record.Account); err != nil {
			return ended, err
		}
	}
	switch record, err := f.book.End(ctx, f.id); {
	case errors.Is(err, session.ErrNone): // somebody else was quicker
		return ended, nil
	case err != nil:
		return ended, err
	default:
		return append(ended, record), nil
	}
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
