package smb2

import (
	"encoding/binary"
	"fmt"
	"io"
)

// maxMessage bounds a message: the most that is asked for in one READ, and the
// largest token, with their headers. Without it a server names 16 MiB, the
// frame's own limit, and has them kept.
const maxMessage = maxChunk + 4096

// writeFrame sends a message by the direct TCP transport, [MS-SMB2] 2.1: a byte
// of zero, a length of 24 bits, the message.
func writeFrame(w io.Writer, msg []byte) error {
	frame := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(msg)), uint32(len(msg)))
	_, err := w.Write(append(frame, msg...))
	return err
}

// readFrame reads the next message.
func readFrame(r io.Reader) ([]byte, error) {
	var prefix [4]byte
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		return nil, hangUp(err)
	}
	n := binary.BigEndian.Uint32(prefix[:])
	if n>>24 != 0 {
		return nil, malformed("direct TCP transport", "Zero", "%#x: is this an SMB server?", n>>24)
	}
	if n > maxMessage {
		return nil, malformed("direct TCP transport", "StreamProtocolLength", "%d bytes, over %d", n, maxMessage)
	}
	msg := make([]byte, n)
	if _, err := io.ReadFull(r, msg); err != nil {
		return nil, hangUp(err)
	}
	return msg, nil
}

// hangUp names the end of the connection: whoever reads waits for an answer.
func hangUp(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("the server closed the connection: %w", io.ErrUnexpectedEOF)
	}
	return err
}
