package smb2

import "encoding/binary"

// errorBody is an SMB2 ERROR Response without data, [MS-SMB2] 2.2.2.
var errorBody = []byte{9, 0, 0, 0, 0, 0, 0, 0, 0}

// The builders write what the parsers read.

func buildNegotiate(n *negotiated) []byte {
	b := make([]byte, negotiateFixed)
	binary.LittleEndian.PutUint16(b, negotiateFixed+1)
	binary.LittleEndian.PutUint16(b[2:], n.securityMode)
	binary.LittleEndian.PutUint16(b[4:], uint16(n.dialect))
	binary.LittleEndian.PutUint16(b[6:], uint16(len(n.contexts)))
	copy(b[8:], n.guid[:])
	binary.LittleEndian.PutUint32(b[24:], n.capabilities)
	binary.LittleEndian.PutUint32(b[28:], n.maxTransact)
	binary.LittleEndian.PutUint32(b[32:], n.maxRead)
	binary.LittleEndian.PutUint32(b[36:], n.maxWrite)
	binary.LittleEndian.PutUint16(b[56:], headerLen+negotiateFixed)
	binary.LittleEndian.PutUint16(b[58:], uint16(len(n.token)))
	b = pad8(append(b, n.token...))
	binary.LittleEndian.PutUint32(b[60:], uint32(headerLen+len(b)))
	return appendContexts(b, n.contexts)
}

func buildSetup(s setupAnswer) []byte {
	b := []byte{9, 0, byte(s.flags), byte(s.flags >> 8), headerLen + 8, 0}
	b = binary.LittleEndian.AppendUint16(b, uint16(len(s.token)))
	return append(b, s.token...)
}

func buildTree(t treeAnswer) []byte {
	b := binary.LittleEndian.AppendUint32([]byte{16, 0, t.kind, 0}, t.flags)
	return append(b, make([]byte, 8)...)
}

func buildCreate(file fileID) []byte {
	b := make([]byte, 88)
	b[0] = 89
	copy(b[64:], file[:])
	return b
}

func buildWrite(n int) []byte {
	b := binary.LittleEndian.AppendUint32([]byte{17, 0, 0, 0}, uint32(n))
	return append(b, make([]byte, 8)...)
}

func buildRead(data []byte) []byte {
	b := binary.LittleEndian.AppendUint32([]byte{17, 0, headerLen + 16, 0}, uint32(len(data)))
	return append(append(b, make([]byte, 8)...), data...)
}

func buildIOCtl(code uint32, output []byte) []byte {
	b := make([]byte, 48)
	b[0] = 49
	binary.LittleEndian.PutUint32(b[4:], code)
	binary.LittleEndian.PutUint32(b[32:], headerLen+48)
	binary.LittleEndian.PutUint32(b[36:], uint32(len(output)))
	return append(b, output...)
}
