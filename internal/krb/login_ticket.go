package krb

import (
	"context"
	"fmt"
	"strings"

	"github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// serviceTicket is the TGS exchange, RFC 4120 3.3. What it says counts for
// nothing until the keytab opens the ticket.
func (l *Login) serviceTicket(ctx context.Context, tgt *granted) (messages.Ticket, types.EncryptionKey, error) {
	var none types.EncryptionKey
	conf := config.New()
	conf.LibDefaults.DefaultTGSEnctypeIDs = acceptedEtypes()
	service := types.PrincipalName{NameType: nameIsService, NameString: strings.Split(l.Service, "/")}
	request, err := messages.NewTGSReq(tgt.name, l.Realm, conf, tgt.ticket, tgt.key, service, false)
	if err != nil {
		return messages.Ticket{}, none, fmt.Errorf("%w: %s: TGS-REQ: %w", ErrMalformed, tgt.kdc, err)
	}
	raw, err := request.Marshal()
	if err != nil {
		return messages.Ticket{}, none, err
	}
	answer, kdc, err := l.Centres.ask(ctx, l.KDCs, raw)
	if err != nil {
		return messages.Ticket{}, none, err
	}
	refusal, err := refusalIn(answer, kdc)
	switch {
	case err != nil:
		return messages.Ticket{}, none, err
	case refusal != nil:
		refusal.Service = l.Service
		return messages.Ticket{}, none, refusal
	}
	var reply messages.TGSRep
	if err := reply.Unmarshal(answer); err != nil {
		return messages.Ticket{}, none, fmt.Errorf("%w: %s: TGS-REP: %w", ErrMalformed, kdc, err)
	}
	if err := reply.DecryptEncPart(tgt.key); err != nil || reply.DecryptedEncPart.Nonce != request.ReqBody.Nonce {
		return messages.Ticket{}, none, fmt.Errorf("%s: %w: its ticket for %s is not under the session's key, or answers another request", kdc, ErrUnproven, l.Service)
	}
	return reply.Ticket, reply.DecryptedEncPart.Key, nil
}
