package integration

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/integration/slapd"
)

// What the plugin holds of a server, by those who cannot be mistaken: the kernel's
// table of connections, and slapd's own count.

// socketsTo counts the open connections of this machine to a server's IPv4 address,
// host:port: established ones (01), and those that the server alone has ended (08),
// as proc(5) has them. Only the tests' own processes connect there.
func socketsTo(t *testing.T, address string) int {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	remote := fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(net.ParseIP(host).To4()), number)
	table, err := os.ReadFile("/proc/self/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	open := 0
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		if len(fields) > 3 && fields[2] == remote && (fields[3] == "01" || fields[3] == "08") {
			open++
		}
	}
	return open
}

// awaitSockets waits until that many connections to a server are open.
func awaitSockets(t *testing.T, address string, want int, limit time.Duration) {
	t.Helper()
	got := socketsTo(t, address)
	for began := time.Now(); got != want; got = socketsTo(t, address) {
		if time.Since(began) > limit {
			t.Fatalf("after %v: got %d connections to %s, want %d", limit, got, address, want)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// binds is how many binds a server has answered.
func binds(t *testing.T, server *slapd.Server) int {
	t.Helper()
	n, err := server.Binds()
	if err != nil {
		t.Fatal(err)
	}
	return n
}
