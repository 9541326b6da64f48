package caddyntlm

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/loginpage"
)

// Login is a page for browsers that cannot log in by themselves, and the same for
// programs as JSON, below a path of the site. It needs sessions.
type Login struct {
	// Path below which login, logout and whoami are. Default: /.auth.
	Path string `json:"path,omitempty"`
	// Path where a log-in leads that says nothing else. Default: /.
	Redirect string `json:"redirect,omitempty"`
	// File with a template in the place of the page. It is read when the
	// configuration loads.
	Page string `json:"page,omitempty"`
	// Which challenges browsers get beside the page: kerberos (Negotiate alone, where
	// tickets are verified), all, none. Default: kerberos.
	SSO string `json:"sso,omitempty"`
}

// DefaultLoginPath is the path where none is configured.
const DefaultLoginPath = "/.auth"

// The words behind sso.
const (
	ssoKerberos = "kerberos"
	ssoAll      = "all"
	ssoNone     = "none"
)

// SSOWords lists the words behind sso.
func SSOWords() []string { return []string{ssoKerberos, ssoAll, ssoNone} }

// The paths below that of the log-in.
const (
	wordLogin  = "login"
	wordLogout = "logout"
	wordWhoami = "whoami"
)

var (
	errLoginSession  = errors.New("login needs sessions, or a log-in would be forgotten with its answer: write session beside it")
	errLoginPassword = errors.New("login: no verifier of this site checks passwords: name one in the directory, such as verify bind")
)

// CheckLogin says what is wrong with the settings of a log-in page.
func CheckLogin(l *Login) error {
	path := l.path()
	if loginpage.Target(path, "", "") != path || path == "/" || strings.HasSuffix(path, "/") || strings.ContainsAny(path, "?#%*") {
		return fmt.Errorf("login: %.80q is not a path such as %s, below which there is nothing of the site", path, DefaultLoginPath)
	}
	if l.Redirect != "" && loginpage.Target(l.Redirect, path, "") != l.Redirect {
		return fmt.Errorf("login: redirect %.80q is not a path of this site such as /start, outside %s", l.Redirect, path)
	}
	if l.SSO != "" && !slices.Contains(SSOWords(), l.SSO) {
		return fmt.Errorf("login: unknown word %.80q behind sso; known: %s", l.SSO, strings.Join(SSOWords(), ", "))
	}
	return nil
}

func (l *Login) path() string {
	if l.Path == "" {
		return DefaultLoginPath
	}
	return l.Path
}

// entrance is what a door needs for its page.
type entrance struct {
	base string // the path of the log-in
	home string // where it leads by itself
	sso  string
	page *loginpage.Template
}

// settleLogin checks the word login and makes its page ready.
func (h *Handler) settleLogin() error {
	l := h.Login
	switch {
	case l == nil:
		return nil
	case h.Session == nil:
		return errLoginSession
	case h.passwordDirectory(identity.Name{}) == nil:
		return errLoginPassword
	}
	if err := CheckLogin(l); err != nil {
		return err
	}
	h.login = &entrance{base: l.path(), home: "/", sso: ssoKerberos, page: loginpage.Default()}
	if l.Redirect != "" {
		h.login.home = l.Redirect
	}
	if l.SSO != "" {
		h.login.sso = l.SSO
	}
	if l.Page == "" {
		return nil
	}
	var err error
	if h.login.page, err = loginpage.Load(l.Page); err != nil {
		return fmt.Errorf("login: page: %w", err)
	}
	return nil
}

// word is what a path means below that of the log-in, and whether it is there at all.
func (l *entrance) word(path string) (string, bool) {
	below, ok := strings.CutPrefix(path, l.base)
	if !ok || below != "" && below[0] != '/' {
		return "", false
	}
	return strings.TrimPrefix(below, "/"), true
}

// at is the path of a word.
func (l *entrance) at(word string) string { return l.base + "/" + word }

// asked is the request as the client wrote it: a handle_path or rewrite before the door
// may have changed its path, and what a page says must be what its browser sees.
func asked(r *http.Request) *http.Request {
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok && original.URL != nil {
		return &original
	}
	return r
}

// serveLogin answers a request to the log-in's own paths, and says whether it is one.
func (v *visit) serveLogin() (ours bool, err error) {
	l := v.door.login
	if l == nil {
		return false, nil
	}
	word, ours := l.word(asked(v.r).URL.Path)
	if !ours {
		return false, nil
	}
	if word == "" {
		return true, v.lead(l.at(wordLogin))
	}
	serve := map[string]map[string]func() error{
		wordLogin:  {http.MethodGet: v.showLogin, http.MethodPost: v.enter},
		wordLogout: {http.MethodGet: v.showLogout, http.MethodPost: v.leave},
		wordWhoami: {http.MethodGet: v.tellWho},
	}[word]
	if serve == nil {
		return true, v.dismiss(http.StatusNotFound, fmt.Errorf("nothing is at this path below %s", l.base))
	}
	loginpage.Protect(v.w.Header())
	method := v.r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if serve[method] == nil {
		v.w.Header().Set("Allow", strings.Join(slices.Sorted(maps.Keys(serve)), ", "))
		return true, v.dismiss(http.StatusMethodNotAllowed, fmt.Errorf("%.20q is not for this path", v.r.Method))
	}
	if !mayCarry(v.r) {
		return true, v.refuse(&identity.Error{Kind: identity.KindScheme, Hint: hintPlainSession})
	}
	return true, serve[method]()
}

// dismiss ends a request that is for nobody here.
func (v *visit) dismiss(status int, err error) error { return caddyhttp.Error(status, v.fail(err)) }

// lead sends a browser on, to a path of this site.
func (v *visit) lead(path string) error {
	header := v.w.Header()
	loginpage.Protect(header)
	header.Set("Location", path)
	v.w.WriteHeader(http.StatusSeeOther)
	return nil
}
