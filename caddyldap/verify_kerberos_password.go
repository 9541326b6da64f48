package caddyldap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/krb"
)

func init() {
	caddy.RegisterModule(new(KerberosPassword))
}

// KerberosPassword decides by a log-in at a KDC with the name and password of the
// user. What the KDC says counts only with a ticket for a service of ours that
// the key in the keytab opens: whoever stands in for the KDC may know the
// password, since he may have typed it, and not that key.
type KerberosPassword struct {
	// The keytab file with the service's keys. It is read again when it changes.
	File string `json:"file"`
	// The service that the proof is asked for, such as HTTP/web.example.com.
	// Default: the first name in the keytab that begins with HTTP/.
	SPN string `json:"spn,omitempty"`
	// The realm of users and service. Default: the keytab's, where it is one, else
	// the domain's DNS name in capitals.
	Realm string `json:"realm,omitempty"`
	// A krb5.conf that names the realm's KDCs. Default: the directory's servers,
	// port 88.
	Krb5Conf string `json:"krb5_conf,omitempty"`

	directory *Directory
	keys      keytabFile
	centres   krb.Centres
	pace      pace
}

// CaddyModule returns the Caddy module information.
func (*KerberosPassword) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: Namespace + "." + nameKerberosPassword, New: func() caddy.Module { return new(KerberosPassword) }}
}

// CheckStatic says what is wrong with the words, without reading a file.
func (k *KerberosPassword) CheckStatic() error {
	switch {
	case k.File == "":
		return errors.New("kerberos_password: which keytab? write verify kerberos_password /etc/caddy/http.keytab")
	case k.SPN != "" && badSPN(k.SPN):
		return fmt.Errorf("kerberos_password: spn %s: write HTTP/web.example.com, as setspn -L shows it", k.SPN)
	case k.Realm != "" && badRealm(k.Realm):
		return fmt.Errorf("kerberos_password: realm %s: a realm is the domain's DNS name in capitals, such as EXAMPLE.COM", k.Realm)
	}
	return nil
}

// Attach implements Verifier.
func (k *KerberosPassword) Attach(d *Directory) error {
	if err := k.CheckStatic(); err != nil {
		return err
	}
	k.directory = d
	if k.Krb5Conf != "" {
		if _, err := krb.ReadConf(k.Krb5Conf); err != nil {
			return fmt.Errorf("kerberos_password: krb5_conf: %w", err)
		}
	}
	table, err := k.keys.current(k.File, d.now())
	if err != nil {
		return err
	}
	_, err = k.spnOf(table, k.Realm) // the domain may tell its name later
	return err
}

// service is whom a proof is asked for, and the realm. The error is of KindKeytab.
func (k *KerberosPassword) service(table *krb.Keytab) (spn, realm string, err error) {
	realms := table.Realms()
	if realm = k.Realm; realm == "" && len(realms) == 1 {
		realm = realms[0]
	} else if realm == "" {
		realm = strings.ToUpper(k.directory.dns())
	}
	if realm == "" {
		return "", "", &identity.Error{
			Kind: identity.KindKeytab, Err: fmt.Errorf("kerberos_password: the keytab %s is of several realms: %s", k.File, strings.Join(realms, ", ")),
			Hint: "write realm, the users' one of these, or dns_domain",
		}
	}
	spn, err = k.spnOf(table, realm)
	return spn, realm, err
}

// spnOf is whom a proof is asked for in a realm; empty for any realm.
func (k *KerberosPassword) spnOf(table *krb.Keytab, realm string) (string, error) {
	if k.SPN != "" {
		return k.SPN, nil
	}
	for _, key := range table.Keys {
		if name := strings.Join(key.Name, "/"); !badSPN(name) && (realm == "" || realm == key.Realm) {
			return name, nil
		}
	}
	return "", &identity.Error{
		Kind: identity.KindKeytab, Err: fmt.Errorf("kerberos_password: the keytab %s holds no name of realm %q that begins with HTTP/", k.File, realm),
		Hint: "write spn HTTP/… , a name of the account whose keys they are: setspn -L shows those",
	}
}

// VerifyPassword implements identity.PasswordVerifier.
func (k *KerberosPassword) VerifyPassword(ctx context.Context, name identity.Name, password identity.Secret) (*identity.Principal, error) {
	p, err := k.verify(ctx, name, password)
	return p, claimedBy(name, err)
}

func (k *KerberosPassword) verify(ctx context.Context, name identity.Name, password identity.Secret) (*identity.Principal, error) {
	// Where strings end at NUL, a password that begins with one is empty.
	if strings.ContainsRune(password.Reveal(), 0) {
		return nil, identity.Fail(identity.KindEmptyPassword, nil)
	}
	if err := checkTyped(name, password); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, overall)
	defer cancel()
	login, err := k.login(ctx, name)
	if err != nil {
		return nil, err
	}
	login.Password = password.Reveal()
	ticket, kdc, err := login.Prove(ctx)
	if err != nil {
		return nil, k.refuse(ctx, name, err)
	}
	if !login.Enterprise && identity.Fold(login.User) != identity.Fold(strings.Join(ticket.Name, "/")) {
		return nil, identity.Fail(identity.KindMismatch, fmt.Errorf("the KDC has made a ticket for %.300q", ticket.Client()))
	}
	return k.directory.proveTicket(ticket, identity.Proof{Claimed: name, Verifier: nameKerberosPassword, Server: kdc}), nil
}

// login is what the KDC is asked for a typed name.
func (k *KerberosPassword) login(ctx context.Context, name identity.Name) (*krb.Login, error) {
	d := k.directory
	table, err := k.keys.current(k.File, d.now())
	if err != nil {
		return nil, err
	}
	if err := d.servers.await(ctx); err != nil {
		return nil, err
	}
	if err := d.nameDomain(ctx); err != nil {
		return nil, err
	}
	l := &krb.Login{Centres: &k.centres, Judged: k.pace.note}
	if l.Service, l.Realm, err = k.service(table); err != nil {
		return nil, err
	}
	if l.User, l.Enterprise, err = k.principal(ctx, name, l.Realm); err != nil {
		return nil, err
	}
	if l.KDCs, err = k.kdcs(ctx, l.Realm); err != nil {
		return nil, explainKDC(err)
	}
	l.Acceptor = &krb.Acceptor{
		Keytab: table, Services: []string{l.Service}, Realms: []string{l.Realm},
		Replays: krb.NewReplays(), Certify: certify, Now: time.Now, // the request is our own, and leaves this process never
	}
	return l, nil
}

// principal makes a Kerberos name of a typed one: of user@suffix one that the KDC
// looks up itself where it is Active Directory, RFC 6806 5, else the user.
func (k *KerberosPassword) principal(ctx context.Context, n identity.Name, realm string) (user string, enterprise bool, err error) {
	d := k.directory
	if n.Domain != "" && !strings.EqualFold(n.Domain, realm) {
		if !d.isOwn(n.Domain) && d.service != nil { // whose connections learn the domain's names
			_ = d.service.do(ctx, func(*conn, rootDSE) error { return nil })
		}
		if !d.isOwn(n.Domain) {
			return "", false, d.foreign(n.Domain)
		}
	}
	user, suffix, isUPN := n.UPN()
	if !isUPN {
		return n.User, false, nil
	}
	active, err := d.isActive(ctx)
	switch {
	case err != nil:
		return "", false, err
	case active:
		return n.User, true, nil
	case !strings.EqualFold(suffix, realm):
		return "", false, d.foreign(suffix)
	}
	return user, false, nil
}

func (k *KerberosPassword) kdcs(ctx context.Context, realm string) ([]string, error) {
	if k.Krb5Conf != "" {
		text, err := krb.ReadConf(k.Krb5Conf)
		if err != nil {
			return nil, err
		}
		return krb.KDCsIn(ctx, text, realm)
	}
	var kdcs []string
	for _, sv := range k.directory.servers.all() {
		kdcs = append(kdcs, net.JoinHostPort(sv.url.Host, kdcPort))
	}
	return kdcs, nil
}

// kdcPort is Kerberos', RFC 4120 7.2.3.
const kdcPort = "88"

// refuse gives a failure its kind. A KDC says of accounts that are not there, or
// may not log in, what it says before it has seen a password, and so sooner than
// of a wrong one: such an answer waits for as long as those took lately (threats
// F-09).
func (k *KerberosPassword) refuse(ctx context.Context, name identity.Name, err error) error {
	explained := explainKDC(err)
	kind := identity.KindOf(explained)
	if r, ok := errors.AsType[*krb.Refusal](err); kind == identity.KindEtype || kind.AboutAccount() && ok && !r.Judged() {
		pause(ctx, k.pace.draw())
	}
	return wantLoginName(name, k.directory.loginNames(), explained)
}

// Interface guards.
var (
	_ Verifier                  = (*KerberosPassword)(nil)
	_ identity.PasswordVerifier = (*KerberosPassword)(nil)
)
