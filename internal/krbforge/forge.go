// Package krbforge makes Kerberos requests as clients and KDCs do, RFC 4120 and
// RFC 4121, and as they should not. It is for tests alone. What it makes unchanged
// is good: integration shows that Apache's mod_auth_gssapi takes it.
package krbforge

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/asn1tools"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// Key usages, RFC 4120 7.5.1; the type of the checksum field, RFC 4121 4.1.1; and
// types of authorization data, RFC 4120 7.5.4.
const (
	usageTicket        = 2
	usageAuthenticator = 11
	checksumGSS        = 0x8003
	adIfRelevant       = 1
	adWin2KPAC         = 128
)

// Forge makes one request after another: the fields may be changed between them.
type Forge struct {
	Realm, Service string              // whom the ticket says it is for
	Long           types.EncryptionKey // the service's
	Version        int                 // of that key

	Part    messages.EncTicketPart // the ticket's inside
	Sent    types.Authenticator
	Options []byte // the AP-REQ's flags, RFC 4120 5.5.1

	Ticket  func(*messages.Ticket) // changes it after it was sealed; may be nil
	Request func(*messages.APReq)  // likewise
	Plain   func([]byte) []byte    // changes what is sealed as the ticket's inside
}

// New makes good requests of a client at a moment, in a realm, for a service such
// as HTTP/web.example.test; the key's version is 3. They ask for mutual
// authentication, and bind to no channel.
func New(now time.Time, long types.EncryptionKey, realm, service, client string) *Forge {
	name := types.PrincipalName{NameType: 1, NameString: []string{client}}
	sum := make([]byte, 24)
	binary.LittleEndian.PutUint32(sum, 16)
	return &Forge{
		Realm: realm, Service: service, Long: long, Version: 3,
		Part: messages.EncTicketPart{
			Flags: types.NewKrbFlags(), Key: Key(long.KeyType, 0x55), CRealm: realm, CName: name,
			AuthTime: now.Add(-time.Hour), StartTime: now.Add(-time.Minute), EndTime: now.Add(9 * time.Hour),
		},
		Sent: types.Authenticator{
			AVNO: 5, CRealm: realm, CName: name, CTime: now.Truncate(time.Second), Cusec: 7, SeqNumber: 42,
			Cksum: types.Checksum{CksumType: checksumGSS, Checksum: sum},
		},
		Options: []byte{0x20, 0, 0, 0}, // mutual
	}
}

// Key is a key of an enctype, all of one byte.
func Key(id int32, fill byte) types.EncryptionKey {
	return types.EncryptionKey{KeyType: id, KeyValue: bytes.Repeat([]byte{fill}, keyLengths[id])}
}

// keyLengths of AES with SHA-1 and with SHA-2, and of RC4.
var keyLengths = map[int32]int{17: 16, 18: 32, 19: 16, 20: 32, 23: 16}

// Token is the GSS-API token of a request, RFC 4121 4.1.
func (f *Forge) Token(t testing.TB) []byte {
	t.Helper()
	raw, err := asn1.Marshal(f.Part)
	plain := asn1tools.AddASNAppTag(must(t, raw, err), 3)
	if f.Plain != nil {
		plain = f.Plain(plain)
	}
	sealed, err := crypto.GetEncryptedData(plain, f.Long, usageTicket, f.Version)
	ticket := messages.Ticket{TktVNO: 5, Realm: f.Realm, SName: types.NewPrincipalName(2, f.Service), EncPart: must(t, sealed, err)}
	if f.Ticket != nil {
		f.Ticket(&ticket)
	}
	raw, err = f.Sent.Marshal()
	sealed, err2 := crypto.GetEncryptedData(must(t, raw, err), f.Part.Key, usageAuthenticator, 0)
	request := messages.APReq{
		PVNO: 5, MsgType: 14, APOptions: asn1.BitString{Bytes: f.Options, BitLength: 32}, Ticket: ticket, EncryptedAuthenticator: must(t, sealed, err2),
	}
	if f.Request != nil {
		f.Request(&request)
	}
	raw, err = request.Marshal()
	inner := append([]byte("\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\x00"), must(t, raw, err)...)
	return asn1tools.AddASNAppTag(inner, 0)
}

// PAC puts certificates into the ticket, in the wrapping that KDCs use.
func (f *Forge) PAC(t testing.TB, pacs ...[]byte) {
	t.Helper()
	var inner types.AuthorizationData
	for _, p := range pacs {
		inner = append(inner, types.AuthorizationDataEntry{ADType: adWin2KPAC, ADData: p})
	}
	f.relevant(t, inner)
}

// Stuff puts bytes that mean nothing into the ticket, as many groups would make it
// long.
func (f *Forge) Stuff(t testing.TB, size int) {
	t.Helper()
	const unknown = -7
	f.relevant(t, types.AuthorizationData{{ADType: unknown, ADData: make([]byte, size)}})
}

func (f *Forge) relevant(t testing.TB, inner types.AuthorizationData) {
	t.Helper()
	raw, err := asn1.Marshal(inner)
	f.Part.AuthorizationData = types.AuthorizationData{{ADType: adIfRelevant, ADData: must(t, raw, err)}}
}

func must[T any](t testing.TB, value T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return value
}
