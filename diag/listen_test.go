package diag

import (
	"net"
	"testing"
)

// The port with TLS lies as far from the plain one as 8443 from 8080, or is any free one.
func TestSecureBeside(t *testing.T) {
	taken, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	port := taken.Addr().(*net.TCPAddr).Port
	for name, plain := range map[string]int{"taken": port - secureOffset, "beyond the last": 65535, "the last": 65535 - secureOffset + 1} {
		got, err := secureBeside(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: plain})
		if err != nil || got.Port == 0 || got.Port == port || got.Port == plain || !got.IP.IsLoopback() {
			t.Errorf("%s: got %v, %v, want a free port on loopback", name, got, err)
		}
	}
	_ = taken.Close()
	got, err := secureBeside(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port - secureOffset})
	if err != nil || got.Port != port {
		t.Errorf("got %v, %v, want port %d", got, err, port)
	}
}
