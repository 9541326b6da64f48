// Package kdctest is a small KDC on loopback, for tests of those who ask one. It
// knows users by their passwords and services by keys, speaks RFC 4120 with
// AES256 over TCP, and lies where it is told to.
package kdctest

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/asn1tools"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// KDC is one. Its fields are set before the first question.
type KDC struct {
	Realm string
	// Users are names and passwords, Services names and AES256 keys.
	Users    map[string]string
	Services map[string][]byte
	// Canonical are other names of users: what is asked for, and what is granted.
	Canonical map[string]string
	// Version is the kvno of services' keys.
	Version int
	// Lax wants no preauthentication.
	Lax bool
	// Gullible takes any password for the right one.
	Gullible bool
	// Iterations are what it says keys of passwords are made with; zero says
	// nothing.
	Iterations uint32
	// Refuse gives a code, and data with it, instead of an answer; nil and zero
	// refuse nothing.
	Refuse func(user, service string) (code int32, data []byte)
	// Granted changes a ticket for the KDC itself, and what the client is told of
	// it. Ticket changes a service's ticket before it is sealed.
	Granted, Ticket func(*messages.EncTicketPart)
	// Answer changes what is sent.
	Answer func([]byte) []byte

	// Addr is where it listens, host:port.
	Addr string

	mu              sync.Mutex
	tried, answered int
}

const (
	etype         = 18 // aes256-cts-hmac-sha1-96
	tagASReq      = 0x6a
	tagTicketPart = 3
	tagTGSRepPart = 26
)

var ownKey = types.EncryptionKey{KeyType: etype, KeyValue: bytes.Repeat([]byte{0x77}, 32)}

// Start serves until the test ends.
func (k *KDC) Start(t testing.TB) *KDC {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		serving.Wait()
	})
	k.Addr = l.Addr().String()
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { k.serve(c) })
		}
	})
	return k
}

// Tried is how many passwords were sent to it.
func (k *KDC) Tried() int { k.mu.Lock(); defer k.mu.Unlock(); return k.tried }

// Answered is how many questions of all kinds it has answered.
func (k *KDC) Answered() int { k.mu.Lock(); defer k.mu.Unlock(); return k.answered }

func (k *KDC) serve(c net.Conn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	var head [4]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return
	}
	request := make([]byte, binary.BigEndian.Uint32(head[:])&0xFFFFF)
	if _, err := io.ReadFull(c, request); err != nil {
		return
	}
	answer, err := k.answer(request)
	if err != nil {
		return
	}
	if k.Answer != nil {
		answer = k.Answer(answer)
	}
	k.mu.Lock()
	k.answered++
	k.mu.Unlock()
	_, _ = c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(answer))), answer...))
}

func (k *KDC) answer(request []byte) ([]byte, error) {
	if request[0] == tagASReq {
		return k.authenticate(request)
	}
	return k.grant(request)
}

// fail is a KRB-ERROR.
func (k *KDC) fail(code int32, data []byte) ([]byte, error) {
	e := messages.NewKRBError(types.PrincipalName{NameType: 2, NameString: []string{"krbtgt", k.Realm}}, k.Realm, code, "")
	e.EData = data
	return e.Marshal()
}

func seal(key types.EncryptionKey, tag int, part any, usage uint32, version int) (types.EncryptedData, error) {
	raw, err := asn1.Marshal(part)
	if err != nil {
		return types.EncryptedData{}, err
	}
	return crypto.GetEncryptedData(asn1tools.AddASNAppTag(raw, tag), key, usage, version)
}

// ticket is one for a client, with the session key that the part has.
func (k *KDC) ticket(service types.PrincipalName, key types.EncryptionKey, version int, part *messages.EncTicketPart) (messages.Ticket, error) {
	sealed, err := seal(key, tagTicketPart, *part, 2, version)
	return messages.Ticket{TktVNO: 5, Realm: k.Realm, SName: service, EncPart: sealed}, err
}

func (k *KDC) part(client types.PrincipalName, session byte) *messages.EncTicketPart {
	now := time.Now().UTC().Truncate(time.Second)
	return &messages.EncTicketPart{
		Flags: types.NewKrbFlags(), Key: types.EncryptionKey{KeyType: etype, KeyValue: bytes.Repeat([]byte{session}, 32)},
		CRealm: k.Realm, CName: client, AuthTime: now, StartTime: now, EndTime: now.Add(time.Hour),
	}
}

func (k *KDC) reply(body messages.KDCReqBody, part *messages.EncTicketPart) messages.EncKDCRepPart {
	return messages.EncKDCRepPart{
		Key: part.Key, LastReqs: []messages.LastReq{{LRValue: part.AuthTime}}, Nonce: body.Nonce, Flags: types.NewKrbFlags(),
		AuthTime: part.AuthTime, StartTime: part.StartTime, EndTime: part.EndTime, SRealm: k.Realm, SName: body.SName,
	}
}
