package krbforge

import (
	"encoding/binary"
	"strings"

	"github.com/jcmturner/gokrb5/v8/types"
)

// Keytab is the bytes of a keytab file, version 2 of MIT's format, with keys of one
// version for a service.
func Keytab(realm, service string, version uint32, keys ...types.EncryptionKey) []byte {
	text := func(b []byte, s string) []byte {
		return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
	}
	file := []byte{5, 2}
	for _, k := range keys {
		components := strings.Split(service, "/")
		entry := binary.BigEndian.AppendUint16(nil, uint16(len(components)))
		entry = text(entry, realm)
		for _, c := range components {
			entry = text(entry, c)
		}
		entry = append(entry, 0, 0, 0, 1, 0, 0, 0, 0, byte(version)) // the name's type, no time
		entry = binary.BigEndian.AppendUint16(entry, uint16(k.KeyType))
		entry = text(entry, string(k.KeyValue))
		entry = binary.BigEndian.AppendUint32(entry, version)
		file = append(binary.BigEndian.AppendUint32(file, uint32(len(entry))), entry...)
	}
	return file
}
