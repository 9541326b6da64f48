package caddyntlm

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddytls"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
	"github.com/caddy-ntlm/caddy-ntlm/internal/redisstore"
)

func init() {
	caddy.RegisterModule(new(RedisStore))
}

// RedisStore keeps values in a Redis or Valkey server, which several nodes share.
type RedisStore struct {
	// Where the server is: redis://host[:port][/database], or rediss:// with TLS.
	URL string `json:"url,omitempty"`
	// The user of the server. Default: default.
	Username string `json:"username,omitempty"`
	// The password; {file.…} and {env.…} keep it out of the configuration, and are read
	// anew for each connection.
	Password string `json:"password,omitempty"`
	// The authorities to believe, a module of Caddy's tls.ca_pool.source. Default: the
	// operating system's.
	TrustPoolRaw json.RawMessage `json:"trust_pool,omitempty" caddy:"namespace=tls.ca_pool.source inline_key=provider"`

	at      redisstore.URL
	trusted *x509.CertPool
}

// CaddyModule returns the Caddy module information.
func (*RedisStore) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "windows_auth.stores.redis", New: func() caddy.Module { return new(RedisStore) }}
}

// Provision reads the configuration, and touches no network.
func (r *RedisStore) Provision(ctx caddy.Context) error {
	if err := r.CheckStatic(); err != nil {
		return err
	}
	r.at, _ = redisstore.ParseURL(r.URL) // checked
	if r.TrustPoolRaw != nil {
		module, err := ctx.LoadModule(r, "TrustPoolRaw")
		if err != nil {
			return fmt.Errorf("store redis: trust_pool: %w", err)
		}
		ca, ok := module.(caddytls.CA)
		if !ok {
			return fmt.Errorf("store redis: trust_pool: %T holds no certificates", module)
		}
		r.trusted = ca.CertPool()
	}
	_, _, err := r.credentials() // a file that is not there is a mistake that shows here
	return err
}

// CheckURL finds mistakes in the URL. Its errors show no password.
func (r *RedisStore) CheckURL() error {
	if _, err := redisstore.ParseURL(r.URL); err != nil {
		return fmt.Errorf("store redis: %w", err)
	}
	return nil
}

// CheckStatic finds mistakes that need nothing but the configuration. Its errors show no
// password.
func (r *RedisStore) CheckStatic() error {
	if err := r.CheckURL(); err != nil {
		return err
	}
	at, _ := redisstore.ParseURL(r.URL) // checked
	switch {
	case at.Username != "" && r.Username != "":
		return errors.New("store redis: a username in the URL and another one in the block: leave the URL's out")
	case at.Password != "" && r.Password != "":
		return errors.New("store redis: a password in the URL and another one in the block: leave the URL's out")
	case r.name(at) != "" && r.password(at) == "":
		return errors.New("store redis: a username and no password: write password {file./run/secrets/redis}")
	case r.TrustPoolRaw != nil && !at.TLS:
		return errors.New("store redis: trust_pool is for TLS: write rediss://")
	}
	return nil
}

func (r *RedisStore) name(at redisstore.URL) string     { return at.Username + r.Username }
func (r *RedisStore) password(at redisstore.URL) string { return at.Password + r.Password }

// giveaways implements storage.
func (r *RedisStore) giveaways(say func(hint string)) {
	if hint := caddyldap.WrittenOut(r.password(r.at)); hint != "" {
		say(hint)
	}
	if r.at.Loopback() {
		return
	}
	if !r.at.TLS {
		say("anybody on the way reads who is logged in, and can log himself in as anybody; write rediss://")
	}
	if r.password(r.at) == "" {
		say("whoever reaches the server can log himself in as anybody: set a password there, and write password into the block of store redis")
	}
}

// open implements storage.
func (r *RedisStore) open() (*keptStore, error) {
	config := redisstore.Config{Address: r.at.Addr(), Database: r.at.Database, Credentials: r.credentials}
	if r.at.TLS {
		config.TLS = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: r.trusted}
	}
	s, err := redisstore.New(config)
	if err != nil {
		return nil, fmt.Errorf("store redis: %w", err)
	}
	return &keptStore{Store: s, examine: s.Examine, close: s.Close}, nil
}

// credentials are read for each connection.
func (r *RedisStore) credentials() (user, password string, err error) {
	if r.Password == "" {
		return r.name(r.at), r.at.Password, nil // a URL takes no braces
	}
	secret, err := caddyldap.ReadSecret("store redis: password", r.Password)
	return r.name(r.at), secret.Reveal(), err
}

// roots implements storage.
func (r *RedisStore) roots() *x509.CertPool { return r.trusted }

// Interface guards.
var (
	_ storage           = (*RedisStore)(nil)
	_ caddy.Provisioner = (*RedisStore)(nil)
)
