package smb2

import "encoding/binary"

// maxChunk bounds what one READ, WRITE or IOCTL carries: 64 KiB are one credit,
// [MS-SMB2] 3.1.5.2.
const maxChunk = 65536

// readRequest writes an SMB2 READ Request, [MS-SMB2] 2.2.19, for at most n
// bytes.
func readRequest(file fileID, n uint32) []byte {
	const size, fixed = 49, 48
	b := make([]byte, fixed+1) // the buffer is a byte of zero
	binary.LittleEndian.PutUint16(b, size)
	b[2] = headerLen + 16 // where the answer's data is to be
	binary.LittleEndian.PutUint32(b[4:], n)
	copy(b[16:], file[:])
	return b
}

// parseRead reads an SMB2 READ Response, [MS-SMB2] 2.2.20, to a request for at
// most n bytes. The data is part of the message.
func parseRead(msg []byte, n uint32) ([]byte, error) {
	b, err := openBody("READ Response", msg, 17, 16)
	if err != nil {
		return nil, err
	}
	if got := b.uint32(4); got > n {
		return nil, malformed(b.name, "DataLength", "%d bytes where %d were asked for", got, n)
	}
	return b.buffer("Buffer", uint64(b.uint8(2)), uint64(b.uint32(4)))
}

// writeRequest writes an SMB2 WRITE Request, [MS-SMB2] 2.2.21.
func writeRequest(file fileID, data []byte) []byte {
	const size, fixed = 49, 48
	b := make([]byte, fixed, fixed+len(data))
	binary.LittleEndian.PutUint16(b, size)
	binary.LittleEndian.PutUint16(b[2:], headerLen+fixed)
	binary.LittleEndian.PutUint32(b[4:], uint32(len(data)))
	copy(b[16:], file[:])
	return append(b, data...)
}

// parseWrite reads an SMB2 WRITE Response, [MS-SMB2] 2.2.22: how many of n bytes
// were taken.
func parseWrite(msg []byte, n int) (int, error) {
	b, err := openBody("WRITE Response", msg, 17, 16)
	if err != nil {
		return 0, err
	}
	count := b.uint32(4)
	if uint64(count) > uint64(n) {
		return 0, malformed(b.name, "Count", "%d bytes where %d were sent", count, n)
	}
	return int(count), nil
}
