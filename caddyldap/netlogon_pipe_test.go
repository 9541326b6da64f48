package caddyldap

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// TestPipeIsTheLastWay: the named pipe is tried where the endpoint mapper cannot be
// reached, and not where it answers otherwise than it should or the caller has left.
// That it works integration shows.
func TestPipeIsTheLastWay(t *testing.T) {
	d, _ := memberServer(t, new(bench))
	m := d.verifiers[0].(*Netlogon).machine
	gone, leave := context.WithCancel(t.Context())
	leave()
	for name, c := range map[string]struct {
		ctx     context.Context
		answers bool // the endpoint mapper, and hangs up
		dialled string
		kind    identity.Kind
	}{
		"the mapper refuses":  {t.Context(), false, "dc1:135 dc1:445", identity.KindUnavailable},
		"the mapper hangs up": {t.Context(), true, "dc1:135", identity.KindUnavailable},
		"nobody waits":        {gone, false, "dc1:135", identity.KindUnavailable},
	} {
		var dialled []string
		connect := m.connector(d, "dc1", "EXAMPLE", func(_ context.Context, _, address string) (net.Conn, error) {
			dialled = append(dialled, address)
			if address != "dc1:135" || !c.answers {
				return nil, &net.OpError{Op: "dial", Err: errors.New("refused")}
			}
			near, far := net.Pipe()
			return near, far.Close()
		})
		for range 2 { // without a pipe the mapper is tried anew
			dialled = nil
			ctx, cancel := context.WithTimeout(c.ctx, 5*time.Second)
			stream, err := connect(ctx)
			cancel()
			e := explainNetlogon("dc1:135", "WEB01$", channelless(err))
			if stream != nil || strings.Join(dialled, " ") != c.dialled || e.Kind != c.kind {
				t.Errorf("%s: got %v after %v, kind %v, want %s, %v", name, err, dialled, e.Kind, c.dialled, c.kind)
			}
		}
	}
}
