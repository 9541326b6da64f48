package netlogon

import (
	"encoding/binary"
	"fmt"
	"io"
)

// authnNetlogon is the provider's number, [MS-RPCE] 2.2.1.1.7.
const authnNetlogon = 68

// The NL_AUTH_MESSAGE, [MS-NRPC] 2.2.1.3.1.
const (
	tokenRequest  = 0
	tokenResponse = 1
	tokenDomain   = 0x1 // NetBIOS name, OEM characters
	tokenComputer = 0x2 // likewise
)

// provider is the security provider of a sealed connection.
type provider struct {
	*sealer
	domain, computer string // NetBIOS names
}

// Type is in the trailer of each call.
func (*provider) Type() uint8 { return authnNetlogon }

// Token names the machine, so that the controller finds the session key,
// [MS-NRPC] 3.3.4.1.1.
func (p *provider) Token() ([]byte, error) {
	token := binary.LittleEndian.AppendUint32(nil, tokenRequest)
	token = binary.LittleEndian.AppendUint32(token, tokenDomain|tokenComputer)
	token = append(append(token, p.domain...), 0)
	return append(append(token, p.computer...), 0), nil
}

// Accept takes the answer, which says nothing but that it is one.
func (*provider) Accept(token []byte) error {
	if len(token) < 8 || binary.LittleEndian.Uint32(token) != tokenResponse {
		return fmt.Errorf("%w but %d bytes", ErrToken, len(token))
	}
	return nil
}

// Format hides the keys.
func (p *provider) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "netlogon.provider of "+p.computer)
}
