package netlogon

import (
	"context"
	"crypto/hmac"
	"encoding/binary"
	"fmt"

	"github.com/caddy-ntlm/caddy-ntlm/internal/dcerpc"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ndr"
)

// levelServer asks for what the controller agreed to, [MS-NRPC] 3.5.4.4.11.
const levelServer = 1

// confirm asks over the sealed connection what was agreed on the unprotected one,
// [MS-NRPC] 3.4.5.2.11. A controller that does not have the call has no AES
// either, and we agreed to AES: somebody else agreed.
func (s *session) confirm(ctx context.Context, b *dcerpc.Binding, c *Config) error {
	seconds := uint32(c.Now().Unix())
	ours := s.step(seconds)
	var w ndr.Writer
	w.ZeroTerminated(c.server())
	w.Pointer(true)
	w.ZeroTerminated(c.Computer)
	w.Align(4)
	w.Bytes(ours[:])
	w.Uint32(seconds)
	w.Bytes(make([]byte, 12)) // an empty return authenticator
	w.Uint32(levelServer)
	r, err := getCapabilities.invoke(ctx, b, &w)
	if err != nil {
		return err
	}
	theirs := readEight(r)
	r.Uint32()
	level, flags := r.Uint32(), r.Uint32()
	if err := getCapabilities.verdict(r); err != nil {
		return fmt.Errorf("%w: %w", ErrDowngrade, err)
	}
	want := s.step(1)
	if !hmac.Equal(theirs[:], want[:]) {
		return fmt.Errorf("%s: %w", getCapabilities.name, ErrServerCredential)
	}
	if level != levelServer || flags != s.flags {
		return fmt.Errorf("%w: it says %#08x, and %#08x came", ErrDowngrade, flags, s.flags)
	}
	return nil
}

// step adds to the stored credential and gives the next authenticator's,
// [MS-NRPC] 3.1.4.5: the client adds the time, the server one.
func (s *session) step(add uint32) [8]byte {
	low := binary.LittleEndian.Uint32(s.chain[:])
	binary.LittleEndian.PutUint32(s.chain[:], low+add)
	return credential(s.key, s.chain)
}
