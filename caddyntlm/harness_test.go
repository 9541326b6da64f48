package caddyntlm

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

// door is a handler behind net/http, wired as Caddy wires it, with an
// application that says whom it sees.
type door struct {
	*Handler
	t      *testing.T
	dir    *fakeDirectory
	server *httptest.Server
	logs   *observer.ObservedLogs
	inner  []caddyhttp.MiddlewareHandler // between the door and the application
	served atomic.Int64                  // requests that reached the application
	kept   store.Store                   // for sessions
}

// newDoor makes a door in front of a fake directory; change may alter the
// handler before it serves.
func newDoor(t *testing.T, change func(*door)) *door {
	t.Helper()
	d := prepareDoor(t, change)
	d.serve(d.handler())
	return d
}

// serve puts a handler, which may do more than ask the door, behind net/http.
func (d *door) serve(handler http.Handler) {
	d.server = httptest.NewUnstartedServer(handler)
	d.server.Config.ConnContext = d.conns.connContext
	d.server.Config.ConnState = d.conns.connState
	d.server.Start()
	d.t.Cleanup(d.close)
}

func prepareDoor(t *testing.T, change func(*door)) *door {
	t.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	d := &door{Handler: &Handler{InsecureBasic: true}, t: t, dir: newFakeDirectory("EXAMPLE"), logs: logs}
	d.log, d.now, d.Handler.server = zap.New(core), time.Now, new(caddyhttp.Server)
	if change != nil {
		change(d)
	}
	if err := d.settle([]directory{d.dir}); err != nil {
		t.Fatal(err)
	}
	if d.Session != nil {
		if d.kept == nil {
			d.kept = store.NewMemory(nil, d.now)
		}
		d.sessions = newSessions(d.Session, d.kept, d.now)
	}
	return d
}

// close ends the server and checks that no exchange was left open.
func (d *door) close() {
	d.server.CloseClientConnections()
	d.server.Close()
	d.conns.endAll()
	d.dir.checkClosed(d.t)
	if taken := d.pending.taken.Load(); taken != 0 {
		d.t.Errorf("got %d handshakes still counted, want 0", taken)
	}
}

// handler turns errors into statuses as caddyhttp.Server does.
func (d *door) handler() http.Handler {
	var next caddyhttp.Handler = caddyhttp.HandlerFunc(d.application)
	for i := len(d.inner) - 1; i >= 0; i-- {
		middleware, after := d.inner[i], next
		next = caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			return middleware.ServeHTTP(w, r, after)
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, nil)
		err := d.ServeHTTP(w, r, next)
		if failure, ok := errors.AsType[caddyhttp.HandlerError](err); ok {
			w.WriteHeader(failure.StatusCode)
		} else if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
}

// application answers "user:body" and fails the test when it sees a credential.
func (d *door) application(w http.ResponseWriter, r *http.Request) error {
	d.served.Add(1)
	if len(r.Header["Authorization"]) > 0 {
		d.t.Error("the application saw an Authorization header")
	}
	if strings.Contains(strings.Join(r.Header["Cookie"], ";"), hostPrefix+DefaultSessionCookie) {
		d.t.Error("the application saw the cookie of a session")
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	_, err = fmt.Fprint(w, repl.ReplaceAll("{http.auth.user.id}", "nobody")+":"+string(body))
	return err
}

func errUnavailable() error { return identity.Fail(identity.KindUnavailable, nil) }

// client is one connection.
type client struct {
	t    testing.TB
	nc   net.Conn
	read *bufio.Reader
	host string
}

func (d *door) dial(t testing.TB) *client {
	t.Helper()
	return dialAddress(t, d.server.Listener.Addr().String())
}

func dialAddress(t testing.TB, address string) *client {
	t.Helper()
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
	return &client{t: t, nc: nc, read: bufio.NewReader(nc), host: "site.example.com"}
}

// answer is a response, read to its end.
type answer struct {
	*http.Response
	text string
}

// send writes one request; headers are whole lines.
func (c *client) send(method, path, body string, headers ...string) {
	c.t.Helper()
	request := method + " " + path + " HTTP/1.1\r\nHost: " + c.host + "\r\n"
	if body != "" || method == "POST" {
		request += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	for _, h := range headers {
		request += h + "\r\n"
	}
	c.write(request + "\r\n" + body)
}

func (c *client) write(raw string) {
	c.t.Helper()
	if _, err := io.WriteString(c.nc, raw); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) receive(method string) answer {
	c.t.Helper()
	response, err := http.ReadResponse(c.read, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("reading the answer: %v", err)
	}
	text, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatalf("reading the body: %v", err)
	}
	return answer{response, string(text)}
}

func (c *client) get(headers ...string) answer {
	c.t.Helper()
	c.send("GET", "/", "", headers...)
	return c.receive("GET")
}

// challenge is the token of the Type 2 in an answer, or nil.
func (a answer) challenge() []byte {
	lines := a.Header.Values("Www-Authenticate")
	if len(lines) != 1 || !strings.HasPrefix(lines[0], "NTLM ") {
		return nil
	}
	c, err := parseAuthorization(lines)
	if err != nil {
		return nil
	}
	return c.message
}

// login runs a whole handshake and returns the last answer.
func (c *client) login(user, password string) answer {
	c.t.Helper()
	first := c.get(type1())
	if first.StatusCode != http.StatusUnauthorized || first.challenge() == nil {
		c.t.Fatalf("got %d %q to a Type 1, want 401 with a Type 2", first.StatusCode, first.Header)
	}
	return c.get(type3(first.challenge(), user, password))
}

// want checks a status and the challenges of an answer.
func (a answer) want(t testing.TB, status int, challenges ...string) {
	t.Helper()
	if a.StatusCode != status {
		t.Errorf("got status %d, want %d", a.StatusCode, status)
	}
	got := strings.Join(a.Header.Values("Www-Authenticate"), " | ")
	if want := strings.Join(challenges, " | "); got != want {
		t.Errorf("got challenges %q, want %q", got, want)
	}
}

// wantUser checks that the application answered to a user.
func (a answer) wantUser(t testing.TB, user string) {
	t.Helper()
	if want := user + ":"; a.StatusCode != http.StatusOK || a.text != want {
		t.Errorf("got %d %q, want 200 %q", a.StatusCode, a.text, want)
	}
}

// basicChallenge and both are what a door of these tests offers.
const basicChallenge = `Basic realm="site.example.com", charset="UTF-8"`

var both = []string{"NTLM", basicChallenge}

// reason is the reason in the last line of the log.
func (d *door) reason() string {
	lines := d.logs.FilterMessage(decision).All()
	if len(lines) == 0 {
		return ""
	}
	reason, _ := lines[len(lines)-1].ContextMap()["reason"].(string)
	return reason
}

// wantReason checks the reason in the last line of the log. The line is written
// before the answer.
func (d *door) wantReason(t testing.TB, kind identity.Kind) {
	t.Helper()
	if got := d.reason(); got != kind.String() {
		t.Errorf("got reason %q, want %q", got, kind)
	}
}

// newTLSServer serves HTTP/2 and HTTP/1.1 over TLS.
func newTLSServer(d *door) *httptest.Server {
	s := httptest.NewUnstartedServer(d.handler())
	s.Config.ConnContext, s.Config.ConnState = d.conns.connContext, d.conns.connState
	s.EnableHTTP2 = true
	s.StartTLS()
	return s
}

func readAnswer(t testing.TB, response *http.Response) answer {
	t.Helper()
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return answer{response, string(text)}
}
