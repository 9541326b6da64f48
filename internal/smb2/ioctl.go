package smb2

import "encoding/binary"

// The control codes that are used, [MS-SMB2] 2.2.31.
const (
	fsctlValidateNegotiate = 0x00140204

	ioctlIsFSCTL = 0x00000001 // SMB2_0_IOCTL_IS_FSCTL
)

// noFile stands for the file of a control code that is about none.
var noFile = fileID{
	0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
}

// ioctlRequest writes an SMB2 IOCTL Request, [MS-SMB2] 2.2.31, whose answer may
// hold n bytes.
func ioctlRequest(code uint32, file fileID, input []byte, n uint32) []byte {
	const size, fixed = 57, 56
	b := make([]byte, fixed, fixed+len(input))
	binary.LittleEndian.PutUint16(b, size)
	binary.LittleEndian.PutUint32(b[4:], code)
	copy(b[8:], file[:])
	binary.LittleEndian.PutUint32(b[24:], headerLen+fixed)
	binary.LittleEndian.PutUint32(b[28:], uint32(len(input)))
	binary.LittleEndian.PutUint32(b[44:], n)
	binary.LittleEndian.PutUint32(b[48:], ioctlIsFSCTL)
	return append(b, input...)
}

// parseIOCtl reads an SMB2 IOCTL Response, [MS-SMB2] 2.2.32, to a request of this
// code for at most n bytes. The output is part of the message.
func parseIOCtl(msg []byte, code, n uint32) ([]byte, error) {
	b, err := openBody("IOCTL Response", msg, 49, 48)
	if err != nil {
		return nil, err
	}
	if got := b.uint32(4); got != code {
		return nil, malformed(b.name, "CtlCode", "%#x, not the %#x that was asked", got, code)
	}
	if got := b.uint32(36); got > n {
		return nil, malformed(b.name, "OutputCount", "%d bytes where %d were asked for", got, n)
	}
	return b.buffer("Buffer", uint64(b.uint32(32)), uint64(b.uint32(36)))
}

// validateInput is a VALIDATE_NEGOTIATE_INFO Request, [MS-SMB2] 2.2.31.4: what
// was said in NEGOTIATE, once more, signed.
func (r *negotiateRequest) validateInput() []byte {
	guid := r.clientGUID()
	b := binary.LittleEndian.AppendUint32(nil, r.capabilities())
	b = append(b, guid[:]...)
	b = binary.LittleEndian.AppendUint16(b, uint16(r.securityMode()))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(r.dialects)))
	for _, d := range r.dialects {
		b = binary.LittleEndian.AppendUint16(b, uint16(d))
	}
	return b
}

// validateLen is the size of a VALIDATE_NEGOTIATE_INFO Response,
// [MS-SMB2] 2.2.32.6.
const validateLen = 24

// validate holds a VALIDATE_NEGOTIATE_INFO Response against what the server said
// first, [MS-SMB2] 3.2.5.14.12.
func (n *negotiated) validate(output []byte) error {
	if len(output) != validateLen ||
		binary.LittleEndian.Uint32(output) != n.capabilities ||
		[16]byte(output[4:20]) != n.guid ||
		binary.LittleEndian.Uint16(output[20:]) != n.securityMode ||
		Dialect(binary.LittleEndian.Uint16(output[22:])) != n.dialect {
		return ErrDowngrade
	}
	return nil
}
