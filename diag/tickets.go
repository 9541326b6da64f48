package diag

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caddy-ntlm/caddy-ntlm/internal/krb"
)

// tickets is where a command gets Kerberos tickets from: the environment's cache,
// or a KDC by somebody's password.
type tickets struct {
	kerberos bool
	spn      string
	kdcs     []string
	conf     string
}

func (t *tickets) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&t.kerberos, "kerberos", false, "log in by a ticket: of the cache in KRB5CCNAME, or with --user by a password at the KDC")
	flags.StringVar(&t.spn, "spn", "", "service that the ticket is for, where it is not HTTP/ and the URL's host")
	flags.StringSliceVar(&t.kdcs, "kdc", nil, "KDC of the realm, HOST or HOST:PORT, instead of krb5.conf's")
	flags.StringVar(&t.conf, "krb5-conf", "", "krb5.conf to use instead of KRB5_CONFIG or /etc/krb5.conf")
}

// credential is what gets tickets. Without a user it is the environment's cache.
func (t *tickets) credential(user, domain string, p *password, in io.Reader, prompt io.Writer) (*krb.Credential, error) {
	c := &krb.Credential{KDCs: t.kdcs}
	var err error
	if c.Conf, err = t.readConf(); err != nil {
		return nil, err
	}
	if user == "" {
		c.CCache, err = readCache(os.Getenv("KRB5CCNAME"))
		return c, err
	}
	if c.Principal, c.Realm, err = principal(user, domain, c.Conf != ""); err != nil {
		return nil, err
	}
	secret, err := p.read(in, prompt)
	c.Password = secret.Reveal()
	return c, err
}

// principal reads a name and its realm. Without a realm it is krb5.conf's.
func principal(user, domain string, configured bool) (name, realm string, err error) {
	name, realm, found := strings.Cut(user, "@")
	if !found {
		realm = domain
	}
	switch {
	case strings.Contains(user, `\`), realm != "" && !strings.Contains(realm, "."):
		return "", "", &advice{fmt.Errorf("%s has no realm in it", user), "Kerberos knows users by the domain's DNS name: --user alice@EXAMPLE.COM"}
	case realm == "" && !configured:
		return "", "", &advice{fmt.Errorf("of which realm is %s?", user), "write --user alice@EXAMPLE.COM, or name a krb5.conf with a default_realm by --krb5-conf"}
	case realm == "":
		return name, "", nil
	}
	realm = strings.ToUpper(realm) // as those of Active Directory are
	return name + "@" + realm, realm, nil
}

// readConf reads a krb5.conf, as MIT's programs find it; empty where there is none,
// or where --kdc takes its place.
func (t *tickets) readConf() (string, error) {
	path := t.conf
	switch {
	case path != "" && len(t.kdcs) > 0:
		return "", &advice{errors.New("--kdc and --krb5-conf contradict each other"), "give one of them"}
	case len(t.kdcs) > 0:
		return "", nil
	case path == "":
		path, _, _ = strings.Cut(os.Getenv("KRB5_CONFIG"), string(filepath.ListSeparator))
	}
	usual := path == ""
	if usual {
		path = "/etc/krb5.conf"
	}
	text, err := krb.ReadConf(path)
	switch {
	case usual && errors.Is(err, os.ErrNotExist):
		return "", nil // DNS names the KDCs
	case err != nil:
		return "", &advice{fmt.Errorf("%s: %w", path, err), "--krb5-conf names another file, --kdc a KDC"}
	}
	return text, nil
}

// readCache reads a ticket cache as KRB5CCNAME names it. Those that are not in a
// file are another program's to read.
func readCache(name string) ([]byte, error) {
	kind, path, typed := strings.Cut(name, ":")
	switch {
	case name == "" && os.Getuid() >= 0:
		path = "/tmp/krb5cc_" + strconv.Itoa(os.Getuid()) // MIT's, whatever TMPDIR says
	case name == "":
		return nil, &advice{errors.New("there is no ticket cache in a file on this system"), "--user alice@EXAMPLE.COM gets tickets by a password; in a browser, klist shows those of the log-in"}
	case !typed || len(kind) == 1: // a drive
		path = name
	case !strings.EqualFold(kind, "FILE"):
		return nil, &advice{fmt.Errorf("KRB5CCNAME is %s, and this reads caches in files alone", name), "kinit -c FILE:/tmp/tickets alice@EXAMPLE.COM, and KRB5CCNAME=FILE:/tmp/tickets here; --user alice@EXAMPLE.COM gets tickets by a password"}
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, &advice{fmt.Errorf("no tickets: %w", err), howToGet}
	}
	return raw, nil
}
