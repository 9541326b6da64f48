package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// apache is a site of Apache's mod_auth_gssapi on loopback, which stands on MIT's
// library: whoever has a ticket for the keytab is told who they are in X-User. It
// keeps what it has accepted beside itself.
func apache(t *testing.T, keytab, realm string) (base string) {
	t.Helper()
	dir := serverDir(t)
	address := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	raw, err := os.ReadFile(keytab)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"keytab": string(raw), "index.html": "in", "krb5.conf": "[libdefaults]\n\tdefault_realm = " + realm + "\n\tdns_lookup_kdc = false\n\tallow_weak_crypto = true\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil { //nolint:gosec // Apache reads it as another user
			t.Fatal(err)
		}
	}
	conf := configure(t, dir, `
ServerName localhost
ServerRoot {{.Dir}}
DocumentRoot {{.Dir}}
PidFile {{.Dir}}/pid
ErrorLog {{.Dir}}/error.log
User www-data
Group www-data
Listen {{.Address}}
KeepAlive Off
LimitRequestFieldSize 131072
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authn_core_module /usr/lib/apache2/modules/mod_authn_core.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule authz_user_module /usr/lib/apache2/modules/mod_authz_user.so
LoadModule headers_module /usr/lib/apache2/modules/mod_headers.so
LoadModule auth_gssapi_module /usr/lib/apache2/modules/mod_auth_gssapi.so
<Location />
	AuthType GSSAPI
	AuthName test
	GssapiCredStore keytab:{{.Dir}}/keytab
	Require valid-user
	Header set X-User "expr=%{REMOTE_USER}"
</Location>
`, map[string]string{"Dir": dir, "Address": address})
	runServer(t, dir, address, "env", "KRB5_CONFIG="+filepath.Join(dir, "krb5.conf"), "KRB5RCACHENAME=file2:"+filepath.Join(dir, "replays"), "/usr/sbin/apache2", "-X", "-f", conf)
	return "http://" + address
}
