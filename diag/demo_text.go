package diag

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
	"github.com/caddy-ntlm/caddy-ntlm/internal/totp"
)

// demoText is what the terminal tells of a demo.
type demoText struct {
	Plain, Secure string // the addresses of the site, as HOST:PORT
	Admin         string // that of Caddy's admin endpoint
	LDAPS, BaseDN string
	Users         []demodir.User
}

func newDemoText(plain, secure, admin *net.TCPAddr, directory *demodir.Server) demoText {
	return demoText{
		Plain: plain.String(), Secure: secure.String(), Admin: admin.String(),
		LDAPS: directory.LDAPS(), BaseDN: directory.BaseDN(), Users: directory.Users(),
	}
}

// printDemo tells a newcomer what to type: one address for a browser first, lines for a
// shell behind it.
func printDemo(out io.Writer, d demoText) {
	first := d.Users[0]
	fmt.Fprintf(out, `Windows Authentication demo: a site, and the domain EXAMPLE inside this process.

Open  https://%[1]s/  and log in as %[2]s with %[3]s.

Its certificate was made for this run, so that the browser warns first. You see who you are, and can log out; as others, too:

`, d.Secure, first.Name, first.Password)
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintf(table, "  user\tpassword\twho it is, or what happens\n")
	for _, user := range d.Users {
		fmt.Fprintf(table, "  %s\t%s\t%s\n", user.Name, user.Password, user.Description)
	}
	_ = table.Flush()
	printShell(out, d, first)
	printFactor(out, d)
	fmt.Fprintf(out, `
The directory itself is real LDAP at %[1]s:

  LDAPTLS_REQCERT=never ldapsearch -x -H %[1]s -D 'EXAMPLE\%[2]s' -w '%[3]s' -b %[4]s '(sAMAccountName=carol)'

Passwords and NTLM alone: there is no Kerberos in the demo, whose directory has no KDC. A real Samba domain shows
single sign-on by ticket: make lab starts one, the same that make test runs on; docs/kerberos.md says how to set it up.

Each decision is a line below. Ctrl-C ends the demo.

`, d.LDAPS, first.Name, first.Password, d.BaseDN)
}

// printShell has the lines that can be copied into a shell as they are.
func printShell(out io.Writer, d demoText, first demodir.User) {
	fmt.Fprintf(out, `
Without a page, where browsers ask by a prompt of their own:

  http://%[1]s/         who you are, for members of Staff
  http://%[1]s/hr       for members of HR, nested groups too
  http://%[1]s/secret   for Administrators: most may not see it

  curl --ntlm  -u '%[3]s:%[4]s' http://%[1]s/
  curl --basic -u '%[3]s:%[4]s' http://%[1]s/

A program logs in by JSON and gets a key, which is good until it is given back, for 8 hours at most (ttl), and until 30 minutes
go by without a request (idle):

  key=$(curl -sk https://%[2]s/.auth/login -H 'Content-Type: application/json' -d '{"name":"%[3]s","password":"%[4]s"}' | sed 's/.*"key":"\([^"]*\)".*/\1/')
  curl -k -H "Authorization: Bearer $key" https://%[2]s/.auth/whoami
  curl -k -H "Authorization: Bearer $key" -X POST https://%[2]s/.auth/logout

A guesser waits, and the account stays open: the first of these is told 401, the others 429, and so is the right password
until the seconds of Retry-After are over (the page says it in words):

  for i in 1 2 3; do curl -so /dev/null -w '%%{http_code} %%header{retry-after}\n' --basic -u "%[3]s:wrong$i" http://%[1]s/; done

An administrator ends that wait at once (204), and sees who has a session, both by Caddy's admin endpoint:

  curl -so /dev/null -w '%%{http_code}\n' -X DELETE 'http://%[5]s/windows_auth/throttle?user=%[3]s'
  curl -s http://%[5]s/windows_auth/sessions
`, d.Plain, d.Secure, first.Name, first.Password, d.Admin)
}

// printFactor tells of the second factor that one of the users owes.
func printFactor(out io.Writer, d demoText) {
	code, err := demoCode(time.Now())
	if err != nil {
		return // a constant, which tests read
	}
	fmt.Fprintf(out, `
grace owes a second factor: the page has a field for it, which the others leave empty. The code of this moment is %[2]s, good once and
for a minute at most. The second line tells later ones; so does an authenticator program, which takes the URI (as a QR code: qrencode
-t ansiutf8 '…'):

  curl -k --basic -u 'grace:Secr3t-grace%[2]s' https://%[3]s/
  %[4]s windows-auth demo --code
  %[1]s
`, demodir.DemoFactor, code, d.Secure, program(os.Args[0]))
}

// program is how this program is called again: where go run has built it, by go run.
func program(name string) string {
	if strings.Contains(name, "go-build") {
		return "go run ./cmd/caddy"
	}
	return name
}

// printCode prints the code of the second factor of this moment.
func printCode(out io.Writer) error {
	code, err := demoCode(time.Now())
	if err == nil {
		fmt.Fprintln(out, code)
	}
	return err
}

func demoCode(now time.Time) (string, error) {
	factor, err := totp.Parse(demodir.DemoFactor)
	if err != nil {
		return "", err
	}
	return factor.Code(now)
}
