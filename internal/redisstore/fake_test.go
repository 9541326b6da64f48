package redisstore

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
)

// newFake is a store whose server answers each command with what answer gives, as it
// goes over the wire.
func newFake(t testing.TB, config Config, answer func(command []string) string) *Store {
	t.Helper()
	config.Address = "redis.example.com:6379"
	s, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	s.dial = func(context.Context, string, *net.Dialer, *tls.Config) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go serve(theirs, answer, false)
		return ours, nil
	}
	return s
}

// serve answers until the other end closes, or with once one command besides HELLO.
func serve(c net.Conn, answer func([]string) string, once bool) {
	defer c.Close()
	for r := bufio.NewReader(c); ; {
		command, err := readCommand(r)
		if err != nil {
			return
		}
		if _, err := c.Write([]byte(answer(command))); err != nil || once && command[0] != "HELLO" {
			return
		}
	}
}

func readCommand(r *bufio.Reader) ([]string, error) {
	number := func() (int, error) {
		line, err := r.ReadString('\n')
		if err != nil || len(line) < 3 {
			return 0, io.ErrUnexpectedEOF
		}
		return strconv.Atoi(strings.TrimSpace(line[1:]))
	}
	n, err := number()
	command := make([]string, n)
	for i := range command {
		var length int
		if length, err = number(); err != nil {
			return nil, err
		}
		text := make([]byte, length+2)
		if _, err = io.ReadFull(r, text); err != nil {
			return nil, err
		}
		command[i] = string(text[:length])
	}
	return command, err
}

// hello is what a server says when a connection begins.
const hello = "%7\r\n+server\r\n+redis\r\n+version\r\n+7.0.0\r\n+proto\r\n:3\r\n+id\r\n:1\r\n+mode\r\n+standalone\r\n+role\r\n+master\r\n+modules\r\n*0\r\n"

func blob(text string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(text), text) }
