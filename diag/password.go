package diag

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// password is where a command gets a password from: the command line, where
// everybody on the machine can read it, a file, a prompt, or standard input.
type password struct {
	given string
	file  string
}

// addFlags lets a command take a password.
func (p *password) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&p.given, "password", "p", "", "the password, for everybody on this machine to see")
	cmd.Flags().StringVar(&p.file, "password-file", "", "file that holds the password")
}

// read gives a password that is neither empty nor blank: none such is ever sent.
func (p *password) read(in io.Reader, prompt io.Writer) (identity.Secret, error) {
	secret, err := p.take(in, prompt)
	if err == nil && secret.Blank() {
		err = &advice{errors.New("no password: what was given is empty or blank"), "give --password-file with the password in it, or write it to standard input"}
	}
	return secret, err
}

func (p *password) take(in io.Reader, prompt io.Writer) (identity.Secret, error) {
	switch {
	case p.given != "" && p.file != "":
		return identity.Secret{}, &advice{errors.New("--password and --password-file contradict each other"), "give one of them"}
	case p.given != "":
		return identity.NewSecret(p.given), nil
	case p.file != "":
		raw, err := os.ReadFile(p.file)
		if err != nil {
			return identity.Secret{}, &advice{err, "--password-file names a file that holds the password alone"}
		}
		return identity.NewSecret(strings.TrimRight(string(raw), "\r\n")), nil
	}
	if file, ok := in.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		fmt.Fprint(prompt, "Password: ")
		raw, err := term.ReadPassword(int(file.Fd()))
		fmt.Fprintln(prompt)
		return identity.NewSecret(string(raw)), err
	}
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return identity.Secret{}, err
	}
	return identity.NewSecret(strings.TrimRight(line, "\r\n")), nil
}
