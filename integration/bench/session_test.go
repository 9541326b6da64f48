package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/caddy-ntlm/caddy-ntlm/integration/daemon"
	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
)

// sessionCaddyfile is a page over TLS, to everybody and to those who have a session.
const sessionCaddyfile = globalOptions + `	ldap EXAMPLE {
		server %[1]s
		tls {
			trust_pool file %[2]s
		}
		service_account EXAMPLE\svc-web Secr3t-svc-web
	}
}
https://%[3]s {
	bind 127.0.0.1
	tls %[5]s %[6]s
	respond "hello"
}
https://%[4]s {
	bind 127.0.0.1
	tls %[5]s %[6]s
	windows_auth EXAMPLE {
		session
		require group BUILTIN\Users
	}
	respond "hello"
}
`

// BenchmarkSession asks for the page on a kept connection of TLS, by turns without and with
// the plugin, which knows the user by the cookie alone.
func BenchmarkSession(b *testing.B) {
	directory, err := demodir.Start(demodir.Demo())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = directory.Close() })
	dir := b.TempDir()
	ca := filepath.Join(dir, "directory.pem")
	if err := os.WriteFile(ca, directory.CAPEM(), 0o600); err != nil {
		b.Fatal(err)
	}
	if err := daemon.WriteCertificates(dir); err != nil {
		b.Fatal(err)
	}
	free := freeAddresses(b, 2)
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt(fmt.Appendf(nil, sessionCaddyfile, directory.LDAPS(), ca, free[0], free[1], filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")), nil)
	if err != nil {
		b.Fatal(err)
	}
	if err := caddy.Load(config, true); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = caddy.Stop() })
	plain, opens := dialTLS(b, free[0]), dialTLS(b, free[1])
	response, err := opens.ask(authorization)
	if err != nil || response.StatusCode != 200 || len(response.Cookies()) != 1 {
		b.Fatalf("got %v, %v, want a cookie", response, err)
	}
	_ = opens.nc.Close()
	door := dialTLS(b, free[1])
	door.request = []byte(strings.Replace(string(door.request), "Cookie: a=b;", "Cookie: a=b; "+response.Cookies()[0].Name+"="+response.Cookies()[0].Value+";", 1))
	clients := [...]*client{plain, door}
	for _, c := range clients {
		c.many(b, 1000)
	}
	const batch = 100
	var used [len(clients)]time.Duration
	for b.Loop() {
		for i, c := range clients {
			before := cpu()
			c.many(b, batch)
			used[i] += cpu() - before
		}
	}
	for i, name := range [...]string{"plain", "door"} {
		b.ReportMetric(float64(used[i])/float64(b.N*batch), name+"-cpu-ns")
		_ = clients[i].nc.Close()
	}
}

func dialTLS(b *testing.B, address string) *client {
	b.Helper()
	nc, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, ServerName: "127.0.0.1"}) //nolint:gosec // its certificate was made a moment ago
	if err != nil {
		b.Fatal(err)
	}
	return &client{nc: nc, read: bufio.NewReader(nc), request: []byte("GET / HTTP/1.1\r\nHost: " + address + "\r\n" + browser + "\r\n")}
}
