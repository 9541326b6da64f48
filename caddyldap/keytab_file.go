package caddyldap

import (
	"fmt"
	"os"
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
		k.table, k.trouble = nil, &identity.Error{
			Kind: identity.KindKeytab, Err: fmt.Errorf("keytab %s: %w", path, err),
			Hint: "the file must be there and readable by the user that Caddy runs as: klist -ekt " + path,
		}
	}
	return k.table, k.trouble
}
