package krb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// Message is a GSS-API token of Kerberos as its reader sees it, for the doctor:
// nothing in it is proven. One of Request and Rejection is there, and neither for an
// AP-REP, which only the client can read.
type Message struct {
	Request   *Request
	Rejection *Rejection
}

// Request is what of an AP-REQ is not sealed, RFC 4120 5.5.1.
type Request struct {
	Service    string // whom the ticket is for, as the client wrote it
	Realm      string // of the service
	Etype      int32  // of the ticket, and so of the service's key
	Version    uint32 // kvno of that key; 0 where the KDC does not say
	Session    int32  // enctype of the session key
	Mutual     bool   // the client wants an AP-REP
	UserToUser bool

	request *messages.APReq
}

// Rejection is a KRB-ERROR, RFC 4120 5.9.1.
type Rejection struct {
	Code    int32
	Text    string
	Service string
	At      time.Time // the sender's clock
}

// Inspect reads a token and decides nothing. The error is ErrMalformed; nothing
// panics.
func Inspect(token []byte) (m *Message, err error) {
	defer recovered(&err)
	raw, err := unframe(tokenAPReq, token)
	if err == nil && (len(token) == 0 || token[0] != apRepTag) {
		request, err := readAPReq(raw)
		if err != nil {
			return nil, fmt.Errorf("%w: AP-REQ: %w", ErrMalformed, err)
		}
		r := &Request{request: request}
		t, options := &r.request.Ticket, r.request.APOptions.Bytes
		r.Service, r.Realm = strings.Join(t.SName.NameString, "/"), t.Realm
		r.Etype, r.Version, r.Session = t.EncPart.EType, uint32(t.EncPart.KVNO), r.request.EncryptedAuthenticator.EType
		r.Mutual, r.UserToUser = flag(options, optionMutual), flag(options, optionUseSessionKey)
		return &Message{Request: r}, nil
	}
	if raw, failed := unframe(tokenError, token); failed == nil && token[0] != apRepTag {
		var e messages.KRBError
		if err := e.Unmarshal(raw); err != nil {
			return nil, fmt.Errorf("%w: KRB-ERROR: %w", ErrMalformed, err)
		}
		return &Message{Rejection: &Rejection{e.ErrorCode, e.EText, strings.Join(e.SName.NameString, "/") + "@" + e.Realm, e.STime}}, nil
	}
	if raw, err = unframe(tokenAPRep, token); err != nil {
		return nil, err
	}
	var reply messages.APRep
	if err := reply.Unmarshal(raw); err != nil {
		return nil, fmt.Errorf("%w: AP-REP: %w", ErrMalformed, err)
	}
	return new(Message), nil
}

// recovered makes ErrMalformed of a panic of the library.
func recovered(err *error) {
	if trouble := recover(); trouble != nil {
		*err = fmt.Errorf("%w: %v", ErrMalformed, trouble)
	}
}

// tokenError is the identifier of a KRB-ERROR, RFC 4121 4.1.
var tokenError = []byte{0x03, 0x00}

// Opened is what a keytab's key shows of a request. Times, names and realms are
// not judged. It prints as Ticket does.
type Opened struct {
	*Ticket
	Under   *Key // that opened the ticket
	Flags   []string
	Starts  time.Time
	Renew   time.Time // until when it may be renewed; zero for never
	Session int32

	Claimed   string    // whom the authenticator names
	At        time.Time // the client's clock
	Delegates bool      // the client hands over a ticket-granting ticket
}

// Open decrypts a request with the keys of a keytab. Where the ticket opens and
// something behind it does not, it gives what there is, beside an error of what
// does not. Errors are ErrNoKey, ErrForged, ErrPAC and ErrMalformed.
func (r *Request) Open(table *Keytab) (o *Opened, err error) {
	defer recovered(&err)
	t := &r.request.Ticket
	opened, err := (&Acceptor{Keytab: table}).decrypt(t)
	if err != nil {
		return nil, err
	}
	part, key := opened.part, opened.key
	o = &Opened{
		Ticket: &Ticket{
			Realm: part.CRealm, Name: part.CName.NameString, Service: r.Service, Home: r.Realm, Etype: r.Etype,
			AuthAt: part.AuthTime, Ends: part.EndTime, key: key,
		},
		Flags: flagNames(part.Flags.Bytes), Starts: begins(part.StartTime, part.AuthTime), Renew: part.RenewTill, Session: part.Key.KeyType,
	}
	for _, k := range table.Keys {
		if k.Etype == key.KeyType && string(k.value.KeyValue) == string(key.KeyValue) && (o.Under == nil || k.Fits(r.Version)) {
			o.Under = k
		}
	}
	var pacTrouble error
	o.PAC, pacTrouble = pacIn(part.AuthorizationData)
	return o, errors.Join(pacTrouble, o.openAuthenticator(r.request, part.Key))
}

// openAuthenticator reads what the client wrote beside the ticket.
func (o *Opened) openAuthenticator(r *messages.APReq, key types.EncryptionKey) error {
	plain, err := open(r.EncryptedAuthenticator, key, usageAuthenticator)
	if err != nil {
		return fmt.Errorf("%w: the session key does not open the authenticator", ErrForged)
	}
	sent, err := readAuthenticator(plain)
	if err != nil {
		return fmt.Errorf("%w: authenticator: %w", ErrMalformed, err)
	}
	o.Claimed, o.At = strings.Join(sent.CName.NameString, "/")+"@"+sent.CRealm, moment(sent)
	if o.Binding, err = binding(sent.Cksum); err != nil {
		return err
	}
	const delegates = 1 // GSS_C_DELEG_FLAG, RFC 4121 4.1.1.1
	o.Delegates = binary.LittleEndian.Uint32(sent.Cksum.Checksum[20:])&delegates != 0
	return nil
}

// ticketFlags are the names of a ticket's flags, RFC 4120 5.3 and RFC 6806 11.
var ticketFlags = map[int]string{
	1: "forwardable", 2: "forwarded", 3: "proxiable", 4: "proxy", 5: "may-postdate", 6: "postdated", 7: "invalid", 8: "renewable",
	9: "initial", 10: "pre-authent", 11: "hw-authent", 12: "transited-policy-checked", 13: "ok-as-delegate", 15: "enc-pa-rep",
}

func flagNames(flags []byte) []string {
	var names []string
	for bit := range 32 {
		switch name := ticketFlags[bit]; {
		case !flag(flags, bit):
		case name == "":
			names = append(names, fmt.Sprintf("bit %d", bit))
		default:
			names = append(names, name)
		}
	}
	return names
}
