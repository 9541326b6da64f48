package krb

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// Acceptor is a service's side of authentication by ticket, RFC 4120 3.2.3. It
// asks nobody. It may be used by many at once; its fields are not changed then.
type Acceptor struct {
	// Keytab holds the service's keys.
	Keytab *Keytab
	// Services are the names that tickets may be for, such as
	// HTTP/web.example.com; upper and lower case are the same. Empty for every
	// name that begins with HTTP/.
	Services []string
	// Realms are those whose clients are accepted. Empty for the keytab's.
	Realms []string
	// AllowRC4 takes tickets and session keys of RC4, which a guessed password
	// opens.
	AllowRC4 bool
	// Skew is how far clocks may differ; zero for five minutes.
	Skew time.Duration
	// Replays keeps every request that was accepted.
	Replays *Replays
	// Certify reads and checks the PAC of a ticket, for Ticket.Certificate. It must
	// hang on the ticket's sealed part alone, which Service and Home are not of: what
	// it says is remembered as long as the ticket is. Nil for nothing.
	Certify func(*Ticket) (any, error)
	// Now is the clock.
	Now func() time.Time
}

// defaultSkew is the usual difference of clocks that is borne.
const defaultSkew = 5 * time.Minute

// Ticket is what a request has proven, as the KDC wrote it into the ticket.
// What the client wrote beside it is not in here, but for the binding.
type Ticket struct {
	Realm   string   // the client's
	Name    []string // the client's, mostly of one component
	Service string   // whom the ticket is for, as the client wrote it: HTTP/web.example.com
	Home    string   // the service's realm, one of the keytab's
	Etype   int32    // of the ticket
	AuthAt  time.Time
	Ends    time.Time
	// Binding is the MD5 of the client's channel bindings, RFC 4121 4.1.1.2;
	// nil where it sent none.
	Binding *[16]byte
	// PAC is the privilege attribute certificate, [MS-PAC] 2.3, as it came; nil
	// without one. SignPAC says who vouches for it.
	PAC []byte
	// Certificate is what Acceptor.Certify says of it.
	Certificate any

	key types.EncryptionKey // that opened the ticket
}

// Format redacts: a ticket's key must not be printed.
func (t *Ticket) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "krb.Ticket{%q for %q}", t.Client(), t.Service)
}

// Client is the client's principal, name@REALM.
func (t *Ticket) Client() string { return strings.Join(t.Name, "/") + "@" + t.Realm }

// Accept checks a GSS-API token with an AP-REQ and gives what it proves, and the
// context whose Reply the client is owed. Errors are those of this package; the
// first thing that is wrong is named. Nothing panics on bytes from outside.
func (a *Acceptor) Accept(token []byte) (ticket *Ticket, context *Context, err error) {
	defer func() {
		if trouble := recover(); trouble != nil {
			ticket, context, err = nil, nil, fmt.Errorf("%w: %v", ErrMalformed, trouble)
		}
	}()
	raw, err := unframe(tokenAPReq, token)
	if err != nil {
		return nil, nil, err
	}
	request, err := readAPReq(raw)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: AP-REQ: %w", ErrMalformed, err)
	}
	now := a.now()
	o, print, err := a.openTicket(request, now)
	if err != nil {
		return nil, nil, err
	}
	sent, err := a.openAuthenticator(request, o.part)
	if err != nil {
		return nil, nil, err
	}
	t, err := a.ticket(request, o, sent)
	if err != nil {
		return nil, nil, err
	}
	c, err := newContext(request, o.part, sent)
	if err != nil {
		return nil, nil, err
	}
	c.until = moment(sent).Add(a.skew())
	// The last check: who may not come in must not fill the memory.
	if c.print, err = a.Replays.note(t.Client(), request.EncryptedAuthenticator.Cipher, now, c.until); err != nil {
		return nil, nil, err
	}
	if !o.known {
		o.part.AuthorizationData, o.pac, o.certificate = nil, t.PAC, t.Certificate
		a.Keytab.opened.keep(print, o, now)
	}
	return t, c, nil
}

// ticket is what a request proves.
func (a *Acceptor) ticket(r *messages.APReq, o *opened, sent *types.Authenticator) (t *Ticket, err error) {
	t = &Ticket{
		Realm: o.part.CRealm, Name: o.part.CName.NameString, Service: strings.Join(r.Ticket.SName.NameString, "/"),
		Home:  r.Ticket.Realm,
		Etype: r.Ticket.EncPart.EType, AuthAt: o.part.AuthTime, Ends: o.part.EndTime,
		PAC: o.pac, Certificate: o.certificate, key: o.key,
	}
	if t.Binding, err = binding(sent.Cksum); err != nil || o.known {
		return t, err
	}
	if t.PAC, err = pacIn(o.part.AuthorizationData); err == nil && a.Certify != nil {
		t.Certificate, err = a.Certify(t)
	}
	return t, err
}

func (a *Acceptor) now() time.Time { return a.Now() }

func (a *Acceptor) skew() time.Duration {
	if a.Skew > 0 {
		return a.Skew
	}
	return defaultSkew
}

// openTicket finds the key of a ticket and checks what the KDC wrote. print is what
// the ticket is known by.
func (a *Acceptor) openTicket(r *messages.APReq, now time.Time) (o *opened, print [sha256.Size]byte, err error) {
	t := &r.Ticket
	switch {
	case r.PVNO != 5 || t.TktVNO != 5:
		return nil, print, fmt.Errorf("%w: protocol version %d, ticket version %d", ErrMalformed, r.PVNO, t.TktVNO)
	case flag(r.APOptions.Bytes, optionUseSessionKey):
		return nil, print, fmt.Errorf("%w: a user-to-user ticket", ErrService)
	}
	if err := a.checkService(t.SName.NameString, t.Realm); err != nil {
		return nil, print, err
	}
	if err := a.checkEtype(t.EncPart.EType, "the ticket"); err != nil {
		return nil, print, err
	}
	print = printOf(t)
	if o = a.Keytab.opened.recall(print, now); o == nil {
		if o, err = a.decrypt(t); err != nil {
			return nil, print, err
		}
	}
	return o, print, a.checkPart(t, o.part)
}

// checkService compares whom a ticket is for, before anything is decrypted: an
// account has one key for all its names. The name is the client's own writing,
// since no ticket has it inside; whoever has a ticket for another name of the
// account can write this one's.
func (a *Acceptor) checkService(name []string, realm string) error {
	full := strings.Join(name, "/")
	ours := func(s string) bool { return strings.EqualFold(s, full) }
	switch {
	case !slices.Contains(a.Keytab.Realms(), realm):
		return fmt.Errorf("%w: it is for %.300q of realm %.300q, and the keytab has keys of %s", ErrService, full, realm, strings.Join(a.Keytab.Realms(), ", "))
	case len(a.Services) > 0 && !slices.ContainsFunc(a.Services, ours),
		len(a.Services) == 0 && (len(name) != 2 || !strings.EqualFold(name[0], "HTTP")):
		return fmt.Errorf("%w: it is for %.300q", ErrService, full)
	}
	return nil
}

func (a *Acceptor) checkEtype(etype int32, of string) error {
	switch etype {
	case etypeAES128SHA1, etypeAES256SHA1, etypeAES128SHA2, etypeAES256SHA2:
		return nil
	case etypeRC4:
		if a.AllowRC4 {
			return nil
		}
	}
	return fmt.Errorf("%w: %s is of %s (%d)", ErrEtype, of, Etype(etype), etype)
}

// checkPart checks realm, flags and times of a ticket, RFC 4120 3.2.3.
func (a *Acceptor) checkPart(t *messages.Ticket, part *messages.EncTicketPart) error {
	realms, now := a.Realms, a.now()
	if len(realms) == 0 {
		realms = a.Keytab.Realms()
	}
	starts := part.StartTime
	if starts.IsZero() {
		starts = part.AuthTime
	}
	switch {
	case len(part.CName.NameString) == 0 || slices.ContainsFunc(part.CName.NameString, notAName),
		part.CName.NameString[0] == wellKnown:
		return fmt.Errorf("%w: a client of the name %.300q", ErrMalformed, part.CName.NameString)
	case !slices.Contains(realms, part.CRealm):
		return fmt.Errorf("%w: %.300q", ErrRealm, part.CRealm)
	case part.CRealm != t.Realm && slices.Contains(a.Keytab.Realms(), part.CRealm):
		// Of two realms with keys here, each speaks for its own clients alone: they
		// need not trust each other.
		return fmt.Errorf("%w: %.300q by a ticket of %.300q, and the client's own realm has keys in the keytab", ErrRealm, part.CRealm, t.Realm)
	case part.CRealm != t.Realm && len(part.Transited.Contents) > 0 && !flag(part.Flags.Bytes, flagTransitedChecked):
		return fmt.Errorf("%w: nobody checked by which realms a client of %.300q came", ErrRealm, part.CRealm)
	case flag(part.Flags.Bytes, flagInvalid):
		return fmt.Errorf("%w: the KDC has not validated it", ErrExpired)
	case now.Add(a.skew()).Before(starts):
		return fmt.Errorf("%w: it begins at %s, and here it is %s", ErrExpired, stamp(starts), stamp(now))
	case now.Add(-a.skew()).After(part.EndTime):
		return fmt.Errorf("%w: it ended at %s, and here it is %s", ErrExpired, stamp(part.EndTime), stamp(now))
	case len(part.Key.KeyValue) != keyLengths[part.Key.KeyType]:
		return fmt.Errorf("%w: a session key of %d bytes", ErrMalformed, len(part.Key.KeyValue))
	}
	return a.checkEtype(part.Key.KeyType, "the session key")
}

// Flags of AP-REQs and tickets, RFC 4120 5.5.1 and 5.3.
const (
	optionUseSessionKey  = 1
	optionMutual         = 2
	flagInvalid          = 7
	flagTransitedChecked = 12
)

// flag reads a bit of a KerberosFlags, RFC 4120 5.2.8.
func flag(flags []byte, bit int) bool {
	return bit/8 < len(flags) && flags[bit/8]&(0x80>>(bit%8)) != 0
}
