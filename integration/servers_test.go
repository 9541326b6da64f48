package integration

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/template"

	"github.com/caddy-ntlm/caddy-ntlm/integration/servers"
)

// Servers that are not ours and stand in front of the site. Each runs on
// loopback, in the foreground, out of a directory of its own.

// runServer runs a program in a directory of its own.
func runServer(t *testing.T, dir, address, program string, args ...string) {
	t.Helper()
	server := exec.Command(program, args...)
	server.Dir = dir
	servers.Run(t, server, address, nil)
}

// configure writes a server's configuration.
func configure(t *testing.T, dir, text string, values map[string]string) string {
	t.Helper()
	var filled bytes.Buffer
	if err := template.Must(template.New("").Parse(text)).Execute(&filled, values); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "conf")
	if err := os.WriteFile(file, filled.Bytes(), 0o644); err != nil { //nolint:gosec // Squid reads it as another user
		t.Fatal(err)
	}
	return file
}

// nginx is a reverse proxy before a site. All its clients share one connection
// to the site, which it keeps; more are words of its location.
func nginx(t *testing.T, site string, more ...string) (base string) {
	t.Helper()
	dir := servers.Dir(t)
	address := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	conf := configure(t, dir, `
daemon off;
master_process off;
pid {{.Dir}}/pid;
error_log {{.Dir}}/error.log;
events {}
http {
	access_log off;
	client_body_temp_path {{.Dir}}/body;
	proxy_temp_path {{.Dir}}/proxy;
	fastcgi_temp_path {{.Dir}}/fastcgi;
	uwsgi_temp_path {{.Dir}}/uwsgi;
	scgi_temp_path {{.Dir}}/scgi;
	upstream site {
		server {{.Site}};
		keepalive 1;
	}
	server {
		listen {{.Address}};
		location / {
			proxy_pass http://site;
			proxy_set_header Host {{.Site}};
			{{.More}}
		}
	}
}
`, map[string]string{"Dir": dir, "Site": strings.TrimPrefix(site, "http://"), "Address": address, "More": strings.Join(more, "\n")})
	runServer(t, dir, address, "/usr/sbin/nginx", "-p", dir, "-e", filepath.Join(dir, "error.log"), "-c", conf)
	return "http://" + address
}

// squid is a forward proxy. It pins a connection to the one client that begins
// NTLM on it, as it does by default.
func squid(t *testing.T) (base string) {
	t.Helper()
	dir := servers.Dir(t)
	address := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	conf := configure(t, dir, `
http_port {{.Address}}
visible_hostname squid.example.test
http_access allow all
cache deny all
memory_cache_shared off
pinger_enable off
netdb_filename none
pid_filename {{.Dir}}/pid
coredump_dir {{.Dir}}
cache_log {{.Dir}}/cache.log
access_log none
shutdown_lifetime 0 seconds
`, map[string]string{"Dir": dir, "Address": address})
	runServer(t, dir, address, "/usr/sbin/squid", "-N", "-f", conf)
	return "http://" + address
}
