package integration

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
	"unicode/utf16"
)

// responseReader reads responses one after another and swallows their bodies.
type responseReader struct{ buffered *bufio.Reader }

func newResponseReader(conn net.Conn) *responseReader {
	return &responseReader{buffered: bufio.NewReader(conn)}
}

func (r *responseReader) next(t *testing.T) *http.Response {
	t.Helper()
	response, err := http.ReadResponse(r.buffered, nil)
	if err != nil {
		t.Fatalf("reading the answer: %v", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("reading the answer's body: %v", err)
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response
}

// type3 writes an AUTHENTICATE_MESSAGE, [MS-NLMP] 2.2.1.3, by hand: no library
// writes the ones these tests are about.
func type3(flags uint32, lm, nt, domain, user []byte) []byte {
	const header = 64
	message := append([]byte("NTLMSSP\x00"), 3, 0, 0, 0)
	offset := uint32(header)
	for _, field := range [][]byte{lm, nt, domain, user, nil, nil} {
		message = binary.LittleEndian.AppendUint16(message, uint16(len(field)))
		message = binary.LittleEndian.AppendUint16(message, uint16(len(field)))
		message = binary.LittleEndian.AppendUint32(message, offset)
		offset += uint32(len(field))
	}
	message = binary.LittleEndian.AppendUint32(message, flags)
	return append(message, bytes.Join([][]byte{lm, nt, domain, user}, nil)...)
}

// anonymousType3 is the one that controllers gladly accept, [MS-NLMP] 3.2.5.1.2.
func anonymousType3(challenge []byte) []byte {
	flags := binary.LittleEndian.Uint32(challenge[20:]) | 0x00000800
	return type3(flags&^0x40000000, []byte{0}, nil, nil, nil)
}

// v1Type3 has responses of 24 bytes, as NTLMv1's are.
func v1Type3(challenge []byte, user, domain string) []byte {
	flags := binary.LittleEndian.Uint32(challenge[20:])
	response := bytes.Repeat([]byte{0x5A}, 24)
	return type3(flags&^0x40000000, response, response, utf16LE(domain), utf16LE(user))
}

// v2Type3 has a response of NTLMv2's shape, [MS-NLMP] 2.2.2.7, made with no
// password: it is for what is refused by its name.
func v2Type3(challenge []byte, user, domain string) []byte {
	flags := binary.LittleEndian.Uint32(challenge[20:])
	client := append([]byte{1, 1, 0, 0, 0, 0, 0, 0}, make([]byte, 8+8+4)...) // versions, time, challenge, reserved
	client = append(client, 0, 0, 0, 0)                                      // MsvAvEOL
	response := append(bytes.Repeat([]byte{0x5A}, 16), client...)
	return type3(flags&^0x40000000, nil, append(response, 0, 0, 0, 0), utf16LE(domain), utf16LE(user))
}

func utf16LE(text string) []byte {
	var b []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		b = binary.LittleEndian.AppendUint16(b, unit)
	}
	return b
}

// postTooMuch sends a Type 1 with a body that is announced longer than any cap,
// and gives the status that comes before the body is all sent.
func (c *rawClient) postTooMuch(t *testing.T, negotiate []byte) int {
	t.Helper()
	head := "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000000\r\nAuthorization: NTLM " +
		base64.StdEncoding.EncodeToString(negotiate) + "\r\n\r\n"
	go func() {
		_, _ = c.conn.Write([]byte(head))
		chunk := make([]byte, 1<<20)
		for range 32 {
			if _, err := c.conn.Write(chunk); err != nil {
				return
			}
		}
	}()
	if err := c.conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c.reader.next(t).StatusCode
}
