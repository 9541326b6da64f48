package netlogon

import (
	"context"
	"fmt"

	"github.com/caddy-ntlm/caddy-ntlm/internal/dcerpc"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ndr"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
)

// Interface is Netlogon's, [MS-NRPC] 2.1.
var Interface = dcerpc.NewSyntax("12345678-1234-abcd-ef00-01234567cffb", 1, 0)

// method is a call of [MS-NRPC] 3.5.4.
type method struct {
	opnum uint16
	name  string
}

var (
	reqChallenge    = method{4, "NetrServerReqChallenge"}
	getCapabilities = method{21, "NetrLogonGetCapabilities"}
	authenticate3   = method{26, "NetrServerAuthenticate3"}
	samLogonEx      = method{39, "NetrLogonSamLogonEx"}
)

// invoke calls a method and gives a reader of its answer.
func (m method) invoke(ctx context.Context, b *dcerpc.Binding, w *ndr.Writer) (*ndr.Reader, error) {
	answer, err := b.Call(ctx, m.opnum, w.Data())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.name, err)
	}
	return ndr.NewReader(answer), nil
}

// verdict reads the status at the end of an answer. What was read before it counts
// only where that is nil.
func (m method) verdict(r *ndr.Reader) error {
	status := ntstatus.Status(r.Uint32())
	switch {
	case r.Err() != nil:
		return fmt.Errorf("%w: %s: %w", ErrMalformed, m.name, r.Err())
	case status != 0:
		return &StatusError{Call: m.name, Status: status, Authoritative: true}
	}
	return nil
}
