package integration

import (
	"net"
	"strings"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// inOrder is for every site in this process but those with words of their own for
// servers. Packets tell the race detector nothing of what happened before what, as
// TCP's reads and writes do, so it takes the end of a server's start and an HTTP/3
// handshake after it for a race in Caddy's own events, once in some hundred runs.
// With each packet these sites read what load has written after the start.
func inOrder(c *siteConfig) {
	if !strings.Contains(c.Global, "servers {") {
		c.Global += "\tservers {\n\t\tpacket_conn_wrappers {\n\t\t\tafter_start\n\t\t}\n\t}\n"
	}
}

// starts counts the servers that load has started.
var starts atomic.Int64

func init() { caddy.RegisterModule(afterStart{}) }

type afterStart struct{}

func (afterStart) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.packetconns.after_start", New: func() caddy.Module { return new(afterStart) }}
}

func (afterStart) UnmarshalCaddyfile(*caddyfile.Dispenser) error { return nil }

func (afterStart) WrapPacketConn(conn net.PacketConn) net.PacketConn { return packets{conn} }

type packets struct{ net.PacketConn }

func (p packets) ReadFrom(b []byte) (n int, from net.Addr, err error) {
	n, from, err = p.PacketConn.ReadFrom(b)
	starts.Load()
	return n, from, err
}

var (
	_ caddy.PacketConnWrapper = afterStart{}
	_ caddyfile.Unmarshaler   = afterStart{}
)
