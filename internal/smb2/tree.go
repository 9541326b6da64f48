package smb2

import (
	"encoding/binary"
	"unicode/utf16"
)

const (
	sharePipe    = 0x02       // SMB2_SHARE_TYPE_PIPE, [MS-SMB2] 2.2.10
	shareEncrypt = 0x00008000 // SMB2_SHAREFLAG_ENCRYPT_DATA
)

// treeRequest writes an SMB2 TREE_CONNECT Request, [MS-SMB2] 2.2.9. path is as
// \\server\share.
func treeRequest(path string) []byte {
	const size, fixed = 9, 8
	text := encodeUTF16(path)
	b := make([]byte, fixed, fixed+len(text))
	binary.LittleEndian.PutUint16(b, size)
	binary.LittleEndian.PutUint16(b[4:], headerLen+fixed)
	binary.LittleEndian.PutUint16(b[6:], uint16(len(text)))
	return append(b, text...)
}

// treeAnswer is an SMB2 TREE_CONNECT Response, [MS-SMB2] 2.2.10.
type treeAnswer struct {
	kind  uint8 // of share
	flags uint32
}

func parseTree(msg []byte) (treeAnswer, error) {
	b, err := openBody("TREE_CONNECT Response", msg, 16, 16)
	if err != nil {
		return treeAnswer{}, err
	}
	return treeAnswer{kind: b.uint8(2), flags: b.uint32(4)}, nil
}

// emptyRequest writes the structure of requests that say nothing: LOGOFF and
// TREE_DISCONNECT, [MS-SMB2] 2.2.7 and 2.2.11.
func emptyRequest() []byte { return []byte{4, 0, 0, 0} }

func encodeUTF16(s string) []byte {
	var b []byte
	for _, unit := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, unit)
	}
	return b
}
