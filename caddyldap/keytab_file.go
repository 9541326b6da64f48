package caddyldap

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"sync"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/krb"
)

// keytabFile is a service's keys, in a file that is read again when it changes.
// The zero value has read nothing yet.
type keytabFile struct {
	mu      sync.Mutex
	checked time.Time // when the file was looked at last
	stamp   fileStamp
	table   *krb.Keytab
	trouble error // with the file, at the last look
}

// keytabPause is how often the file is looked at.
const keytabPause = time.Second

// fileStamp tells whether a file has changed.
type fileStamp struct {
	size     int64
	modified time.Time
}

// current are the keys in the file as it is now, which is at the same path each
// time. A file that cannot be read any more ends the use of its keys: it may have
// been taken away on purpose. The error is of KindKeytab.
func (k *keytabFile) current(path string, now time.Time) (*krb.Keytab, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.checked.IsZero() && now.Sub(k.checked) < keytabPause {
		return k.table, k.trouble
	}
	k.checked = now
	info, err := os.Stat(path)
	if err == nil {
		stamp := fileStamp{info.Size(), info.ModTime()}
		if k.table != nil && k.trouble == nil && stamp == k.stamp {
			return k.table, nil
		}
		k.stamp = stamp
		var raw []byte
		if raw, err = os.ReadFile(path); err == nil {
			k.table, err = krb.ParseKeytab(raw)
		}
	}
	if k.trouble = nil; err != nil {
		k.table, k.trouble = nil, KeytabTrouble(path, err)
	}
	return k.table, k.trouble
}

// KeytabTrouble words why a keytab file cannot be used, and the cure. None of the
// cures is to check less.
func KeytabTrouble(path string, err error) *identity.Error {
	e := &identity.Error{Kind: identity.KindKeytab, Err: fmt.Errorf("keytab %s: %w", path, err)}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Err = fmt.Errorf("keytab %s is not there: %w", path, err)
		e.Hint = "mend the path, or write " + path + ": ktpass, msktutil or samba-tool domain exportkeytab; a container or a systemd unit may see other files than you do"
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
