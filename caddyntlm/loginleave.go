package caddyntlm

import (
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/loginpage"
	"github.com/caddy-ntlm/caddy-ntlm/internal/session"
)

// showLogout is a button: a mere link, or a picture on a page of a stranger, logs nobody
// out.
func (v *visit) showLogout() error {
	came, err := v.endable()
	if err != nil {
		return v.refuse(err)
	}
	if came == nil && v.seatHolder() == nil {
		return v.writePage(http.StatusOK, loginpage.Page{View: loginpage.ViewLeft}, "")
	}
	p := loginpage.Page{View: loginpage.ViewLogout}
	if came != nil {
		p.User = came.record.Name
	} else {
		p.User = v.seatHolder().Logon()
	}
	return v.writePage(http.StatusOK, p, "")
}

// seatHolder is who is logged in on the connection, or nil.
func (v *visit) seatHolder() *identity.Identity {
	if do, known := v.step(eventNothing, held{}); do == doIdentify {
		return known.id
	}
	return nil
}

// leave logs out: the session that the browser's cookie names, by a form as at a log-in,
// or the one of a program's key. Who is logged in on the connection is forgotten too.
func (v *visit) leave() error {
	if c, _ := parseAuthorization(v.r.Header["Authorization"]); c.scheme == schemeBearer {
		v.scheme = schemeBearer
		var err error // whether the directory still vouches for its user does not matter
		if v.session, err = v.show(c.token, session.Key); err == nil {
			err = v.logOut()
		}
		if err != nil {
			return v.writeRefusal(v.turnDown(err), err)
		}
		v.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if answered, err := v.passHandshake(); answered {
		return err
	}
	v.scheme = schemeForm
	e, err := readEntry(v.w, v.r)
	if err == nil && e.program {
		err = identity.Fail(identity.KindForm, errForged) // neither a key nor a form
	}
	if err == nil {
		err = v.checkForm(e)
	}
	if err == nil {
		err = v.leaveBrowser()
	}
	if err != nil {
		return v.showLogoutAgain(err)
	}
	return v.writePage(http.StatusOK, loginpage.Page{View: loginpage.ViewLeft}, "")
}

// leaveBrowser ends what a browser has, and what it keeps of the site, for its back
// button too.
func (v *visit) leaveBrowser() error {
	if v.id = v.seatHolder(); v.id != nil {
		v.from = v.door.seats
	}
	if err := v.logOut(); err != nil {
		return err
	}
	v.w.Header().Set("Clear-Site-Data", `"cache"`)
	return nil
}

// showLogoutAgain says that nobody was logged out.
func (v *visit) showLogoutAgain(err error) error {
	o := v.turnDown(err)
	return v.writePage(o.status, loginpage.Page{View: loginpage.ViewLogout}, v.reasonOf(err))
}

// whoami is what a page or a program may know of who is logged in.
type whoami struct {
	Name    string   `json:"name"`
	ID      string   `json:"id"`
	Domain  string   `json:"domain"`
	Level   string   `json:"level"`
	Roles   []string `json:"roles"`
	Groups  []string `json:"groups"`
	Scheme  string   `json:"scheme"`
	Expires string   `json:"expires,omitempty"`
}

// tellWho answers who is logged in, held to what every page of the site is.
func (v *visit) tellWho() error {
	if err := v.admit(); err != nil {
		return v.refuseProgram(err)
	}
	answer := whoami{
		Name: shownName(v.id), ID: v.name, Domain: v.id.Domain, Level: levelOf(v.id),
		Roles: append([]string{}, v.id.Roles()...), Groups: v.groupNames(), Scheme: v.scheme.String(),
	}
	if record, ok := v.requestSession(); ok {
		answer.Expires = record.Ends.UTC().Format(time.RFC3339)
	}
	v.recordAllow()
	v.tellLogIn()
	v.tellAccepted()
	return v.writeJSON(http.StatusOK, answer)
}

// refuseProgram is the door's own refusal, with its challenges, and with JSON where
// Caddy would write nothing.
func (v *visit) refuseProgram(err error) error {
	answer := v.refuse(err)
	failure, ok := answer.(caddyhttp.HandlerError) //nolint:errorlint // refuse wraps nothing
	if !ok {
		return answer
	}
	return v.writeRefusal(outcome{status: failure.StatusCode}, err)
}
