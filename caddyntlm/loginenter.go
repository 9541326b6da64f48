package caddyntlm

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/loginpage"
	"github.com/caddy-ntlm/caddy-ntlm/internal/session"
)

var (
	errStranger = errors.New("the form comes from a page of another site")
	errForged   = errors.New("the form's token does not fit the browser's cookie")
	errNulCode  = errors.New("a NUL in the code")
)

// enter logs somebody in by name and password: a browser by the form, which gets a
// cookie and is led on, a program by JSON, which gets a key. Both go the way of Basic, and
// are held to the site's rule.
func (v *visit) enter() error {
	if answered, err := v.passHandshake(); answered {
		return err
	}
	v.scheme = schemeForm
	e, err := readEntry(v.w, v.r)
	if err == nil {
		err = v.checkForm(e)
	}
	if err == nil {
		err = v.prove(e)
	}
	if e.program {
		return v.answerProgram(err)
	}
	return v.answerForm(e, err)
}

// passHandshake lets a browser that logs in by connection do so: it begins with an empty
// body, which is not the form, and sends that with its last leg. Who it is there does not
// matter here.
func (v *visit) passHandshake() (answered bool, err error) {
	switch c, _ := parseAuthorization(v.r.Header["Authorization"]); c.scheme {
	case schemeNTLM, schemeNegotiate:
	default:
		return false, nil
	}
	err = v.identify()
	if _, owes := errors.AsType[*owed](err); owes {
		return true, v.refuse(err)
	}
	if err != nil {
		v.record(outcomeOf(kindOf(err), v.scheme), kindOf(err), err)
	}
	*v = visit{door: v.door, w: v.w, r: v.r, start: v.start, conn: v.conn, seated: v.seated, barrier: v.barrier}
	return false, nil
}

// checkForm refuses what a page of another site may have sent. Programs send no Origin and
// no form: a browser sends JSON to another site only where that allows it, which nothing
// here does, and JSON gets no cookie.
func (v *visit) checkForm(e entry) error {
	if !loginpage.FromHere(v.r) {
		return identity.Fail(identity.KindForm, errStranger)
	}
	if cookie, ok := v.formCookie(); !e.program && (!ok || !loginpage.Fits(cookie, e.token)) {
		if e.token == "" { // which the page always sends
			return &identity.Error{Kind: identity.KindForm, Err: errForged, Hint: hintEntry}
		}
		return identity.Fail(identity.KindForm, errForged)
	}
	return nil
}

// prove has a controller decide, and the rule. What the connection remembers is of other
// log-ins, and is neither asked nor changed.
func (v *visit) prove(e entry) error {
	v.claimed = identity.ParseName(e.name)
	v.credential.name, v.credential.password, v.field = v.claimed, e.password, e.code
	if err := checkTyped(v.claimed, e.password); err != nil {
		return err
	}
	if strings.ContainsRune(e.code.Reveal(), 0) { // it may go behind the password, which it would end
		return identity.Fail(identity.KindFactor, errNulCode)
	}
	v.from = v.door.passwordDirectory(v.claimed)
	if err := v.verifyPassword(); err != nil {
		return err
	}
	return v.permit()
}

// answerForm sends a browser on, or shows the page again.
func (v *visit) answerForm(e entry, err error) error {
	if err == nil {
		_, err = v.openSession(session.Cookie)
	}
	if err != nil {
		return v.showRefusal(e, err)
	}
	v.recordAllow()
	v.tellLogIn()
	return v.lead(loginpage.Target(e.next, v.door.login.base, v.door.login.home))
}

// showRefusal shows the page again, with what its reader may know of the reason.
func (v *visit) showRefusal(e entry, err error) error {
	o := v.turnDown(err)
	if kindOf(err) == identity.KindDenied {
		return v.writePage(o.status, loginpage.Page{View: loginpage.ViewDenied, User: shownName(v.id)}, "")
	}
	return v.writePage(o.status, loginpage.Page{
		View: loginpage.ViewLogin, Name: e.name, Next: loginpage.Target(e.next, v.door.login.base, ""),
	}, v.reasonOf(err))
}

// granted is what a program gets for a name and a password.
type granted struct {
	Name    string `json:"name"`
	Level   string `json:"level"`
	Key     string `json:"key"`
	Expires string `json:"expires"`
}

// refused is what it gets instead.
type refused struct {
	Error  string `json:"error"`
	Reason string `json:"reason"`
	// Field is the field of the request that is wrong.
	Field string `json:"field,omitempty"`
}

// answerProgram gives a program its key, in the body of the answer and nowhere else.
func (v *visit) answerProgram(err error) error {
	var key opened
	if err == nil {
		key, err = v.openSession(session.Key)
	}
	if err != nil {
		return v.writeRefusal(v.turnDown(err), err)
	}
	v.recordAllow()
	v.tellLogIn()
	return v.writeJSON(http.StatusOK, granted{
		Name: shownName(v.id), Level: levelOf(v.id), Key: key.token.Reveal(), Expires: key.expires.UTC().Format(time.RFC3339),
	})
}

// writeRefusal says to a program what a reader of the page would read.
func (v *visit) writeRefusal(o outcome, err error) error {
	words := loginpage.TextsOf(loginpage.PickLanguage(v.r.Header["Accept-Language"]))
	reason := v.reasonOf(err)
	answer := refused{Error: words.SayAfter(reason, v.door.factor != nil, v.w.Header().Get("Retry-After")), Reason: string(reason)}
	if wrong, ok := errors.AsType[badField](err); ok {
		answer.Field = wrong.field
	}
	switch kind := kindOf(err); kind {
	case identity.KindDenied:
		answer = refused{Error: words.MayNot, Reason: kind.String()}
	case identity.KindNoCredentials, identity.KindSession:
		answer = refused{Error: words.SignIn, Reason: kind.String()}
	}
	return v.writeJSON(o.status, answer)
}

func (v *visit) writeJSON(status int, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	loginpage.Protect(v.w.Header())
	v.w.Header().Set("Content-Type", "application/json")
	v.w.WriteHeader(status)
	if v.r.Method != http.MethodHead {
		_, _ = v.w.Write(append(text, '\n')) // nobody is left to be told of an error
	}
	return nil
}

// turnDown writes down that there is no log-in, and sets the headers of the answer.
func (v *visit) turnDown(err error) outcome {
	v.conceal()
	kind := kindOf(err)
	o := outcomeOf(kind, v.scheme)
	if v.r.Context().Err() != nil && o.status >= http.StatusInternalServerError {
		v.recordGone(err) // and nobody reads the answer
		return o
	}
	v.record(o, kind, err)
	header := v.w.Header()
	switch o.status {
	case http.StatusUnauthorized:
		header["Www-Authenticate"] = []string{v.bearer()}
	case http.StatusTooManyRequests:
		header.Set("Retry-After", throttledFor(err))
	case http.StatusServiceUnavailable:
		header.Set("Retry-After", retryAfter)
	}
	if o.close && v.r.ProtoMajor == 1 {
		header.Set("Connection", "close")
	}
	return o
}

// tellable are the kinds that somebody who knew the password is told of.
var tellable = map[identity.Kind]loginpage.Reason{
	identity.KindPasswordExpired: loginpage.PasswordExpired,
	identity.KindMustChange:      loginpage.MustChange,
	identity.KindDisabled:        loginpage.Disabled,
	identity.KindAccountExpired:  loginpage.AccountExpired,
	identity.KindLogonHours:      loginpage.LogonHours,
	identity.KindWorkstation:     loginpage.Workstation,
	identity.KindRestricted:      loginpage.Restricted,
}

// reasonOf is what the client may know of a failure. What is about an account it is told
// only where the controller has found the password right: to everybody else unknown
// names, wrong passwords and accounts that may not log in look the same. A locked
// account is among them, since controllers say so of any password.
func (v *visit) reasonOf(err error) loginpage.Reason {
	kind := kindOf(err)
	switch status := outcomeOf(kind, v.scheme).status; {
	case kind == identity.KindForm:
		return loginpage.Stale
	case status == http.StatusTooManyRequests:
		return loginpage.Throttled
	case status == http.StatusServiceUnavailable:
		return loginpage.Unavailable
	case status == http.StatusInternalServerError:
		return loginpage.Failed
	case status == http.StatusBadRequest, status == http.StatusRequestEntityTooLarge:
		return loginpage.Unreadable
	}
	failure, ok := errors.AsType[*identity.Error](err)
	if reason := tellable[kind]; reason != "" && (v.proven || ok && failure.Proven) {
		return reason
	}
	return loginpage.Wrong
}

// shownName is what a person is called.
func shownName(id *identity.Identity) string {
	if id.DisplayName != "" {
		return id.DisplayName
	}
	return id.Logon()
}

// levelOf is the first role of somebody, the one that the map has found first.
func levelOf(id *identity.Identity) string {
	if roles := id.Roles(); len(roles) > 0 {
		return roles[0]
	}
	return ""
}
