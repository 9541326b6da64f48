package kdctest

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// PasswordKey is a user's AES256 key.
func PasswordKey(realm, user, password string, iterations uint32) []byte {
	e, err := crypto.GetEtype(etype)
	if err != nil {
		panic(err) // known
	}
	if iterations == 0 {
		iterations = 4096
	}
	value, err := e.StringToKey(password, realm+user, hex.EncodeToString(binary.BigEndian.AppendUint32(nil, iterations)))
	if err != nil {
		panic(err) // of any password
	}
	return value
}

// padata says how a user's key is made.
func (k *KDC) padata(user string) (types.PADataSequence, error) {
	entry := types.ETypeInfo2Entry{EType: etype, Salt: k.Realm + user}
	if k.Iterations != 0 {
		entry.S2KParams = binary.BigEndian.AppendUint32(nil, k.Iterations)
	}
	info, err := asn1.Marshal(types.ETypeInfo2{entry})
	return types.PADataSequence{{PADataType: 19, PADataValue: info}}, err
}

func (k *KDC) authenticate(raw []byte) ([]byte, error) {
	var request messages.ASReq
	if err := request.Unmarshal(raw); err != nil {
		return nil, err
	}
	user, suffix, isUPN := strings.Cut(strings.ToLower(request.ReqBody.CName.NameString[0]), "@")
	if isUPN && suffix != strings.ToLower(k.Realm) {
		return k.fail(68, nil) // KDC_ERR_WRONG_REALM
	}
	if other := k.Canonical[user]; other != "" {
		user = other
	}
	if k.Refuse != nil {
		if code, data := k.Refuse(user, ""); code != 0 {
			return k.fail(code, data)
		}
	}
	password, known := k.Users[user]
	if !known {
		return k.fail(6, nil)
	}
	padata, err := k.padata(user)
	if err != nil {
		return nil, err
	}
	key := types.EncryptionKey{KeyType: etype, KeyValue: PasswordKey(k.Realm, user, password, min(k.Iterations, 1<<18))}
	right, sent := k.judge(&request, key)
	switch {
	case !sent && !k.Lax:
		data, err := asn1.Marshal(padata)
		if err != nil {
			return nil, err
		}
		return k.fail(25, data)
	case sent && !right && !k.Lax && !k.Gullible:
		return k.fail(24, nil)
	}
	client := types.PrincipalName{NameType: 1, NameString: []string{user}}
	part := k.part(client, 0x33)
	if k.Granted != nil {
		k.Granted(part)
	}
	ticket, err := k.ticket(request.ReqBody.SName, ownKey, 1, part)
	if err != nil {
		return nil, err
	}
	sealed, err := seal(key, 25, k.reply(request.ReqBody, part), 3, 1)
	if err != nil {
		return nil, err
	}
	reply := messages.ASRep{KDCRepFields: messages.KDCRepFields{PVNO: 5, MsgType: 11, PAData: padata, CRealm: k.Realm, CName: client, Ticket: ticket, EncPart: sealed}}
	return reply.Marshal()
}

// judge looks at the encrypted time, where there is one.
func (k *KDC) judge(request *messages.ASReq, key types.EncryptionKey) (right, sent bool) {
	for _, pa := range request.PAData {
		if pa.PADataType != 2 {
			continue
		}
		k.mu.Lock()
		k.tried++
		k.mu.Unlock()
		var sealed types.EncryptedData
		if sealed.Unmarshal(pa.PADataValue) != nil {
			return false, true
		}
		_, err := crypto.DecryptEncPart(sealed, key, 1)
		return err == nil, true
	}
	return false, false
}

func (k *KDC) grant(raw []byte) ([]byte, error) {
	var request messages.TGSReq
	if err := request.Unmarshal(raw); err != nil {
		return nil, err
	}
	var ap messages.APReq
	if len(request.PAData) == 0 {
		return nil, errors.New("no PA-TGS-REQ")
	}
	if err := ap.Unmarshal(request.PAData[0].PADataValue); err != nil {
		return nil, err
	}
	if err := ap.Ticket.Decrypt(ownKey); err != nil {
		return k.fail(31, nil)
	}
	from, service := ap.Ticket.DecryptedEncPart, strings.Join(request.ReqBody.SName.NameString, "/")
	if k.Refuse != nil {
		if code, data := k.Refuse("", service); code != 0 {
			return k.fail(code, data)
		}
	}
	key, known := k.Services[service]
	if !known {
		return k.fail(7, nil)
	}
	part := k.part(from.CName, 0x44)
	said := k.reply(request.ReqBody, part)
	if k.Ticket != nil {
		k.Ticket(part)
	}
	ticket, err := k.ticket(request.ReqBody.SName, types.EncryptionKey{KeyType: etype, KeyValue: key}, k.Version, part)
	if err != nil {
		return nil, err
	}
	sealed, err := seal(from.Key, tagTGSRepPart, said, 8, 0)
	if err != nil {
		return nil, err
	}
	reply := messages.TGSRep{KDCRepFields: messages.KDCRepFields{PVNO: 5, MsgType: 13, CRealm: k.Realm, CName: from.CName, Ticket: ticket, EncPart: sealed}}
	return reply.Marshal()
}

// Keytab is the file of one AES256 key, in version 2 of MIT's format.
func Keytab(realm, service string, version uint8, key []byte) []byte {
	text := func(b []byte, s string) []byte { return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...) }
	parts := strings.Split(service, "/")
	entry := text(binary.BigEndian.AppendUint16(nil, uint16(len(parts))), realm)
	for _, part := range parts {
		entry = text(entry, part)
	}
	entry = append(entry, 0, 0, 0, 1, 0, 0, 0, 0, version, 0, etype)
	entry = text(entry, string(key))
	return append(binary.BigEndian.AppendUint32([]byte{5, 2}, uint32(len(entry))), entry...)
}
