package smb2

import "encoding/binary"

const (
	impersonation = 2          // ImpersonationLevel, [MS-SMB2] 2.2.13
	pipeAccess    = 0x0012019F // reading and writing of data, attributes and the rest, [MS-SMB2] 2.2.13.1.1
	shareAccess   = 0x00000003 // FILE_SHARE_READ and FILE_SHARE_WRITE
	openExisting  = 0x00000001 // FILE_OPEN
)

// fileID names what CREATE opened, [MS-SMB2] 2.2.14.1.
type fileID [16]byte

// createRequest writes an SMB2 CREATE Request, [MS-SMB2] 2.2.13, for a pipe that
// is there. name is without a backslash.
func createRequest(name string) []byte {
	const size, fixed = 57, 56
	text := encodeUTF16(name)
	b := make([]byte, fixed, fixed+len(text))
	binary.LittleEndian.PutUint16(b, size)
	binary.LittleEndian.PutUint32(b[4:], impersonation)
	binary.LittleEndian.PutUint32(b[24:], pipeAccess)
	binary.LittleEndian.PutUint32(b[32:], shareAccess)
	binary.LittleEndian.PutUint32(b[36:], openExisting)
	binary.LittleEndian.PutUint16(b[44:], headerLen+fixed)
	binary.LittleEndian.PutUint16(b[46:], uint16(len(text)))
	return append(b, text...)
}

// parseCreate reads an SMB2 CREATE Response, [MS-SMB2] 2.2.14. No create contexts
// are asked for, and none are read.
func parseCreate(msg []byte) (fileID, error) {
	b, err := openBody("CREATE Response", msg, 89, 88)
	if err != nil {
		return fileID{}, err
	}
	return b.bytes16(64), nil
}

// closeRequest writes an SMB2 CLOSE Request, [MS-SMB2] 2.2.15.
func closeRequest(file fileID) []byte {
	return append([]byte{24, 0, 0, 0, 0, 0, 0, 0}, file[:]...)
}
