package servers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// apacheSite has Debian's defaults but for a kept connection's end after a hundred
// requests.
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
LoadModule auth_gssapi_module /usr/lib/apache2/modules/mod_auth_gssapi.so
%[3]s
<Location />
	AuthType GSSAPI
	AuthName test
	GssapiCredStore keytab:%[1]s/keytab
	Require valid-user
</Location>
`

// Apache is a site of mod_auth_gssapi, which stands on MIT's library, at an address: it
// serves /index.html to whoever has a ticket for the keytab, with children of its own
// as Debian's service. It keeps what it has accepted in a file, as MIT's library does by
// default. lines are more of its configuration.
func Apache(t testing.TB, address, realm string, keytab []byte, lines string) (pid int) {
	t.Helper()
	dir := Dir(t)
	for name, text := range map[string]string{
		"keytab": string(keytab), "index.html": "hello", "conf": fmt.Sprintf(apacheSite, dir, address, lines),
		"krb5.conf": "[libdefaults]\n\tdefault_realm = " + realm + "\n\tdns_lookup_kdc = false\n\tallow_weak_crypto = true\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil { //nolint:gosec // Apache reads it as another user
			t.Fatal(err)
		}
	}
	server := exec.Command("/usr/sbin/apache2", "-D", "FOREGROUND", "-f", filepath.Join(dir, "conf"))
	server.Env = append(os.Environ(), "KRB5_CONFIG="+filepath.Join(dir, "krb5.conf"), "KRB5RCACHEDIR="+dir)
	return Run(t, server, address, nil)
}
