package netlogon

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/dcerpc"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// A Config says who opens channels to whom. It is checked by Open and NewClient,
// which fill in what is empty and may be.
type Config struct {
	// Server is the controller's name, DNS or NetBIOS, without backslashes.
	Server string
	// Domain is the NetBIOS name of the domain that the machine belongs to.
	Domain string
	// Account is the machine's sAMAccountName, which ends in $.
	Account string
	// Computer is the machine's NetBIOS name; empty is Account without its $.
	Computer string
	// Secret gives the machine's password, in UTF-8. It is asked for each channel
	// that is opened, so that a new password is noticed.
	Secret func() (secret []byte, err error)
	// Connect opens a stream to the controller's Netlogon: that of TCP, or a named
	// pipe. It is called twice a channel, because the key is negotiated on a
	// connection that nothing protects.
	Connect func(ctx context.Context) (dcerpc.Stream, error)

	// Rand yields challenges and confounders; nil is crypto/rand.
	Rand io.Reader
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// maxNetBIOS is in characters, [MS-NBTE] 1.3.
const maxNetBIOS = 15

// checked fills in what is empty. The error matches ErrConfig.
func (c Config) checked() (*Config, error) {
	if c.Computer == "" {
		c.Computer = strings.TrimSuffix(c.Account, "$")
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	switch {
	case c.Secret == nil || c.Connect == nil:
		return nil, fmt.Errorf("%w: no password or no way to the controller", ErrConfig)
	case c.Server == "":
		return nil, fmt.Errorf("%w: no controller", ErrConfig)
	case !strings.HasSuffix(c.Account, "$"):
		return nil, fmt.Errorf("%w: %q is no machine account: its name ends in $", ErrConfig, c.Account)
	}
	for _, name := range []string{c.Domain, c.Computer} {
		if !isNetBIOS(name) {
			return nil, fmt.Errorf("%w: %q is no NetBIOS name of at most %d ASCII characters", ErrConfig, name, maxNetBIOS)
		}
	}
	return &c, nil
}

// isNetBIOS takes the names that are the same in every OEM character set, because
// the token that carries them does not say which it is.
func isNetBIOS(name string) bool {
	for _, r := range name {
		if r <= ' ' || r > '~' || r == '\\' {
			return false
		}
	}
	return name != "" && len(name) <= maxNetBIOS
}

// server is the controller as the calls name it.
func (c *Config) server() string { return `\\` + c.Server }

// hash is the NT hash of the machine's password as it is now.
func (c *Config) hash() (ntlm.Key, error) {
	secret, err := c.Secret()
	if err != nil {
		return ntlm.Key{}, fmt.Errorf("%w: %w", ErrSecret, err)
	}
	if len(secret) == 0 {
		return ntlm.Key{}, fmt.Errorf("%w is empty", ErrSecret)
	}
	return ntlm.NTOWFv1(string(secret)), nil
}

// TCP connects to a controller's Netlogon by the endpoint mapper. dial is a
// net.Dialer's DialContext; nil is a plain one's. host is a name or an address,
// with or without the mapper's port.
func TCP(host string, dial func(ctx context.Context, network, address string) (net.Conn, error)) func(context.Context) (dcerpc.Stream, error) {
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	mapper := host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	} else {
		mapper = net.JoinHostPort(host, strconv.Itoa(dcerpc.EndpointMapperPort))
	}
	return func(ctx context.Context) (dcerpc.Stream, error) {
		nc, err := dial(ctx, "tcp", mapper)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoMapper, err)
		}
		conn := dcerpc.New(nc)
		port, err := dcerpc.MapTCP(ctx, conn, Interface)
		_ = conn.Close()
		if err != nil {
			return nil, err
		}
		nc, err = dial(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(int(port))))
		if err != nil {
			return nil, fmt.Errorf("port %d, which the endpoint mapper named for Netlogon: %w", port, err)
		}
		return nc, nil
	}
}
