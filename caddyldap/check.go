package caddyldap

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// CheckStatic finds the mistakes that can be seen without the network. It
// changes nothing and may be called before the directory is provisioned.
func (d *Directory) CheckStatic() error {
	for _, check := range [...]func() error{
		d.checkDiscover, d.checkServers, d.checkNames, d.checkBases, d.CheckBindAs, d.checkUser, d.checkGroup, d.checkAttributes, d.checkMap, d.checkServiceAccount, d.checkTimeout, d.checkPool, d.checkCache, d.checkVerifiers,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (d *Directory) checkServers() error {
	if len(d.Server) == 0 && d.Discover == nil {
		return errors.New("no server is named; write server ldaps://dc1.example.com, or discover example.com where DNS names the controllers")
	}
	plain := 0
	for _, s := range d.Server {
		u, err := ParseServer(s.URL)
		if err != nil {
			return err
		}
		if u.TLS {
			continue
		}
		plain++
		if !d.StartTLS && !d.InsecurePlaintext {
			return fmt.Errorf("server %s: passwords would travel in the clear; write ldaps://%s, or starttls to turn the connection into TLS", s.URL, u.Host)
		}
	}
	if d.StartTLS && d.InsecurePlaintext {
		return errors.New("starttls and insecure_plaintext contradict each other; remove insecure_plaintext")
	}
	if plain == 0 && d.StartTLS && d.Discover == nil {
		return errors.New("starttls has no use: every server is ldaps://; remove starttls")
	}
	if plain == 0 && d.InsecurePlaintext && d.Discover != nil {
		return errors.New("insecure_plaintext has no use: what discover finds is never asked without TLS; remove it")
	}
	if plain == 0 && d.InsecurePlaintext {
		return errors.New("insecure_plaintext has no use: every server is ldaps://; remove it")
	}
	return nil
}

func (d *Directory) checkNames() error {
	if strings.ContainsAny(d.Domain, `\/:*?"<>|,@.`) || len(d.Domain) > maxNetBIOS {
		return fmt.Errorf("domain %s: a NetBIOS name has at most %d characters, no dots and no backslash; a DNS name goes into dns_domain", d.Domain, maxNetBIOS)
	}
	if d.DNSDomain != "" && (checkHost(d.DNSDomain) != nil || strings.Trim(d.DNSDomain, ".") == "") {
		return fmt.Errorf("dns_domain %s: not a DNS name such as example.com", d.DNSDomain)
	}
	return nil
}

func (d *Directory) checkBases() error {
	for _, base := range d.BaseDN {
		if err := checkDN(base); err != nil {
			return fmt.Errorf("base_dn: %w", err)
		}
	}
	return nil
}

func (d *Directory) checkTimeout() error {
	t := d.Timeout
	if t == nil {
		return nil
	}
	if t.Dial < 0 || t.Request < 0 {
		return errors.New("timeout: a negative duration; leave the line out for 1.5s to dial and 4s a request")
	}
	return nil
}

func (d *Directory) checkVerifiers() error {
	seen := make(map[string]bool, len(d.VerifyRaw))
	passwords, ntlm := "", ""
	for _, raw := range d.VerifyRaw {
		var v struct {
			Verifier string `json:"verifier"`
		}
		if err := json.Unmarshal(raw, &v); err != nil {
			return fmt.Errorf("verify: %w", err)
		}
		if Serves(v.Verifier) == (Service{}) {
			return fmt.Errorf("verify %s: no such verifier; known: bind, relay, netlogon, keytab, kerberos_password, smb", v.Verifier)
		}
		if seen[v.Verifier] {
			return fmt.Errorf("verify %s stands there twice; remove one", v.Verifier)
		}
		seen[v.Verifier] = true
		if Serves(v.Verifier).NTLM && ntlm != "" && (ntlm == nameSMB || v.Verifier == nameSMB) {
			return fmt.Errorf("verify %s and verify %s both decide NTLM; remove one", ntlm, v.Verifier)
		}
		if Serves(v.Verifier).NTLM {
			ntlm = v.Verifier
		}
		if !Serves(v.Verifier).Password {
			continue
		}
		if passwords != "" {
			return fmt.Errorf("verify %s and verify %s both decide passwords; remove one", passwords, v.Verifier)
		}
		passwords = v.Verifier
	}
	return nil
}

// urlBases lists the base DNs in the servers' URLs, each once.
func (d *Directory) urlBases() []string {
	var bases []string
	seen := make(map[string]bool)
	for _, s := range d.Server {
		u, err := ParseServer(s.URL)
		if err != nil || u.BaseDN == "" || seen[identity.Fold(u.BaseDN)] {
			continue
		}
		seen[identity.Fold(u.BaseDN)] = true
		bases = append(bases, u.BaseDN)
	}
	return bases
}

// dnsFromDN joins the DC parts at the end of a DN, RFC 2247: example.com for
// OU=Staff,DC=example,DC=com. It is empty when there are none.
func dnsFromDN(dn string) string {
	parsed, err := ldap.ParseDN(dn)
	if err != nil {
		return ""
	}
	var labels []string
	for _, rdn := range parsed.RDNs {
		if len(rdn.Attributes) == 1 && strings.EqualFold(rdn.Attributes[0].Type, "DC") {
			labels = append(labels, rdn.Attributes[0].Value)
		} else {
			labels = nil
		}
	}
	return strings.Join(labels, ".")
}
