package caddyldap

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// Defaults of the timeout word, and the one deadline over an authentication.
const (
	defaultDial    = 1500 * time.Millisecond
	defaultRequest = 4 * time.Second
	overall        = 10 * time.Second
)

// maxNetBIOS is the longest NetBIOS domain name, [MS-NBTE] 1.3.
const maxNetBIOS = 15

// provision makes the directory ready; name is empty in the short form. It
// does no network I/O.
func (d *Directory) provision(ctx caddy.Context, logger *zap.Logger, name string) error {
	if err := d.CheckStatic(); err != nil {
		return err
	}
	d.now = time.Now
	if d.resolver == nil {
		d.resolver = net.DefaultResolver
	}
	d.intn = rand.IntN
	d.setNames(name)
	d.setReading()
	if err := d.setKey(); err != nil {
		return err
	}
	d.logger = logger.With(zap.String("directory", d.name))
	config, err := d.tlsConfig(ctx)
	if err != nil {
		return err
	}
	if err := d.checkEvidence(); err != nil {
		return err
	}
	if err := d.loadVerifiers(ctx); err != nil {
		return err
	}
	d.warn()
	if err := d.loadMetrics(); err != nil {
		return err
	}
	if err := d.hold(config); err != nil {
		d.unmeasure()
		return err
	}
	if err := d.measure(ctx); err != nil {
		d.stop()
		return err
	}
	return nil
}

// distinct drops DNs that were there before, however they are written.
func distinct(dns []string) (list []string) {
	seen := make(map[string]bool)
	for _, dn := range dns {
		if key := policy.FoldDN(dn); !seen[key] {
			seen[key] = true
			list = append(list, dn)
		}
	}
	return list
}

// setNames fills in what the configuration leaves to be concluded.
func (d *Directory) setNames(name string) {
	d.bases = d.BaseDN
	if len(d.bases) == 0 {
		d.bases = d.urlBases()
	}
	d.bases = distinct(d.bases)
	d.dnsDomain = strings.Trim(d.DNSDomain, ".")
	for _, base := range d.bases {
		if d.dnsDomain == "" {
			d.dnsDomain = dnsFromDN(base)
		}
	}
	d.name, d.named = name, name
	if d.name == "" {
		d.name = d.dnsDomain
	}
	if d.name == "" && len(d.Server) > 0 {
		first, _ := ParseServer(d.Server[0].URL)
		d.name = first.Host
	}
	if d.name == "" {
		d.name = d.Discover.domain()
	}
}

// setKey hashes the configuration, without secrets: the key must not help anybody
// to guess one.
func (d *Directory) setKey() error {
	raw, err := json.Marshal(d)
	if err != nil {
		return err
	}
	var shown map[string]any // whatever a later word adds is in it
	if err := json.Unmarshal(raw, &shown); err != nil {
		return err
	}
	if account, ok := shown["service_account"].(map[string]any); ok {
		delete(account, "secret")
	}
	verifiers, _ := shown["verify"].([]any)
	for _, v := range verifiers {
		if module, ok := v.(map[string]any); ok {
			delete(module, "secret")
		}
	}
	raw, err = json.Marshal(shown)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(raw)
	d.key = d.name + "#" + hex.EncodeToString(sum[:8])
	return nil
}

// tlsConfig is what all servers share; each adds its ServerName.
func (d *Directory) tlsConfig(ctx caddy.Context) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if d.TLS == nil {
		return config, nil
	}
	config.ServerName = d.TLS.ServerName
	config.InsecureSkipVerify = d.TLS.InsecureSkipVerify //nolint:gosec // the administrator's own word
	if d.TLS.TrustPoolRaw == nil {
		return config, nil
	}
	module, err := ctx.LoadModule(d.TLS, "TrustPoolRaw")
	if err != nil {
		return nil, fmt.Errorf("tls trust_pool: %w", err)
	}
	ca, ok := module.(caddytls.CA)
	if !ok {
		return nil, fmt.Errorf("tls trust_pool: %T holds no certificates", module)
	}
	config.RootCAs = ca.CertPool()
	return config, nil
}

func (d *Directory) loadVerifiers(ctx caddy.Context) error {
	if len(d.VerifyRaw) == 0 {
		d.verifiers = []Verifier{new(Bind), new(Relay)}
	} else {
		modules, err := ctx.LoadModule(d, "VerifyRaw")
		if err != nil {
			return fmt.Errorf("verify: %w", err)
		}
		for _, module := range modules.([]any) {
			v, ok := module.(Verifier)
			if !ok {
				return fmt.Errorf("verify: %T is no verifier", module)
			}
			d.verifiers = append(d.verifiers, v)
		}
	}
	for _, v := range d.verifiers {
		if err := v.Attach(d); err != nil {
			return fmt.Errorf("verify: %w", err)
		}
	}
	return nil
}

func (d *Directory) dialTimeout() time.Duration {
	if d.Timeout != nil && d.Timeout.Dial > 0 {
		return time.Duration(d.Timeout.Dial)
	}
	return defaultDial
}

func (d *Directory) requestTimeout() time.Duration {
	if d.Timeout != nil && d.Timeout.Request > 0 {
		return time.Duration(d.Timeout.Request)
	}
	return defaultRequest
}
