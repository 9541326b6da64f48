package caddyldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/krb"
)

func init() {
	caddy.RegisterModule(new(Keytab))
}

// Keytab decides by Kerberos tickets, with the keys of the service in a file. It
// asks no controller.
type Keytab struct {
	// The keytab file. It is read again when it changes.
	File string `json:"file"`
	// The names that tickets may be for, such as HTTP/web.example.com. Default:
	// every name that begins with HTTP/.
	SPN []string `json:"spn,omitempty"`
	// The realms whose users are accepted. Default: those in the keytab.
	Realms []string `json:"realms,omitempty"`
	// Accept tickets of RC4, which a guessed password of the service account
	// opens. Default: AES alone.
	AllowRC4 bool `json:"allow_rc4,omitempty"`

	directory *Directory
	replays   *replays
	keys      keytabFile
}

// CaddyModule returns the Caddy module information.
func (*Keytab) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: Namespace + "." + nameKeytab, New: func() caddy.Module { return new(Keytab) }}
}

// replays are the requests of all keytabs, over reloads: one that a site has
// accepted is good at no other.
type replays struct{ *krb.Replays }

// Destruct implements caddy.Destructor.
func (*replays) Destruct() error { return nil }

var sharedReplays = caddy.NewUsagePool()

const replaysKey = "replays"

// Provision finds the requests that were accepted before.
func (k *Keytab) Provision(caddy.Context) error {
	shared, _, err := sharedReplays.LoadOrNew(replaysKey, func() (caddy.Destructor, error) { return &replays{krb.NewReplays()}, nil })
	if err != nil {
		return err
	}
	k.replays = shared.(*replays)
	return nil
}

// Cleanup gives them back.
func (k *Keytab) Cleanup() error {
	if k.replays != nil {
		_, _ = sharedReplays.Delete(replaysKey)
	}
	return nil
}

// CheckStatic says what is wrong with the words, without reading the file.
func (k *Keytab) CheckStatic() error {
	switch {
	case k.File == "":
		return errors.New("keytab: which file? write verify keytab /etc/caddy/http.keytab")
	case slices.ContainsFunc(k.SPN, badSPN):
		return fmt.Errorf("keytab: spn %s: write HTTP/web.example.com, as setspn -L shows it", strings.Join(k.SPN, " "))
	case slices.ContainsFunc(k.Realms, badRealm):
		return fmt.Errorf("keytab: realms %s: a realm is the domain's DNS name in capitals, such as EXAMPLE.COM", strings.Join(k.Realms, " "))
	}
	return nil
}

func badSPN(spn string) bool {
	class, host, ok := strings.Cut(spn, "/")
	return !ok || !strings.EqualFold(class, "HTTP") || host == "" || strings.ContainsAny(host, "@/ ")
}

func badRealm(realm string) bool {
	return realm == "" || realm != strings.ToUpper(realm) || strings.ContainsAny(realm, "@/ ")
}

// Attach implements Verifier.
func (k *Keytab) Attach(d *Directory) error {
	if err := k.CheckStatic(); err != nil {
		return err
	}
	k.directory = d
	_, err := k.keys.current(k.File, d.now())
	return err
}

// current are the keys in the file as it is now. The error is of KindKeytab.
func (k *Keytab) current() (*krb.Keytab, error) { return k.keys.current(k.File, k.directory.now()) }

// VerifyTicket implements identity.TicketVerifier.
func (k *Keytab) VerifyTicket(_ context.Context, token []byte, channel *identity.Channel) (*identity.Principal, identity.TicketContext, error) {
	table, err := k.current()
	if err != nil {
		return nil, nil, err
	}
	if err := k.oneDomain(table); err != nil {
		return nil, nil, err
	}
	acceptor := &krb.Acceptor{Keytab: table, Services: k.SPN, Realms: k.Realms, AllowRC4: k.AllowRC4, Replays: k.replays.Replays, Certify: certify, Now: k.directory.now}
	ticket, established, err := acceptor.Accept(token)
	if err != nil {
		return nil, nil, k.explain(err)
	}
	meant := identity.Meant{Binding: ticket.Binding, Target: ticket.Service}
	if err := channel.Check(meant); err != nil {
		return nil, nil, err
	}
	return k.directory.proveTicket(ticket, identity.Proof{Verifier: nameKeytab, Claimed: identity.Name{User: ticket.Client()}, Meant: meant}), established, nil
}

// oneDomain refuses a keytab of several realms where nobody looks users up and
// nothing says which of the realms is the domain's: each could write the domain's
// SIDs into its tickets.
func (k *Keytab) oneDomain(table *krb.Keytab) error {
	realms := table.Realms()
	if d := k.directory; d.service != nil || d.dns() != "" || len(realms) < 2 {
		return nil
	}
	return &identity.Error{
		Kind: identity.KindKeytab, Err: fmt.Errorf("the keytab %s is of several realms: %s", k.File, strings.Join(realms, ", ")),
		Hint: "write dns_domain, the one of them whose users these are",
	}
}

// explain sorts an error of the acceptor and names the cure.
func (k *Keytab) explain(err error) error {
	for _, c := range ticketReadings {
		if errors.Is(err, c.is) {
			return &identity.Error{Kind: c.kind, Err: err, Hint: strings.ReplaceAll(c.hint, "FILE", k.File)}
		}
	}
	return identity.Fail(identity.KindInternal, err)
}

// ticketReadings say what is wrong with a ticket's request, and what to do.
var ticketReadings = [...]struct {
	is   error
	kind identity.Kind
	hint string
}{
	{krb.ErrReplay, identity.KindReplay, "somebody sends again what a client has sent before, or a proxy repeats requests"},
	{krb.ErrTooMany, identity.KindBusy, "more tickets than can be remembered came within minutes"},
	{krb.ErrClock, identity.KindSkew, "set the clocks of client and server by the domain's: w32tm /query /status, chronyc tracking"},
	{krb.ErrExpired, identity.KindTicketExpired, "the client's ticket cache is old, or a clock is wrong: klist purge there, and look at the clocks"},
	{krb.ErrEtype, identity.KindEtype, "let the service account have AES keys: set msDS-SupportedEncryptionTypes to 24 and its password anew, and write the keytab again; verify keytab FILE with allow_rc4 takes RC4 meanwhile"},
	{krb.ErrService, identity.KindService, "the URL's host must be a name that the spn line, or the keytab's realm, allows: compare klist on the client with klist -ekt FILE"},
	{krb.ErrRealm, identity.KindRealm, "name the realm behind realms where its users may come in"},
	{krb.ErrPAC, identity.KindPAC, "somebody has changed what the controller says about the user, or the controller is very old"},
	{krb.ErrOtherClient, identity.KindMismatch, "the client claims to be somebody else than its ticket says: no proper client does"},
	{krb.ErrNoKey, identity.KindKeytab, "the service account's password was set anew after the keytab was written: write FILE again (ktpass, msktutil or samba-tool domain exportkeytab), and have clients get new tickets (klist purge)"},
	{krb.ErrForged, identity.KindBadToken, "the ticket is under another account's key: is the URL's SPN on the account whose key is in FILE, and on no other? setspn -Q"},
	{krb.ErrMalformed, identity.KindBadToken, ""},
}

// Interface guards.
var (
	_ Verifier               = (*Keytab)(nil)
	_ caddy.Provisioner      = (*Keytab)(nil)
	_ caddy.CleanerUpper     = (*Keytab)(nil)
	_ identity.NamedVerifier = (*Keytab)(nil)
)
