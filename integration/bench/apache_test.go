package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// apacheSite is one of mod_auth_gssapi, with Debian's defaults but for a kept
// connection's end after a hundred requests. Its processes keep what they have
// accepted in a file, as MIT's library does by default.
const apacheSite = `ServerName localhost
ServerRoot %[1]s
DocumentRoot %[1]s
PidFile %[1]s/pid
ErrorLog %[1]s/error.log
User www-data
Group www-data
Listen %[2]s
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 60
LimitRequestFieldSize 131072
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authn_core_module /usr/lib/apache2/modules/mod_authn_core.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule authz_user_module /usr/lib/apache2/modules/mod_authz_user.so
LoadModule auth_gssapi_module %[3]s
<Location />
	AuthType GSSAPI
	AuthName bench
	GssapiCredStore keytab:%[1]s/keytab
	Require valid-user
</Location>
`

// startApache runs it as Debian's service does, with children of its own.
func startApache(b *testing.B, keytab []byte) (address string, pid int) {
	b.Helper()
	dir, err := os.MkdirTemp("", "caddy-ntlm-apache-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	address = freeAddresses(b, 1)[0]
	for name, text := range map[string]string{
		"keytab": string(keytab), "index.html": "hello", "conf": fmt.Sprintf(apacheSite, dir, address, gssapiModule),
		"krb5.conf": "[libdefaults]\n\tdefault_realm = " + ticketRealm + "\n\tdns_lookup_kdc = false\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil { //nolint:gosec // Apache reads it as another user
			b.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o777); err != nil { //nolint:gosec // and writes there what it has accepted
		b.Fatal(err)
	}
	server := exec.Command("/usr/sbin/apache2", "-D", "FOREGROUND", "-f", filepath.Join(dir, "conf"))
	server.Env = append(os.Environ(), "KRB5_CONFIG="+filepath.Join(dir, "krb5.conf"), "KRB5RCACHEDIR="+dir)
	return address, startServer(b, server, address, func() { _ = server.Process.Signal(syscall.SIGTERM) })
}
