package soak

import (
	"bufio"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/Azure/go-ntlmssp"
)

// user is one of people.
type user struct{ name, password string }

func (u user) basic() string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(u.name+":"+u.password))
}

// wire is one HTTP/1.1 connection.
type wire struct {
	nc   net.Conn
	read *bufio.Reader
	host string
}

func dial(address string) (*wire, error) {
	nc, err := net.DialTimeout("tcp", address, 5*time.Second)
	for try := 0; errors.Is(err, syscall.ECONNRESET) && try < 10; try++ { // the kernel's queue is full: some hundred dial at once
		time.Sleep(20 * time.Millisecond)
		nc, err = net.DialTimeout("tcp", address, 5*time.Second)
	}
	if err != nil {
		return nil, err
	}
	return &wire{nc: nc, read: bufio.NewReaderSize(nc, 1<<10), host: address}, nil
}

func (w *wire) close() { _ = w.nc.Close() }

// answer is a response, read to its end.
type answer struct {
	status    int
	text      string
	challenge []byte // of a Type 2
	closes    bool
}

// patience is longer than the site's own.
const patience = 25 * time.Second

// get sends one request and reads its answer.
func (w *wire) get(query, authorization string) (answer, error) {
	request := "GET /?" + query + " HTTP/1.1\r\nHost: " + w.host + "\r\n"
	if authorization != "" {
		request += "Authorization: " + authorization + "\r\n"
	}
	if err := w.nc.SetDeadline(time.Now().Add(patience)); err != nil {
		return answer{}, err
	}
	if _, err := io.WriteString(w.nc, request+"\r\n"); err != nil {
		return answer{}, err
	}
	response, err := http.ReadResponse(w.read, nil)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{status: response.StatusCode, text: string(text), closes: response.Close}
	for _, line := range response.Header.Values("Www-Authenticate") {
		if token, ok := strings.CutPrefix(line, "NTLM "); ok {
			if a.challenge, err = base64.StdEncoding.DecodeString(token); err != nil {
				return a, err
			}
		}
	}
	return a, nil
}

// negotiate sends a Type 1. The messages are go-ntlmssp's: a client that is not
// ours.
func (w *wire) negotiate(query string) (answer, error) {
	message, err := ntlmssp.NewNegotiateMessage("", "")
	if err != nil {
		return answer{}, err
	}
	return w.get(query, "NTLM "+base64.StdEncoding.EncodeToString(message))
}

var errNoChallenge = errors.New("no Type 2")

// logIn runs a handshake. Its answer is the last one; errNoChallenge comes with
// the answer to the Type 1.
func (w *wire) logIn(u user, query string) (answer, error) {
	first, err := w.negotiate(query)
	if err != nil {
		return first, err
	}
	if first.challenge == nil {
		return first, errNoChallenge
	}
	message, err := ntlmssp.NewAuthenticateMessage(first.challenge, `EXAMPLE\`+u.name, u.password, nil)
	if err != nil {
		return first, err
	}
	return w.get(query, "NTLM "+base64.StdEncoding.EncodeToString(message))
}
