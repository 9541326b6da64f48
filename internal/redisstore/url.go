package redisstore

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// URL is where a server is: redis://host[:port][/database], or rediss:// with TLS.
type URL struct {
	Host     string
	Port     string
	TLS      bool
	Database int
	// Username and Password may stand before the host; who writes them there shows them
	// to everybody who sees the configuration.
	Username, Password string
}

// Addr is host:port.
func (u URL) Addr() string { return net.JoinHostPort(u.Host, u.Port) }

// Loopback reports whether the server is on this machine.
func (u URL) Loopback() bool {
	ip := net.ParseIP(u.Host)
	return strings.EqualFold(u.Host, "localhost") || ip != nil && ip.IsLoopback()
}

const defaultPort = "6379"

// maxDatabase is more than any server has.
const maxDatabase = 1 << 16

var (
	errScheme = errors.New("not a URL of a store: write redis://<host>, or rediss://<host> with TLS")
	errSecret = errors.New("not a URL of a store, and not repeated here because a password may be in it: write redis://<host> and a block with username and password")
)

// ParseURL reads a URL. Its errors repeat no password.
func ParseURL(text string) (URL, error) {
	parsed, err := url.Parse(text)
	if strings.Contains(text, "@") && (err != nil || parsed.User == nil) {
		return URL{}, errSecret
	}
	if err != nil || parsed.Scheme != "redis" && parsed.Scheme != "rediss" || parsed.Opaque != "" {
		return URL{}, errScheme
	}
	u := URL{Host: parsed.Hostname(), Port: parsed.Port(), TLS: parsed.Scheme == "rediss"}
	if u.Port == "" {
		u.Port = defaultPort
	}
	port, err := strconv.ParseUint(u.Port, 10, 16)
	switch {
	case u.Host == "":
		return URL{}, errors.New("no host in the URL of the store: write redis://<host>")
	case err != nil || port == 0:
		return URL{}, fmt.Errorf("the port %.20s of the store is no number from 1 to 65535", u.Port)
	case parsed.RawQuery != "" || parsed.ForceQuery || parsed.Fragment != "" || strings.HasSuffix(text, "#"):
		return URL{}, errors.New("a question mark or hash in the URL of the store: nothing stands behind the database's number; username, password and trust_pool stand in the block")
	}
	if number := strings.TrimPrefix(parsed.Path, "/"); number != "" {
		if u.Database, err = strconv.Atoi(number); err != nil || u.Database < 0 || u.Database > maxDatabase {
			return URL{}, fmt.Errorf("the database %.20q of the store is no number: write redis://<host>/0", number)
		}
	}
	if parsed.User != nil {
		u.Username = parsed.User.Username()
		u.Password, _ = parsed.User.Password()
	}
	return u, nil
}
