package krb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/credentials"
	"github.com/jcmturner/gokrb5/v8/keytab"
)

// Credential is what an account gets its tickets with: a password, a keytab or
// the tickets that another program keeps in a cache. Exactly one of them is set.
type Credential struct {
	// Principal is name or name@REALM. With a keytab it may be empty: the first
	// entry's. With a cache it is not looked at.
	Principal string
	Password  string
	Keytab    []byte // the file's bytes
	CCache    []byte // the file's bytes

	// Realm is the default realm, in capitals.
	Realm string
	// KDCs are the centres of Realm, host or host:port. Not looked at with Conf;
	// without any, DNS is asked.
	KDCs []string
	// Conf is the text of a krb5.conf; empty for one made of Realm and KDCs.
	Conf string
}

// Format redacts: a credential must not be printed.
func (Credential) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte("krb.Credential{[redacted]}")) }

// open makes a client of the library. It does no network I/O.
func (c *Credential) open() (*client.Client, error) {
	conf, err := c.config()
	if err != nil {
		return nil, err
	}
	switch {
	case c.CCache != nil:
		cache := new(credentials.CCache)
		if err := cache.Unmarshal(c.CCache); err != nil {
			return nil, fmt.Errorf("%w: the cache: %w", ErrCredential, err)
		}
		cl, err := client.NewFromCCache(cache, conf, client.DisablePAFXFAST(true))
		if err != nil {
			return nil, fmt.Errorf("%w: the cache: %w", ErrCredential, err)
		}
		return cl, nil
	case c.Keytab != nil:
		return c.withKeytab(conf)
	}
	name, realm := c.principal(conf.LibDefaults.DefaultRealm)
	return client.NewWithPassword(name, realm, c.Password, conf, client.DisablePAFXFAST(true)), nil
}

func (c *Credential) withKeytab(conf *config.Config) (*client.Client, error) {
	table := keytab.New()
	if err := table.Unmarshal(c.Keytab); err != nil {
		return nil, fmt.Errorf("%w: the keytab: %w", ErrCredential, err)
	}
	if len(table.Entries) == 0 {
		return nil, fmt.Errorf("%w: the keytab holds no key", ErrCredential)
	}
	first := table.Entries[0].Principal
	name, realm := strings.Join(first.Components, "/"), first.Realm
	if c.Principal != "" {
		name, realm = c.principal(realm)
	}
	return client.NewWithKeytab(name, realm, table, conf, client.DisablePAFXFAST(true)), nil
}

// principal splits Principal; a name without a realm is of the one given.
func (c *Credential) principal(realm string) (name, of string) {
	if at := strings.LastIndexByte(c.Principal, '@'); at >= 0 {
		return c.Principal[:at], c.Principal[at+1:]
	}
	return c.Principal, realm
}

// config reads Conf, or makes a configuration of the realm and its centres:
// TCP alone, AES alone.
func (c *Credential) config() (*config.Config, error) {
	text := c.Conf
	if text == "" {
		if c.Realm == "" {
			return nil, fmt.Errorf("%w: no realm is known", ErrCredential)
		}
		text = plainConf(c.Realm, c.KDCs)
	}
	conf, err := config.NewFromString(text)
	if unsupported := (config.UnsupportedDirective{}); err != nil && !errors.As(err, &unsupported) {
		return nil, fmt.Errorf("%w: krb5.conf: %w", ErrCredential, err)
	}
	if conf.LibDefaults.DefaultRealm == "" {
		conf.LibDefaults.DefaultRealm = c.Realm
	}
	return conf, nil
}

func plainConf(realm string, kdcs []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[libdefaults]\n default_realm = %s\n udp_preference_limit = 1\n dns_lookup_kdc = %t\n", realm, len(kdcs) == 0)
	for _, word := range [...]string{"default_tkt_enctypes", "default_tgs_enctypes", "permitted_enctypes"} {
		fmt.Fprintf(&b, " %s = aes256-cts-hmac-sha1-96 aes128-cts-hmac-sha1-96 aes256-cts-hmac-sha384-192 aes128-cts-hmac-sha256-128\n", word)
	}
	fmt.Fprintf(&b, "[realms]\n %s = {\n", realm)
	for _, kdc := range kdcs {
		fmt.Fprintf(&b, "  kdc = %s\n", withPort(kdc))
	}
	b.WriteString(" }\n")
	return b.String()
}

// withPort gives host:port, port 88 where none is named, RFC 4120 7.2.3.
func withPort(kdc string) string {
	if _, _, err := net.SplitHostPort(kdc); err == nil {
		return kdc
	}
	return net.JoinHostPort(strings.Trim(kdc, "[]"), "88")
}

// CheckKeytab says what is wrong with the bytes of a keytab, and nil where they
// hold a key.
func CheckKeytab(raw []byte) (err error) {
	defer func() {
		if trouble := recover(); trouble != nil {
			err = fmt.Errorf("%w: not a keytab", ErrCredential)
		}
	}()
	_, err = (&Credential{Keytab: raw}).withKeytab(config.New())
	return err
}

// ReadConf reads a krb5.conf and says what is wrong with it.
func ReadConf(path string) (string, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	_, err = (&Credential{Conf: string(raw), Realm: "CHECK"}).config()
	return string(raw), err
}

// KDCsIn are the centres that a krb5.conf names for a realm, host:port in its
// order; those in DNS where it names none and does not forbid that.
func KDCsIn(ctx context.Context, conf, realm string) ([]string, error) {
	parsed, err := (&Credential{Conf: conf, Realm: realm}).config()
	if err != nil {
		return nil, err
	}
	for _, r := range parsed.Realms {
		if r.Realm == realm && len(r.KDC) > 0 {
			kdcs := make([]string, len(r.KDC))
			for i, kdc := range r.KDC {
				kdcs[i] = withPort(kdc)
			}
			return kdcs, nil
		}
	}
	return guard(ctx, func() ([]string, error) {
		count, found, err := parsed.GetKDCs(realm, true)
		if err != nil {
			return nil, fmt.Errorf("%w: krb5.conf: %w", ErrUnreachable, err)
		}
		var kdcs []string
		for i := 1; i <= count; i++ {
			kdcs = append(kdcs, found[i])
		}
		return kdcs, nil
	})
}
