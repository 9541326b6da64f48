package ldapsasl

import (
	"errors"
	"net"
	"sync/atomic"
)

// ErrNotice means that the server announced something unasked: the only such
// notification there is says that it hangs up, RFC 4511 4.4.1.
var ErrNotice = errors.New("the server announced that it disconnects")

// Gate is a net.Conn for an LDAP library. It lets in only whole, well-formed
// messages of at most MaxMessage bytes that answer something already asked,
// and reports the first other one as an error for good.
//
// Read is for one goroutine, as is Write: each Write must be one whole message.
type Gate struct {
	net.Conn
	asked  atomic.Int64 // the highest message ID sent
	left   []byte       // of the message being read
	failed atomic.Pointer[error]
}

// NewGate puts a gate before a connection.
func NewGate(conn net.Conn) *Gate { return &Gate{Conn: conn} }

// Write notes what is asked.
func (g *Gate) Write(message []byte) (int, error) {
	if id, _, err := messageID(message); err == nil {
		g.asked.Store(max(id, g.asked.Load()))
	}
	return g.Conn.Write(message)
}

// Read hands out the next message, in as many pieces as the reader likes.
func (g *Gate) Read(p []byte) (int, error) {
	if err := g.Err(); err != nil {
		return 0, err
	}
	if len(g.left) == 0 {
		left, err := g.next()
		if err != nil {
			g.failed.Store(&err)
			return 0, err
		}
		g.left = left
	}
	n := copy(p, g.left)
	g.left = g.left[n:]
	return n, nil
}

// Err is why no more is let in, nil while all is well. The library above loses
// it; any goroutine may ask.
func (g *Gate) Err() error {
	if err := g.failed.Load(); err != nil {
		return *err
	}
	return nil
}

func (g *Gate) next() ([]byte, error) {
	message, err := ReadMessage(g.Conn, MaxMessage)
	if err != nil {
		return nil, err
	}
	id, _, err := messageID(message)
	if err != nil {
		return nil, err
	}
	if id == 0 {
		return nil, ErrNotice
	}
	if id > g.asked.Load() {
		return nil, malformed("an answer to message %d, which was not sent", id)
	}
	return message, nil
}
