package soak

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"
)

// tally counts what the crowd was answered.
type tally struct {
	right           atomic.Int64 // 200 with the right user
	wrong           atomic.Int64 // 200 with another user, or another's query
	unauthenticated atomic.Int64 // 200 where nobody is known
	refused         atomic.Int64 // 401 where nobody is known, as it must be
	forgotten       atomic.Int64 // 401 where somebody was: after a reload, say
	throttled       atomic.Int64 // 429: of an account that somebody has just mistyped
	unavailable     atomic.Int64 // 503
	odd             atomic.Int64 // any other status
	lost            atomic.Int64 // connections that ended under a request
	logIns          atomic.Int64
	sent            atomic.Int64
	streams         atomic.Int64           // of sent, those over HTTP/2
	example         atomic.Pointer[string] // of a wrong or odd one
}

func (c *tally) String() string {
	return fmt.Sprintf("%d requests, %d of them over HTTP/2, %d log-ins: %d right, %d refused as due, %d forgotten, %d throttled, %d unavailable, %d odd, %d lost; %d wrong, %d unauthenticated 200",
		c.sent.Load(), c.streams.Load(), c.logIns.Load(), c.right.Load(), c.refused.Load(), c.forgotten.Load(), c.throttled.Load(), c.unavailable.Load(), c.odd.Load(),
		c.lost.Load(), c.wrong.Load(), c.unauthenticated.Load())
}

// judge counts an answer: due is the user whom it must be for, empty for
// nobody. It reports whether that user is known.
func (c *tally) judge(a answer, due, query string) bool {
	c.sent.Add(1)
	switch {
	case a.status == 200 && due == "":
		c.unauthenticated.Add(1)
	case a.status == 200 && a.text != due+"|"+query:
		c.wrong.Add(1)
	case a.status == 200:
		c.right.Add(1)
		return true
	case a.status == 401 && due == "":
		c.refused.Add(1)
		return false
	case a.status == 401:
		c.forgotten.Add(1)
		return false
	case a.status == 429:
		c.throttled.Add(1)
		return false
	case a.status == 503:
		c.unavailable.Add(1)
		return false
	default:
		c.odd.Add(1)
	}
	text := fmt.Sprintf("due %q, query %s: got %d %.200q", due, query, a.status, a.text)
	c.example.Store(&text)
	return false
}

// crowd is who takes part.
type crowd struct {
	*tally
	site  *site
	users []user
	pause time.Duration // between the requests of a connection, on average
	ramp  time.Duration // in which all of them come for the first time
}

// arrive waits for a connection's first time.
func (c *crowd) arrive(ctx context.Context) {
	c.rest(ctx, rand.Float64()*float64(c.ramp)/float64(c.pause))
}

// rest waits for about a pause times a factor, and reports whether to go on.
func (c *crowd) rest(ctx context.Context, factor float64) bool {
	timer := time.NewTimer(time.Duration(factor * (0.5 + rand.Float64()) * float64(c.pause)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (c *crowd) anybody() user { return c.users[rand.IntN(len(c.users))] }

func (c *crowd) query() string { return fmt.Sprintf("q%x", rand.Uint64()) }

// browse is the life of an HTTP/1.1 connection after another: one user's, by
// NTLM. Whoever was cut off comes back after a longer rest, as people do.
func (c *crowd) browse(ctx context.Context) {
	c.arrive(ctx)
	for ctx.Err() == nil {
		w, err := dial(c.site.http)
		if err == nil {
			err = c.sit(ctx, w)
			w.close()
		}
		if err != nil && ctx.Err() == nil {
			c.lost.Add(1)
		}
		c.rest(ctx, 4)
	}
}

// sit uses one connection until it is over: nil where the client ends it.
func (c *crowd) sit(ctx context.Context, w *wire) error {
	known := ""
	for c.rest(ctx, 1) {
		var err error
		switch dice := rand.IntN(100); {
		case dice < 2:
			return nil // hangs up
		case known == "" && dice < 10:
			_, err = c.ask(w, "")
		case dice == 2:
			known, err = "", c.interrupt(w)
		case dice == 3:
			known, err = "", c.mistake(w)
		case known == "" || dice == 4: // 4: another user, on the same connection
			known, err = c.enter(w)
		case dice < 8: // Basic in between is one request's
			other := c.anybody()
			if _, err = c.askAs(w, other); err == nil {
				known, err = c.ask(w, known)
			}
		default:
			known, err = c.ask(w, known)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ask asks without a credential, and tells who is known after it.
func (c *crowd) ask(w *wire, known string) (string, error) {
	query := c.query()
	a, err := w.get(query, "")
	if err == nil && !c.judge(a, known, query) && a.status == 401 {
		known = ""
	}
	return known, ended(a, err)
}

func (c *crowd) askAs(w *wire, u user) (bool, error) {
	query := c.query()
	a, err := w.get(query, u.basic())
	return err == nil && c.judge(a, u.name, query), ended(a, err)
}

// enter logs in as anybody.
func (c *crowd) enter(w *wire) (known string, err error) {
	u, query := c.anybody(), c.query()
	c.logIns.Add(1)
	a, err := w.logIn(u, query)
	if errors.Is(err, errNoChallenge) {
		err = nil
	}
	if err == nil && c.judge(a, u.name, query) {
		known = u.name
	}
	return known, ended(a, err)
}

// mistake logs in with a wrong password: nobody is known after it.
func (c *crowd) mistake(w *wire) error {
	u, query := c.anybody(), c.query()
	u.password += "x"
	a, err := w.logIn(u, query)
	if errors.Is(err, errNoChallenge) {
		err = nil
	}
	if err == nil {
		c.judge(a, "", query)
		err = ended(a, nil)
	}
	if err == nil {
		_, err = c.ask(w, "")
	}
	return err
}

// interrupt begins a handshake and asks for something else: nobody is known.
func (c *crowd) interrupt(w *wire) error {
	a, err := w.negotiate("x")
	if err = ended(a, err); err == nil {
		_, err = c.ask(w, "")
	}
	return err
}

var errCloses = errors.New("the server ends the connection")

func ended(a answer, err error) error {
	if err == nil && a.closes {
		return errCloses
	}
	return err
}

// stream is the life of an HTTP/2 connection after another: requests of
// several users at once, by Basic.
func (c *crowd) stream(ctx context.Context) {
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "localhost"}}
	defer transport.CloseIdleConnections()
	c.arrive(ctx)
	regulars := []user{c.anybody(), c.anybody(), c.anybody()}
	for c.rest(ctx, 3) {
		if rand.IntN(100) < 4 {
			transport.CloseIdleConnections()
		}
		done := make(chan struct{}, 2)
		for range 2 {
			go func() {
				c.request(transport, regulars[rand.IntN(len(regulars))])
				done <- struct{}{}
			}()
		}
		<-done
		<-done
	}
}

// request asks as a user, now and then as nobody or with a wrong password.
func (c *crowd) request(transport *http.Transport, u user) {
	due, query := u.name, c.query()
	r, err := http.NewRequest("GET", "https://"+c.site.https+"/?"+query, nil)
	if err != nil {
		panic(err)
	}
	r.Host = "localhost"
	switch dice := rand.IntN(100); {
	case dice < 5:
		due = ""
	case dice < 8:
		u.password += "x"
		due = ""
		fallthrough
	default:
		r.Header.Set("Authorization", u.basic())
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	response, err := transport.RoundTrip(r.WithContext(ctx))
	if err != nil {
		c.lost.Add(1)
		return
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		c.lost.Add(1)
		return
	}
	if response.ProtoMajor == 2 {
		c.streams.Add(1)
	}
	c.judge(answer{status: response.StatusCode, text: string(text)}, due, query)
}
