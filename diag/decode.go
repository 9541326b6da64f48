package diag

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
	"github.com/caddy-ntlm/caddy-ntlm/internal/krb"
)

// tokenDecode is what decode is asked.
type tokenDecode struct{ keytab string }

func decodeCommand() *cobra.Command {
	d := new(tokenDecode)
	cmd := checking(&cobra.Command{
		Use:   "decode [TOKEN]",
		Short: "Say what a token of Negotiate or NTLM is",
		Long: "Takes a token out of an Authorization or WWW-Authenticate header, as base64, with or\n" +
			"without the scheme before it, and says what it is: NTLM messages with their flags and\n" +
			"names, SPNEGO with its mechanisms, Kerberos requests with service, realm, enctype and\n" +
			"key version. With --keytab it opens the ticket and says what the KDC wrote into it.\n" +
			"It asks nobody, and shows no key, no password and no response. Nothing that it says\n" +
			"is proven. Without TOKEN it reads standard input, which no shell writes down.\n\n" +
			"Exit code 0: it could be read. 1: no key of the keytab opens it, or what is in it is\n" +
			"not to be believed. 2: it is no such token.",
		Args: cobra.ArbitraryArgs,
	}, func(cmd *cobra.Command, args []string) error {
		return d.run(args, cmd.InOrStdin(), cmd.OutOrStdout())
	})
	cmd.Flags().StringVar(&d.keytab, "keytab", "", "keytab file whose keys may open the ticket")
	return cmd
}

// maxHeader is longer than any header that a token comes in.
const maxHeader = 256 << 10

func (d *tokenDecode) run(args []string, in io.Reader, out io.Writer) error {
	text := strings.Join(args, " ")
	if len(args) == 0 || text == "-" {
		raw, err := io.ReadAll(io.LimitReader(in, maxHeader+1))
		if err != nil {
			return fmt.Errorf("standard input: %w", err)
		}
		text = string(raw)
	}
	var table *krb.Keytab
	if d.keytab != "" {
		var err error
		if table, err = krb.ReadKeytab(d.keytab); err != nil {
			trouble := caddyldap.KeytabTrouble(d.keytab, err)
			return &advice{trouble.Err, trouble.Hint}
		}
	}
	return (&decoder{out: out, keytab: table, path: d.keytab}).header(text)
}

// errNoToken is text that holds no token.
var errNoToken = &advice{errors.New("no token: nothing was given"), "give the base64 text behind Negotiate or NTLM, of a browser's network panel or of curl -v"}

// tokenOf reads a token out of a header: the field's name and the scheme may stand
// before it, and it may be broken into lines. scheme is empty where none stands.
func tokenOf(text string) (scheme string, token []byte, err error) {
	if len(text) > maxHeader {
		return "", nil, &advice{fmt.Errorf("over %d bytes: no header is that long", maxHeader), "give one header's token"}
	}
	words := strings.Fields(strings.Trim(strings.TrimSpace(text), `"'`))
	for len(words) > 0 && (strings.HasSuffix(words[0], ":") || words[0] == "<" || words[0] == ">") {
		words = words[1:] // curl -v marks lines by < and >
	}
	if len(words) > 0 {
		for _, known := range []string{"Negotiate", "NTLM", "Kerberos", "Basic"} {
			if strings.EqualFold(words[0], known) {
				scheme, words = known, words[1:]
				break
			}
		}
	}
	if len(words) > 0 && strings.EqualFold(words[0], "Bearer") {
		return "", nil, &advice{errors.New("a token of Bearer is one of the keys of sessions, in which nothing stands"), "who holds it can use it: GET /windows_auth/sessions on the admin endpoint lists the keys that are open, and DELETE ends them"}
	}
	encoded := strings.TrimRight(strings.Join(words, ""), "=")
	if encoded == "" {
		if scheme != "" {
			return scheme, nil, &advice{fmt.Errorf("%s alone, without a token: a server's first challenge", scheme), errNoToken.hint}
		}
		return "", nil, errNoToken
	}
	token, err = base64.RawStdEncoding.DecodeString(encoded)
	if err != nil {
		return scheme, nil, &advice{fmt.Errorf("not base64: %w", err), "is it whole, and the token alone? Logs and terminals cut long lines"}
	}
	return scheme, token, nil
}

// decoder writes down what a token is.
type decoder struct {
	out    io.Writer
	keytab *krb.Keytab // may be nil
	path   string      // of keytab
	depth  int
}

// title begins a part, and what follows it stands deeper until its end is called.
func (d *decoder) title(format string, args ...any) (end func()) {
	say(d.out, strings.Repeat("  ", d.depth)+format+"\n", args...)
	d.depth++
	return func() { d.depth-- }
}

// line writes a property.
func (d *decoder) line(about, format string, args ...any) {
	say(d.out, strings.Repeat("  ", d.depth)+fmt.Sprintf("%-10s ", about)+format+"\n", args...)
}

// some writes a property that may be absent.
func (d *decoder) some(about, text string) {
	if text != "" {
		d.line(about, "%s", text)
	}
}

// header decodes a header, or what stands behind its scheme.
func (d *decoder) header(text string) error {
	scheme, token, err := tokenOf(text)
	if err != nil {
		return err
	}
	if scheme == "Basic" {
		return d.basic(token)
	}
	return d.token(token)
}

// basic tells of a name. What stands without a colon may be a password, RFC 7617 2.
func (d *decoder) basic(pair []byte) error {
	name, _, found := strings.Cut(string(pair), ":")
	if !found {
		return &advice{errors.New("no colon between name and password of Basic"), "the client is broken"}
	}
	defer d.title("Basic")()
	d.line("name", "%s", name)
	d.line("password", "there is one behind the name, not shown: change it where this header was passed on")
	return nil
}
