package diag

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// loopback checks the address of the demo before anything starts: the
// passwords of its users are known to everybody, so nobody else may reach it.
// Port 0 becomes a free one.
func loopback(listen string) (*net.TCPAddr, error) {
	wrong := func(why, hint string) error {
		return &advice{fmt.Errorf("--listen %s: %s", listen, why), hint}
	}
	const form = "write HOST:PORT, for example 127.0.0.1:8081"
	host, port, err := net.SplitHostPort(listen)
	switch number, portErr := strconv.Atoi(port); {
	case strings.Contains(listen, "://"):
		return nil, wrong("not an address of the form HOST:PORT", "write it without "+listen[:strings.Index(listen, "://")+3])
	case err != nil:
		return nil, wrong("not an address of the form HOST:PORT", form)
	case host == "":
		return nil, wrong("the host is missing", form)
	case portErr != nil || number < 0 || number > 65535:
		return nil, wrong(port+" is not a port (1 to 65535)", form)
	}
	address, err := net.ResolveTCPAddr("tcp", listen)
	if err != nil {
		return nil, wrong(err.Error(), form)
	}
	if !address.IP.IsLoopback() {
		return nil, wrong("the demo's passwords are public, so it stays on loopback",
			"take 127.0.0.1 or ::1; for a real site write a Caddyfile, as README.md shows")
	}
	probe, err := net.ListenTCP("tcp", address)
	if err != nil {
		return nil, wrong(err.Error(), "choose a free port, for example --listen 127.0.0.1:8081")
	}
	defer probe.Close()
	return probe.Addr().(*net.TCPAddr), nil
}

// secureOffset lies between the demo's port without TLS and the one with it: 8080 and
// 8443, as ever.
const secureOffset = 8443 - 8080

// secureBeside is an address with TLS beside the demo's own: the port above that is as far
// as 8443 from 8080, or any free one.
func secureBeside(address *net.TCPAddr) (*net.TCPAddr, error) {
	other := *address
	if other.Port += secureOffset; other.Port > 65535 {
		other.Port = 0
	}
	probe, err := net.ListenTCP("tcp", &other)
	if err != nil && other.Port != 0 {
		other.Port = 0
		probe, err = net.ListenTCP("tcp", &other)
	}
	if err != nil {
		return nil, fmt.Errorf("looking for a port with TLS beside %s: %w", address, err)
	}
	defer probe.Close()
	return probe.Addr().(*net.TCPAddr), nil
}

// freeBeside is an address with a free port beside the demo's own.
func freeBeside(address *net.TCPAddr) (*net.TCPAddr, error) {
	other := *address
	other.Port = 0
	probe, err := net.ListenTCP("tcp", &other)
	if err != nil {
		return nil, fmt.Errorf("looking for a free port beside %s: %w", address, err)
	}
	defer probe.Close()
	return probe.Addr().(*net.TCPAddr), nil
}
