package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/integration/servers"
)

// mitRealm is a realm of MIT's KDC on loopback.
type mitRealm struct {
	dir, keytab string
	env         []string // finds it
}

const mitKDCConf = `[kdcdefaults]
	kdc_listen = %[2]s
	kdc_tcp_listen = %[2]s
[realms]
	EXAMPLE.ORG = {
		database_name = %[1]s/principal
		key_stash_file = %[1]s/stash
		acl_file = %[1]s/acl
		max_life = 1h
		supported_enctypes = aes256-cts-hmac-sha1-96:normal aes128-cts-hmac-sha1-96:normal aes256-cts-hmac-sha384-192:normal aes128-cts-hmac-sha256-128:normal
	}
[logging]
	kdc = FILE:%[1]s/kdc.log
`

const mitConf = `[libdefaults]
	default_realm = EXAMPLE.ORG
	dns_lookup_kdc = false
	rdns = false
	dns_canonicalize_hostname = false
[realms]
	EXAMPLE.ORG = {
		kdc = %s
	}
`

// startMIT runs a KDC until the test ends. Each person's password is Secr3t- and
// the name.
func startMIT(t *testing.T, people ...string) *mitRealm {
	t.Helper()
	dir := servers.Dir(t)
	address := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	for name, text := range map[string]string{"kdc.conf": fmt.Sprintf(mitKDCConf, dir, address), "krb5.conf": fmt.Sprintf(mitConf, address)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := &mitRealm{dir: dir, keytab: filepath.Join(dir, "http.keytab")}
	r.env = append(os.Environ(), "KRB5_CONFIG="+filepath.Join(dir, "krb5.conf"), "KRB5_KDC_PROFILE="+filepath.Join(dir, "kdc.conf"))
	r.run(t, "kdb5_util", "create", "-s", "-r", "EXAMPLE.ORG", "-P", "master")
	for _, who := range people {
		r.admin(t, fmt.Sprintf("addprinc -pw Secr3t-%[1]s %[1]s", who))
	}
	r.admin(t, "addprinc -randkey HTTP/localhost")
	r.admin(t, "ktadd -k "+r.keytab+" HTTP/localhost")
	runServer(t, dir, address, "env", "KRB5_CONFIG="+filepath.Join(dir, "krb5.conf"), "KRB5_KDC_PROFILE="+filepath.Join(dir, "kdc.conf"), "krb5kdc", "-n", "-P", filepath.Join(dir, "pid"))
	return r
}

func (r *mitRealm) run(t *testing.T, program string, args ...string) {
	t.Helper()
	c := exec.Command(program, args...)
	c.Env = r.env
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v; integration/deps installs it\n%s", program, args, err, out)
	}
}

func (r *mitRealm) admin(t *testing.T, query string) {
	t.Helper()
	r.run(t, "kadmin.local", "-r", "EXAMPLE.ORG", "-q", query)
}

// tickets has kinit get somebody's, of one enctype or of any.
func (r *mitRealm) tickets(t *testing.T, who, enctype string) []string {
	t.Helper()
	dir := t.TempDir()
	env := append(r.env[:len(r.env):len(r.env)], "KRB5CCNAME=FILE:"+filepath.Join(dir, "cache"))
	if enctype != "" {
		text, err := os.ReadFile(filepath.Join(r.dir, "krb5.conf"))
		if err != nil {
			t.Fatal(err)
		}
		conf := filepath.Join(dir, "krb5.conf")
		narrow := strings.Replace(string(text), "[libdefaults]", "[libdefaults]\n\tpermitted_enctypes = "+enctype, 1)
		if err := os.WriteFile(conf, []byte(narrow), 0o600); err != nil {
			t.Fatal(err)
		}
		env = append(env, "KRB5_CONFIG="+conf)
	}
	kinit := exec.Command("kinit", who)
	kinit.Env, kinit.Stdin = env, strings.NewReader("Secr3t-"+who+"\n")
	if out, err := kinit.CombinedOutput(); err != nil {
		t.Fatalf("kinit %s: %v\n%s", who, err, out)
	}
	return env
}
