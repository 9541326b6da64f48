package krb

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

// forge makes requests as clients and KDCs do, and as they should not. What it
// makes unchanged is good: integration shows that Apache's mod_auth_gssapi takes
// it.
type forge struct {
	realm, service string
	now            time.Time
	long           types.EncryptionKey // the service's
	version        int

	part    messages.EncTicketPart
	sent    types.Authenticator
	options []byte
	ticket  func(*messages.Ticket) // changes it after it was sealed
	request func(*messages.APReq)
	plain   func([]byte) []byte // changes what is sealed as the ticket's inside
}

func aKey(etype int32, fill byte) types.EncryptionKey {
	return types.EncryptionKey{KeyType: etype, KeyValue: bytes.Repeat([]byte{fill}, keyLengths[etype])}
}

func newForge(now time.Time, long types.EncryptionKey) *forge {
	alice := types.PrincipalName{NameType: 1, NameString: []string{"alice"}}
	sum := make([]byte, 24)
	binary.LittleEndian.PutUint32(sum, 16)
	return &forge{
		realm: "EXAMPLE.TEST", service: "HTTP/web.example.test", now: now, long: long, version: 3,
		part: messages.EncTicketPart{
			Flags: types.NewKrbFlags(), Key: aKey(long.KeyType, 0x55), CRealm: "EXAMPLE.TEST", CName: alice,
			AuthTime: now.Add(-time.Hour), StartTime: now.Add(-time.Minute), EndTime: now.Add(9 * time.Hour),
		},
		sent: types.Authenticator{
			AVNO: 5, CRealm: "EXAMPLE.TEST", CName: alice, CTime: now.Truncate(time.Second), Cusec: 7, SeqNumber: 42,
			Cksum: types.Checksum{CksumType: checksumGSS, Checksum: sum},
		},
		options: []byte{0x20, 0, 0, 0}, // mutual
	}
}

func must[T any](t testing.TB, value T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// token is the GSS-API token.
func (f *forge) token(t testing.TB) []byte {
	t.Helper()
	raw, err := asn1.Marshal(f.part)
	plain := asn1tools.AddASNAppTag(must(t, raw, err), 3)
	if f.plain != nil {
		plain = f.plain(plain)
	}
	sealed, err := crypto.GetEncryptedData(plain, f.long, usageTicket, f.version)
	ticket := messages.Ticket{TktVNO: 5, Realm: f.realm, SName: types.NewPrincipalName(2, f.service), EncPart: must(t, sealed, err)}
	if f.ticket != nil {
		f.ticket(&ticket)
	}
	raw, err = f.sent.Marshal()
	sealed, err2 := crypto.GetEncryptedData(must(t, raw, err), f.part.Key, usageAuthenticator, 0)
	request := messages.APReq{
		PVNO: 5, MsgType: 14, APOptions: asn1.BitString{Bytes: f.options, BitLength: 32}, Ticket: ticket, EncryptedAuthenticator: must(t, sealed, err2),
	}
	if f.request != nil {
		f.request(&request)
	}
	raw, err = request.Marshal()
	return frame(tokenAPReq, must(t, raw, err))
}

// pac puts one into the ticket, in the wrapping that KDCs use.
func (f *forge) pac(t testing.TB, pacs ...[]byte) {
	t.Helper()
	var inner types.AuthorizationData
	for _, p := range pacs {
		inner = append(inner, types.AuthorizationDataEntry{ADType: adWin2KPAC, ADData: p})
	}
	raw, err := asn1.Marshal(inner)
	f.part.AuthorizationData = types.AuthorizationData{{ADType: adIfRelevant, ADData: must(t, raw, err)}}
}

// keytabOf is a keytab with keys for one name, each with its version.
func keytabOf(realm, service string, keys map[int]types.EncryptionKey) *Keytab {
	table := new(Keytab)
	for version, k := range keys {
		table.Keys = append(table.Keys, &Key{Realm: realm, Name: []string{service}, Version: uint32(version), Etype: k.KeyType, value: k})
	}
	return table
}
