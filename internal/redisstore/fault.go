package redisstore

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/redis/rueidis"

	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

// Error is a technical failure, with the cure where it is known. It is a store.ErrDown
// and nothing else, so that nobody takes it for the end of a context of his own. It
// holds no password.
type Error struct {
	Server string // host:port
	Hint   string
	Err    error
	busy   bool // others have used the time up
}

// Error implements error.
func (f *Error) Error() string { return f.Server + ": " + f.Err.Error() }

// Unwrap makes it an ErrDown, and an ErrBusy where it is one.
func (f *Error) Unwrap() []error {
	if f.busy {
		return []error{store.ErrDown, store.ErrBusy}
	}
	return []error{store.ErrDown}
}

// credentialsError says that name or password could not be read.
type credentialsError struct{ error }

var errAnswer = errors.New("an answer that makes no sense")

// fault is an Error of whatever went wrong. A server may repeat what it was sent, in any
// answer: the password that was last shown to it is not repeated here.
func (s *Store) fault(err error) *Error {
	shown := ""
	if password := s.password.Load(); password != nil {
		shown = *password
	}
	f := &Error{Server: s.config.Address, Hint: hint(err), Err: errors.New(said(err, shown))}
	if s.config.TLS != nil && isTimeout(err) {
		f.Hint = hintSilent // it waits for a line, which TLS does not send
	}
	return f
}

// ended is what an operation returns that found no end in time, because of others or of one
// who waits for the server.
func (s *Store) ended(ctx bounded, why error) error {
	if err := ctx.callersEnd(context.DeadlineExceeded); err != nil {
		return err
	}
	if down := s.rest.why(); down != nil {
		return down // those before had no answer either
	}
	fault := s.fault(why)
	fault.busy = !errors.Is(why, errHung)
	return fault
}

// maxSaid bounds what is repeated of a server's words.
const maxSaid = 200

func said(err error, password string) string {
	text := err.Error()
	if isTimeout(err) {
		text = fmt.Sprintf("no answer within %v", limit)
	}
	if errors.Is(err, io.EOF) {
		text = "the server closed the connection"
	}
	// An unknown command is repeated with its arguments.
	text, _, _ = strings.Cut(text, ", with args beginning with")
	if password != "" {
		text = strings.ReplaceAll(text, password, "…") // before half of it is cut off
	}
	if len(text) > maxSaid {
		text = text[:maxSaid] + "…"
	}
	return strings.ToValidUTF8(text, "?")
}

const hintRights = "the user may not do that: ACL SETUSER … ~windows_auth:* +get +mget +set +del +scan +eval +evalsha +select +hello +info"

// cures are the beginnings of what a server says, and what an administrator does.
var cures = []struct{ begins, hint string }{
	{"NOAUTH", "the server wants a password: write password into the block of store redis"},
	{"WRONGPASS", "username or password is wrong: compare them with requirepass or the users of ACL LIST. A password is read anew for each connection"},
	{"AUTH <password> called without any password", "the server has no password: set requirepass there, or remove password here"},
	{"Client sent AUTH, but no password is set", "the server has no password: set requirepass there, or remove password here"},
	{"NOPERM", hintRights},
	{"The user executing the script", hintRights},
	{"OOM", "the server's memory is full: raise maxmemory. With maxmemory-policy noeviction nothing is lost until there is room"},
	{"READONLY", "the server is a replica: name the primary"},
	{"MASTERDOWN", "the server is a replica without its primary: name the primary, or mend it"},
	{"NOREPLICAS", "the server has fewer replicas than min-replicas-to-write asks for: mend them"},
	{"LOADING", "the server reads its data after a start: wait"},
	{"MISCONF", "the server cannot write its data to the disk, and takes none until it can: make room there, or mend what its log says"},
	{"MOVED", "the server is a node of a cluster, which is not supported: name a server that has all keys"},
	{"CLUSTERDOWN", "the server is a node of a cluster, which is not supported: name a server that has all keys"},
	{"DENIED", "the server has no password and takes nobody from elsewhere: set requirepass there, and write password here"},
	{"BUSY", "the server runs somebody's script that does not end: SCRIPT KILL"},
	{"max number of clients", "the server takes no more connections: raise maxclients, or see who keeps them"},
	{"DB index is out of range", "the server has no database of that number: see databases in redis.conf"},
	{"invalid DB index", "the server has no database of that number: see databases in redis.conf"},
	{"WRONGTYPE", "another program uses keys that begin with windows_auth: give each a database of its own, at the end of the URL"},
}

// elsewhere says that another server should be asked under the same name: this one was
// the primary once.
func elsewhere(err error) bool {
	text := meant(err)
	return strings.HasPrefix(text, "READONLY") || strings.HasPrefix(text, "MASTERDOWN")
}

// meant is what a server says itself. Before 7.0 it wraps what ails a command inside a
// script into what ails the script.
func meant(err error) string {
	text := strings.TrimPrefix(err.Error(), "ERR ")
	if strings.HasPrefix(text, "Error running script") {
		if at := strings.LastIndex(text, ": -"); at >= 0 {
			return strings.TrimPrefix(text[at+len(": -"):], "ERR ")
		}
	}
	return text
}

// hint is the cure, empty where nobody knows.
func hint(err error) string {
	if refused, ok := errors.AsType[*rueidis.RedisError](err); ok {
		for _, c := range cures {
			if strings.HasPrefix(meant(refused), c.begins) {
				return c.hint
			}
		}
		return ""
	}
	if hint := tlsHint(err); hint != "" {
		return hint
	}
	_, secret := errors.AsType[*credentialsError](err)
	_, dns := errors.AsType[*net.DNSError](err)
	switch {
	case secret:
		return "the password cannot be read: does the file or variable exist, and may this program read it?"
	case dns:
		return "DNS does not know the host: compare the URL with DNS"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: does the server run, and are host and port right?"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "this machine has no file descriptors left: raise LimitNOFILE"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return "where the server wants TLS write rediss://; else see its log"
	case isTimeout(err):
		return hintHangs
	case errors.Is(err, errAnswer), strings.HasPrefix(err.Error(), "received un"):
		return "what answers there is no Redis: are host and port right?"
	}
	return ""
}

const (
	hintHangs  = "the server hangs or is cut off: see its load and its log, and whether a firewall is between"
	hintSilent = "the server hangs or is cut off, or that is not its tls-port: see its load and its log; without TLS write redis://"
)

func tlsHint(err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "the authority behind the certificate is not known here: write trust_pool file /path/ca.pem into the block of store redis"
	}
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		return fmt.Sprintf("the certificate is not for %s: use a name that is in it, or have it issued anew", e.Host)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "the certificate is refused: has it expired, or is it for another use?"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "the server does not answer with TLS: is that its tls-port? Without TLS write redis://"
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return "the server breaks off TLS: it may ask for a client certificate, which needs tls-auth-clients no there"
	}
	return ""
}
