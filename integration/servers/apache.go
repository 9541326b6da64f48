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
	%[4]s
	Require valid-user
</Location>
`

// ofNTLM are the words of a site whose log-ins are NTLM alone, and belong to their
// connection.
const ofNTLM = "GssapiAllowedMech ntlmssp\n\tGssapiConnectionBound On"

// Apache is a site of mod_auth_gssapi, which stands on MIT's library, at an address: it
// serves /index.html to whoever has a ticket for the keytab, with children of its own
// as Debian's service. It keeps what it has accepted in a file, as MIT's library does by
// default. lines are more of its configuration.
func Apache(t testing.TB, address, realm string, keytab []byte, lines string) (pid int) {
	t.Helper()
	dir := Dir(t)
	writeSite(t, dir, address, lines, "GssapiCredStore keytab:"+dir+"/keytab")
	write(t, filepath.Join(dir, "keytab"), string(keytab))
	write(t, filepath.Join(dir, "krb5.conf"), "[libdefaults]\n\tdefault_realm = "+realm+"\n\tdns_lookup_kdc = false\n\tallow_weak_crypto = true\n")
	server := apache(dir)
	server.Env = append(os.Environ(), "KRB5_CONFIG="+filepath.Join(dir, "krb5.conf"), "KRB5RCACHEDIR="+dir)
	return Run(t, server, address, nil)
}

// ApacheNTLM is such a site for NTLM, which gss-ntlmssp accepts: it has the winbind of
// the same machine ask a controller.
func ApacheNTLM(t testing.TB, address string, w *Winbind) (pid int) {
	t.Helper()
	dir := Dir(t)
	writeSite(t, dir, address, "", ofNTLM)
	return Run(t, w.beside(apache(dir)), address, nil)
}

func apache(dir string) *exec.Cmd {
	return exec.Command("/usr/sbin/apache2", "-D", "FOREGROUND", "-f", filepath.Join(dir, "conf"))
}

func writeSite(t testing.TB, dir, address, lines, words string) {
	t.Helper()
	write(t, filepath.Join(dir, "index.html"), "hello")
	write(t, filepath.Join(dir, "conf"), fmt.Sprintf(apacheSite, dir, address, lines, words))
}

// write makes a file that a server can read which gave up root.
func write(t testing.TB, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil { //nolint:gosec // of a test
		t.Fatal(err)
	}
}
