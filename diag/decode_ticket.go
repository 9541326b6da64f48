package diag

import (
	"errors"
	"fmt"
	"strings"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/krb"
	"github.com/caddy-ntlm/caddy-ntlm/internal/pac"
)

// kerberos decodes a Kerberos token, RFC 4121 4.1.
func (d *decoder) kerberos(token []byte) error {
	m, err := krb.Inspect(token)
	switch {
	case err != nil:
		return &advice{err, wholeHint}
	case m.Rejection != nil:
		defer d.title("Kerberos KRB-ERROR")()
		d.line("error", "%d %s", m.Rejection.Code, m.Rejection.Text)
		d.line("service", "%s", m.Rejection.Service)
		d.line("clock", "%s", moment(m.Rejection.At))
		return nil
	case m.Request == nil:
		defer d.title("Kerberos AP-REP")()
		d.line("sealed", "the client alone can read it: the service proves itself by it")
		return nil
	}
	return d.request(m.Request)
}

func (d *decoder) request(r *krb.Request) error {
	defer d.title("Kerberos AP-REQ")()
	d.line("service", "%s", r.Service)
	d.line("realm", "%s", r.Realm)
	version := "of no version"
	if r.Version > 0 {
		version = fmt.Sprintf("version (kvno) %d", r.Version)
	}
	d.line("ticket", "%s (%d), under the service's key, %s", krb.Etype(r.Etype), r.Etype, version)
	d.line("session", "%s (%d)", krb.Etype(r.Session), r.Session)
	switch {
	case r.UserToUser:
		d.line("options", "user-to-user: no keytab opens it")
	case r.Mutual:
		d.line("options", "mutual: the service shall prove itself")
	}
	if d.keytab == nil {
		d.line("sealed", "client, times and PAC: --keytab FILE with the service's key opens them")
		return nil
	}
	opened, err := r.Open(d.keytab)
	if opened == nil {
		return d.unopened(r, err)
	}
	d.inside(opened)
	return joined(err, d.pac(opened))
}

// joined are the errors of several parts, as one that is told.
func joined(errs ...error) error {
	if err := errors.Join(errs...); err != nil {
		return &no{&advice{err, "no site takes this request: what proper clients and KDCs send is not so"}}
	}
	return nil
}

// unopened says which key is missing, and which are there.
func (d *decoder) unopened(r *krb.Request, err error) error {
	if !errors.Is(err, krb.ErrNoKey) && !errors.Is(err, krb.ErrForged) {
		return &no{&advice{err, wholeHint}}
	}
	var have []string
	for _, k := range d.keytab.Keys {
		have = append(have, fmt.Sprintf("%s version %d %s", k.Principal(), k.Version, krb.Etype(k.Etype)))
	}
	hint := fmt.Sprintf("is it the keytab of the account that has %s (setspn -Q %s), and written after its password was set?", r.Service, r.Service)
	return &no{&advice{fmt.Errorf("no key in %s opens it: %w; it has %s", d.path, err, few(have)), hint}}
}

// few are the first of a long list.
func few(list []string) string {
	const most = 16
	if len(list) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
	}
	return strings.Join(list, ", ")
}

// inside tells what the KDC has sealed, and the client beside it.
func (d *decoder) inside(o *krb.Opened) {
	d.line("opened by", "%s, version %d", o.Under.Principal(), o.Under.Version)
	d.line("client", "%s", o.Client())
	d.line("flags", "%s", strings.Join(o.Flags, " "))
	d.line("log-in", "%s", moment(o.AuthAt))
	d.line("good", "from %s until %s", moment(o.Starts), moment(o.Ends))
	if !o.Renew.IsZero() {
		d.line("renewable", "until %s", moment(o.Renew))
	}
	if o.At.IsZero() {
		return // the authenticator does not open
	}
	d.line("sent at", "%s by the client's clock", moment(o.At))
	if o.Claimed != o.Client() {
		d.line("claimed", "%s: the client calls itself another than its ticket does", o.Claimed)
	}
	d.binding(o.Binding != nil)
	if o.Delegates {
		d.line("delegation", "the client hands its own ticket-granting ticket on to the service")
	} else {
		d.line("delegation", "the client hands on no ticket")
	}
}

// pac tells of the certificate in a ticket, [MS-PAC], and whether it is to be
// believed.
func (d *decoder) pac(o *krb.Opened) error {
	if o.PAC == nil {
		d.line("PAC", "none")
		return nil
	}
	p, err := pac.Parse(o.PAC)
	if err != nil {
		return err
	}
	defer d.title("PAC, %s", counted(len(o.PAC), "byte"))()
	if l := p.Logon; l != nil {
		d.line("user", `%s\%s`, l.Domain, l.Name)
		d.line("SID", "%s", l.SID())
		d.line("groups", "%s", counted(len(l.Groups()), "SID"))
		d.line("extra SIDs", "%s", sids(l.Extra()))
	}
	if p.UPN != nil {
		d.line("UPN", "%s", p.UPN.Name)
	}
	if p.Requestor != nil {
		d.line("requestor", "%s", *p.Requestor)
	}
	if p.Delegation != nil {
		d.line("delegation", "%s got the ticket for the user, for %s", p.Delegation.Through, p.Delegation.Target)
	}
	return d.believed(o, p)
}

// believed checks what the site checks: the server's signature, and whether the
// certificate is of this ticket.
func (d *decoder) believed(o *krb.Opened, p *pac.PAC) error {
	if p.Server == nil {
		return fmt.Errorf("%w: nobody has signed it", krb.ErrPAC)
	}
	if err := o.CheckPAC(p.Signed(), p.Server.Type, p.Server.Sum); err != nil {
		return err
	}
	if err := p.CheckClient(strings.Join(o.Name, "/"), o.AuthAt); err != nil {
		return err
	}
	d.line("signature", "right, by the key that opened the ticket")
	return nil
}

func sids(list []identity.SID) string {
	if len(list) == 0 {
		return "none"
	}
	texts := make([]string, len(list))
	for i, sid := range list {
		texts[i] = sid.String()
	}
	return few(texts)
}
