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
