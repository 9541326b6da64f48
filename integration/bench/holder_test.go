package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
	"github.com/caddy-ntlm/caddy-ntlm/internal/krbforge"
	"github.com/caddy-ntlm/caddy-ntlm/internal/spnego"
)

// holder is somebody with a ticket: the same in every request, as browsers send it,
// each time with another authenticator.
type holder struct {
	name  string
	sid   []byte
	forge *krbforge.Forge
	n     int
}

// holderOf makes a ticket with the PAC that Samba's KDC gave somebody, signed anew,
// of another account where a SID is given.
func holderOf(b *testing.B, long types.EncryptionKey, name string, sid []byte) *holder {
	b.Helper()
	f := krbforge.New(time.Now(), long, ticketRealm, ticketService, name)
	raw, err := os.ReadFile("../../internal/pac/testdata/" + name + ".pac")
	if err != nil {
		b.Fatal(err)
	}
	if sid != nil {
		raw = renamed(raw, sid)
	}
	f.PAC(b, f.Resigned(b, raw))
	var sealed types.EncryptedData
	f.Ticket = func(t *messages.Ticket) {
		if sealed.Cipher == nil {
			sealed = t.EncPart
		}
		t.EncPart = sealed
	}
	return &holder{name, sid, f, 0}
}

// renamed puts another account's SID, [MS-DTYP] 2.4.2.2, in the place of that of
// alice.pac.
func renamed(pac, sid []byte) []byte {
	number := func(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }
	const rid, users = 1103, 513
	old := slices.Concat([]byte{0, 0, 0, 0, 0, 5}, number(21), number(1111111111), number(2222222222), number(3333333333))
	domain, own := sid[2:len(sid)-4], sid[len(sid)-4:]
	pac = bytes.ReplaceAll(pac, slices.Concat(old, number(rid)), slices.Concat(domain, own))
	pac = bytes.ReplaceAll(pac, old, domain)
	return bytes.ReplaceAll(pac, slices.Concat(number(rid), number(users)), slices.Concat(own, number(users)))
}

// sidOf asks the demo's directory for an account's.
func sidOf(b *testing.B, directory *demodir.Server, name string) []byte {
	b.Helper()
	trust := x509.NewCertPool()
	trust.AddCert(directory.CA())
	c, err := ldap.DialURL(directory.LDAPS(), ldap.DialWithTLSConfig(&tls.Config{RootCAs: trust}))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := c.Bind(`EXAMPLE\svc-web`, "Secr3t-svc-web"); err != nil {
		b.Fatal(err)
	}
	found, err := c.Search(ldap.NewSearchRequest(directory.BaseDN(), ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false,
		"(sAMAccountName="+name+")", []string{"objectSid"}, nil))
	if err != nil || len(found.Entries) != 1 {
		b.Fatalf("looking for %s: %v, %v", name, found, err)
	}
	return found.Entries[0].GetRawAttributeValue("objectSid")
}

// requests makes some, each good once, as a browser writes them: in SPNEGO.
func (h *holder) requests(b *testing.B, address string, n int) [][]byte {
	b.Helper()
	made := make([][]byte, n)
	for i := range made {
		h.n++
		h.forge.Sent.CTime, h.forge.Sent.Cusec = time.Now().UTC().Truncate(time.Second), h.n
		token, err := (&spnego.NegTokenInit{MechTypes: spnego.NewMechTypeList(spnego.Kerberos), MechToken: h.forge.Token(b)}).Marshal()
		if err != nil {
			b.Fatal(err)
		}
		made[i] = []byte("GET /index.html HTTP/1.1\r\nHost: " + address + "\r\n" + browser + "Authorization: Negotiate " + base64.StdEncoding.EncodeToString(token) + "\r\n\r\n")
	}
	return made
}
