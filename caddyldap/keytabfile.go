package caddyldap

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// KeytabTrouble words why a keytab file cannot be used, and the cure. None of the
// cures is to check less.
func KeytabTrouble(path string, err error) *identity.Error {
	e := &identity.Error{Kind: identity.KindKeytab, Err: fmt.Errorf("keytab %s: %w", path, err)}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Err = fmt.Errorf("keytab %s is not there: %w", path, err)
		e.Hint = "mend the path, or write the file: ktpass, msktutil or samba-tool domain exportkeytab; a container or a systemd unit may see other files than you do"
	case errors.Is(err, fs.ErrPermission):
		who := currentUser()
		e.Err = fmt.Errorf("keytab %s may not be read by %s: %w", path, who, err)
		e.Hint = fmt.Sprintf("chown %s %s and chmod 600, and let that user through the directories above (namei -l %s shows them)", who, path, path)
	default:
		e.Hint = "klist -ekt " + path + " shows whether it is a keytab, and which keys it has"
	}
	return e
}

// currentUser is who this process runs as, by name where the system knows one.
func currentUser() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return fmt.Sprint("uid ", os.Getuid())
}
