package diag

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"text/tabwriter"
	"text/template"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
	"github.com/caddy-ntlm/caddy-ntlm/internal/totp"
)

//go:embed demo/Caddyfile.tmpl
var demoTemplate string

//go:embed demo/page.html
var demoPage string

//go:embed demo/error.html
var demoErrorPage string

// demoCaddyfile writes the demo's configuration: the words of any site, over
// the directory in this process.
func demoCaddyfile(address *net.TCPAddr, directory *demodir.Server) ([]byte, error) {
	errorPage, err := fill(demoErrorPage, map[string]any{"Users": directory.Users()})
	if err != nil {
		return nil, err
	}
	return fill(demoTemplate, map[string]any{
		"LDAPS":     directory.LDAPS(),
		"BaseDN":    directory.BaseDN(),
		"CA":        base64.StdEncoding.EncodeToString(directory.CA().Raw),
		"Host":      address.IP.String(),
		"Port":      address.Port,
		"Page":      demoPage,
		"ErrorPage": string(errorPage),

		"FactorAttribute": demodir.DemoFactorAttribute,
	})
}

// fill fills in what stands in double square brackets; braces are Caddy's.
func fill(text string, values map[string]any) ([]byte, error) {
	t, err := template.New("demo").Delims("[[", "]]").Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, values)
	return b.Bytes(), err
}

// printDemo tells a newcomer what to type.
func printDemo(out io.Writer, address string, directory *demodir.Server) {
	users := directory.Users()
	first := users[0]
	fmt.Fprintf(out, `Windows Authentication demo: a site, and the domain EXAMPLE inside this process.

  http://%[1]s/         who you are, for members of Staff
  http://%[1]s/hr       for members of HR, nested groups too
  http://%[1]s/secret   for Administrators: most may not see it

Open the first in a browser (and a private window to come as somebody else), or type

  curl --ntlm  -u '%[2]s:%[3]s' http://%[1]s/
  curl --basic -u '%[2]s:%[3]s' http://%[1]s/

`, address, first.Name, first.Password)
	fmt.Fprintf(out, `A guesser waits, and the account stays open: the first of these is told 401, the others 429, and so is the right password
until the seconds of Retry-After are over

  for i in 1 2 3; do curl -so /dev/null -w '%%{http_code} %%header{retry-after}\n' --basic -u "%[2]s:wrong$i" http://%[1]s/; done

`, address, first.Name)
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintf(table, "  user\tpassword\twho it is, or what happens\n")
	for _, user := range users {
		fmt.Fprintf(table, "  %s\t%s\t%s\n", user.Name, user.Password, user.Description)
	}
	_ = table.Flush()
	printFactor(out, address)
	fmt.Fprintf(out, `
The directory itself is real LDAP at %s; its certificate is of this hour:

  LDAPTLS_REQCERT=never ldapsearch -x -H %[1]s -D 'EXAMPLE\%[2]s' -w '%[3]s' -b %[4]s '(sAMAccountName=carol)'

Passwords and NTLM alone: there is no Kerberos in the demo, whose directory has no KDC. A real Samba domain shows
single sign-on by ticket: make lab starts one, the same that make test runs on; docs/kerberos.md says how to set it up.

Each decision is a line below. Ctrl-C ends the demo.

`, directory.LDAPS(), first.Name, first.Password, directory.BaseDN())
}

// printFactor tells of the second factor that one of the users owes.
func printFactor(out io.Writer, address string) {
	factor, err := totp.Parse(demodir.DemoFactor)
	if err != nil {
		return // a constant, which tests read
	}
	code, err := factor.Code(time.Now())
	if err != nil {
		return
	}
	fmt.Fprintf(out, `
grace owes a second factor. An authenticator program takes this URI (as a QR code: qrencode -t ansiutf8 '…'), or without one
oathtool --totp --base32 with its secret; the code of this moment is %[2]s, good once and for a minute at most:

  %[1]s
  curl --basic -u 'grace:Secr3t-grace%[2]s' http://%[3]s/
`, demodir.DemoFactor, code, address)
}
