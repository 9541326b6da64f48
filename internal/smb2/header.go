package smb2

import (
	"encoding/binary"
	"fmt"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
)

// Command is the kind of a request and of its answer, [MS-SMB2] 2.2.1.2.
type Command uint16

// The commands that are used here.
const (
	Negotiate      Command = 0
	SessionSetup   Command = 1
	Logoff         Command = 2
	TreeConnect    Command = 3
	TreeDisconnect Command = 4
	Create         Command = 5
	Close          Command = 6
	Read           Command = 8
	Write          Command = 9
	IOCtl          Command = 11
)

var commandNames = map[Command]string{
	Negotiate: "NEGOTIATE", SessionSetup: "SESSION_SETUP", Logoff: "LOGOFF", TreeConnect: "TREE_CONNECT",
	TreeDisconnect: "TREE_DISCONNECT", Create: "CREATE", Close: "CLOSE", Read: "READ", Write: "WRITE", IOCtl: "IOCTL",
}

// String gives the name in [MS-SMB2].
func (c Command) String() string {
	if name := commandNames[c]; name != "" {
		return name
	}
	return fmt.Sprintf("command %d", uint16(c))
}

// The flags of a header, [MS-SMB2] 2.2.1.2.
const (
	flagResponse uint32 = 0x00000001 // SMB2_FLAGS_SERVER_TO_REDIR
	flagAsync    uint32 = 0x00000002 // SMB2_FLAGS_ASYNC_COMMAND
	flagSigned   uint32 = 0x00000008 // SMB2_FLAGS_SIGNED
)

// The layout of a header, [MS-SMB2] 2.2.1.1 and 2.2.1.2.
const (
	headerLen    = 64
	flagsAt      = 16
	messageIDAt  = 24
	signatureAt  = 48
	signatureLen = 16
)

// The first four bytes of a message say what it is.
const (
	protocolSMB1       = "\xffSMB"
	protocolSMB2       = "\xfeSMB"
	protocolTransform  = "\xfdSMB" // encrypted, [MS-SMB2] 2.2.41
	protocolCompressed = "\xfcSMB" // [MS-SMB2] 2.2.42
)

// header is the SMB2 header of a message, [MS-SMB2] 2.2.1.
type header struct {
	creditCharge uint16
	status       ntstatus.Status // in an answer
	command      Command
	credits      uint16 // asked for, or granted
	flags        uint32
	nextCommand  uint32
	messageID    uint64
	asyncID      uint64 // with flagAsync
	treeID       uint32 // without
	sessionID    uint64
	signature    [signatureLen]byte
}

func (h *header) marshal() []byte {
	b := append(make([]byte, 0, headerLen+128), protocolSMB2...)
	b = binary.LittleEndian.AppendUint16(b, headerLen)
	b = binary.LittleEndian.AppendUint16(b, h.creditCharge)
	b = binary.LittleEndian.AppendUint32(b, uint32(h.status))
	b = binary.LittleEndian.AppendUint16(b, uint16(h.command))
	b = binary.LittleEndian.AppendUint16(b, h.credits)
	b = binary.LittleEndian.AppendUint32(b, h.flags)
	b = binary.LittleEndian.AppendUint32(b, h.nextCommand)
	b = binary.LittleEndian.AppendUint64(b, h.messageID)
	if h.flags&flagAsync != 0 {
		b = binary.LittleEndian.AppendUint64(b, h.asyncID)
	} else {
		b = binary.LittleEndian.AppendUint64(b, uint64(h.treeID)<<32) // after four reserved bytes
	}
	b = binary.LittleEndian.AppendUint64(b, h.sessionID)
	return append(b, h.signature[:]...)
}

// parseHeader reads the header of a message that is neither encrypted nor
// compressed.
func parseHeader(msg []byte) (header, error) {
	const name = "SMB2 header"
	if len(msg) < 4 {
		return header{}, malformed(name, "ProtocolId", "a message of %d bytes", len(msg))
	}
	switch string(msg[:4]) {
	case protocolSMB2:
	case protocolSMB1:
		return header{}, ErrSMB1
	case protocolTransform:
		return header{}, malformed(name, "ProtocolId", "an encrypted message, and no encryption was agreed on")
	case protocolCompressed:
		return header{}, malformed(name, "ProtocolId", "a compressed message, and no compression was agreed on")
	default:
		return header{}, malformed(name, "ProtocolId", "no SMB message: is this an SMB server?")
	}
	if len(msg) < headerLen {
		return header{}, malformed(name, "StructureSize", "%d bytes of %d", len(msg), headerLen)
	}
	if size := binary.LittleEndian.Uint16(msg[4:]); size != headerLen {
		return header{}, malformed(name, "StructureSize", "%d, not %d", size, headerLen)
	}
	h := header{
		creditCharge: binary.LittleEndian.Uint16(msg[6:]),
		status:       ntstatus.Status(binary.LittleEndian.Uint32(msg[8:])),
		command:      Command(binary.LittleEndian.Uint16(msg[12:])),
		credits:      binary.LittleEndian.Uint16(msg[14:]),
		flags:        binary.LittleEndian.Uint32(msg[flagsAt:]),
		nextCommand:  binary.LittleEndian.Uint32(msg[20:]),
		messageID:    binary.LittleEndian.Uint64(msg[messageIDAt:]),
		sessionID:    binary.LittleEndian.Uint64(msg[40:]),
		signature:    [signatureLen]byte(msg[signatureAt:headerLen]),
	}
	if h.flags&flagAsync != 0 {
		h.asyncID = binary.LittleEndian.Uint64(msg[32:])
	} else {
		h.treeID = binary.LittleEndian.Uint32(msg[36:])
	}
	return h, nil
}
