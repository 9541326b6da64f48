package ntlm

import (
	"crypto/md5"
	"encoding/binary"
)

// ChannelBindings is the value of MsvAvChannelBindings: MD5 over a
// gss_channel_bindings_struct, RFC 2744 3.11, that has no addresses.
// applicationData is the prefix of the binding's type and its value, RFC 5929:
// "tls-server-end-point:" and the hash of the server's certificate. The same
// value is the Bnd of RFC 4121 4.1.1.
func ChannelBindings(applicationData []byte) [16]byte {
	var head [20]byte // address types and lengths, then the data's length
	binary.LittleEndian.PutUint32(head[16:], uint32(len(applicationData)))
	h := md5.New()
	return sum16(h, head[:], applicationData)
}
