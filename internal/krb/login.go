package krb

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// Login asks a KDC whether a password is right, and believes a yes only with a
// ticket for a service of ours that our own key opens: whoever stands in for the
// KDC can know the user's key, since he may have typed the password, and not the
// service's. This is what MIT's krb5_verify_init_creds does where it may not be
// left out.
type Login struct {
	// User is the client's name, one component. Enterprise says that it may be
	// any that the KDC knows the account by, mostly a UPN, RFC 6806 5.
	User       string
	Enterprise bool
	Password   string
	// Realm is the user's and the service's.
	Realm string
	// Service is whom the proof is for, such as HTTP/web.example.com.
	Service string
	// Acceptor has the service's keys. What it accepts here travels nowhere.
	Acceptor *Acceptor
	// Centres are asked.
	Centres *Centres
	// KDCs are their addresses, host:port, in order.
	KDCs []string
	// Judged is told how long the KDC took over a password, and whether it
	// refused it. May be nil.
	Judged func(took time.Duration, refused bool)
}

// Format redacts: a login must not be printed.
func (Login) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte("krb.Login{[redacted]}")) }

// Message and preauthentication types, RFC 4120 7.5.7 and 7.5.2; types of names,
// 6.2 and RFC 6806 5; usages of keys, RFC 4120 7.5.1; a KDC option, RFC 6806 11.
const (
	messageASReq       = 10
	paEncTimestamp     = 2
	paETypeInfo2       = 19
	nameIsPrincipal    = 1
	nameIsService      = 2
	nameIsEnterprise   = 10
	usageTimestamp     = 1
	usageASRep         = 3
	optionCanonicalize = 15
)

// ticketWanted is how long a ticket is asked for: longer than clocks differ.
const ticketWanted = time.Hour

// Prove gives the ticket that proves user and KDC, with the KDC's address. The
// name in it is the account's own, as the KDC has it, whatever was typed. Errors
// are *Refusal, ErrUnreachable, ErrEtype, ErrMalformed, ErrUnproven and the end
// of the context.
func (l *Login) Prove(ctx context.Context) (*Ticket, string, error) {
	p, err := guard(ctx, func() (proven, error) { return l.prove(ctx) })
	return p.ticket, p.kdc, err
}

type proven struct {
	ticket *Ticket
	kdc    string
}

func (l *Login) prove(ctx context.Context) (proven, error) {
	tgt, err := l.authenticate(ctx)
	if err != nil {
		return proven{}, err
	}
	ticket, key, err := l.serviceTicket(ctx, tgt)
	if err != nil {
		return proven{}, err
	}
	own, err := initiate(tgt.realm, tgt.name, ticket, key, nil)
	if err != nil {
		return proven{}, err
	}
	// The log-in that the ticket is of is the one that was just made: a ticket may
	// outlive the password that it was got with.
	accepted, _, err := l.Acceptor.Accept(own.Token)
	if err != nil {
		return proven{}, fmt.Errorf("%s: %w: %w", tgt.kdc, ErrUnproven, err)
	}
	if off, skew := l.Acceptor.now().Sub(accepted.AuthAt), l.Acceptor.skew(); off > skew || off < -skew {
		return proven{}, fmt.Errorf("%s: %w: %w: it is of a log-in at %s", tgt.kdc, ErrUnproven, ErrExpired, stamp(accepted.AuthAt))
	}
	return proven{accepted, tgt.kdc}, nil
}

// granted is the outcome of an AS exchange.
type granted struct {
	kdc    string
	realm  string
	name   types.PrincipalName
	ticket messages.Ticket
	key    types.EncryptionKey
}

// authenticate is the AS exchange, RFC 4120 3.1. The first request asks for salt
// and enctype alone; the second shows that the password is known, also where the
// KDC does not ask for that, so that it counts wrong ones of every account. That
// one is sent once, to the KDC that has answered: each may cost the account one
// of its tries.
func (l *Login) authenticate(ctx context.Context) (*granted, error) {
	request, err := l.asReq()
	if err != nil {
		return nil, err
	}
	raw, err := request.Marshal()
	if err != nil {
		return nil, err
	}
	answer, kdc, err := l.Centres.ask(ctx, l.KDCs, raw)
	if err != nil {
		return nil, err
	}
	padata, asked, err := preauthentication(answer, kdc)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	key, err := l.key(padata)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kdc, err)
	}
	if request.PAData, err = timestamp(key); err != nil {
		return nil, err
	}
	if raw, err = request.Marshal(); err != nil {
		return nil, err
	}
	if answer, err = exchange(ctx, kdc, raw); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrUnreachable, kdc, err)
	}
	refusal, err := refusalIn(answer, kdc)
	if l.Judged != nil && err == nil {
		l.Judged(time.Since(began), refusal != nil)
	}
	switch {
	case err != nil:
		return nil, err
	case refusal != nil:
		refusal.judged = true
		return nil, refusal
	}
	return l.granted(answer, kdc, key, request.ReqBody.Nonce, asked)
}

func (l *Login) asReq() (*messages.ASReq, error) {
	nonce, err := newNonce()
	if err != nil {
		return nil, err
	}
	name := types.PrincipalName{NameType: nameIsPrincipal, NameString: []string{l.User}}
	if l.Enterprise {
		name.NameType = nameIsEnterprise
	}
	options := types.NewKrbFlags()
	types.SetFlag(&options, optionCanonicalize)
	return &messages.ASReq{KDCReqFields: messages.KDCReqFields{
		PVNO: 5, MsgType: messageASReq,
		ReqBody: messages.KDCReqBody{
			KDCOptions: options, CName: name, Realm: l.Realm,
			SName: types.PrincipalName{NameType: nameIsService, NameString: []string{"krbtgt", l.Realm}},
			Till:  time.Now().UTC().Add(ticketWanted), Nonce: nonce, EType: acceptedEtypes(),
		},
	}}, nil
}

func newNonce() (int, error) {
	var octets [4]byte
	_, err := rand.Read(octets[:])
	return int(binary.BigEndian.Uint32(octets[:]) & (1<<31 - 1)), err
}

// acceptedEtypes are asked for, the best first. None is RC4: a password that is
// sent under it can be guessed by who listens.
func acceptedEtypes() []int32 {
	return []int32{etypeAES256SHA2, etypeAES128SHA2, etypeAES256SHA1, etypeAES128SHA1}
}

// timestamp is PA-ENC-TIMESTAMP, RFC 4120 5.2.7.2.
func timestamp(key types.EncryptionKey) (types.PADataSequence, error) {
	plain, err := types.GetPAEncTSEncAsnMarshalled()
	if err != nil {
		return nil, err
	}
	sealed, err := seal(plain, key, usageTimestamp)
	if err != nil {
		return nil, err
	}
	raw, err := sealed.Marshal()
	return types.PADataSequence{{PADataType: paEncTimestamp, PADataValue: raw}}, err
}

// granted opens an AS-REP, RFC 4120 3.1.5. Where the KDC wanted to see that the
// password is known it has seen that, and an answer under another key is none of
// its own. Where it did not, the password is wrong.
func (l *Login) granted(answer []byte, kdc string, key types.EncryptionKey, nonce int, asked bool) (*granted, error) {
	var reply messages.ASRep
	if err := reply.Unmarshal(answer); err != nil {
		return nil, fmt.Errorf("%w: %s: AS-REP: %w", ErrMalformed, kdc, err)
	}
	plain, err := open(reply.EncPart, key, usageASRep)
	switch {
	case err != nil && asked:
		return nil, fmt.Errorf("%s: %w: its answer is not under the user's key", kdc, ErrUnproven)
	case err != nil:
		return nil, &Refusal{Code: CodePreauthFailed, KDC: kdc, Text: "the password does not open the answer", judged: true}
	}
	var part messages.EncKDCRepPart
	if err := part.Unmarshal(plain); err != nil {
		return nil, fmt.Errorf("%w: %s: AS-REP: %w", ErrMalformed, kdc, err)
	}
	switch {
	case part.Nonce != nonce:
		return nil, fmt.Errorf("%s: %w: it answers another request", kdc, ErrUnproven)
	case !slices.Contains(acceptedEtypes(), part.Key.KeyType):
		return nil, fmt.Errorf("%s: %w: the session is of %s, which nobody asked for", kdc, ErrUnproven, Etype(part.Key.KeyType))
	}
	return &granted{kdc: kdc, realm: reply.CRealm, name: reply.CName, ticket: reply.Ticket, key: part.Key}, nil
}
