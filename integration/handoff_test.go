package integration

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/fcgi"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// reporter is an application that answers with whatever tells it of a user: a
// line for each header and trailer whose name has user in it.
func reporter(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(report))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func report(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	for where, header := range map[string]http.Header{"": r.Header, "trailer ": r.Trailer} {
		for _, name := range slices.Sorted(maps.Keys(header)) {
			if strings.Contains(strings.ToLower(name), "user") && name != "User-Agent" {
				_, _ = fmt.Fprintf(w, "%s%s=%q\n", where, name, header[name])
			}
		}
	}
}

const handOff = `
	windows_auth EXAMPLE {
		insecure_basic
		bypass path /open/*
		forward X-Remote-User {http.auth.user.id}
		forward X-Remote-Name-Of-User {http.auth.user.display_name}
	}
	%s
	handle_errors {
		reverse_proxy %s
	}
`

func basicHeader(sam string) string {
	pair := sam + ":Secr3t-" + sam
	if sam == "müller" {
		pair = "müller:Secr3t-mueller"
	}
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(pair))
}

// sends are what hostile clients send besides their own credentials; the rest
// of the request follows the headers.
var sends = map[string]struct{ headers, rest string }{
	"nothing":             {"", ""},
	"lower case":          {"x-remote-user: root", ""},
	"twice":               {"X-Remote-User: root\r\nX-REMOTE-USER: admin", ""},
	"folded twice":        {"X-Remote-User: root\r\nX-Remote-User:\r\nX-Remote-User: admin, alice", ""},
	"empty":               {"X-Remote-User:", ""},
	"underscores":         {"X_Remote_User: root", ""},
	"an underscore":       {"X-Remote_User: root", ""},
	"dots":                {"X.Remote.User: root", ""},
	"dot and underscore":  {"X.Remote_User: root", ""},
	"another mark":        {"X~Remote~User: root", ""},
	"in Connection":       {"Connection: X-Remote-User", ""},
	"close in Connection": {"Connection: close, x-remote-user", ""},
	"twice in Connection": {"Connection: X-Remote-User\r\nConnection: X-Remote-Name-Of-User, X-Remote-User", ""},
	"both":                {"X-Remote-User: root\r\nConnection: X-Remote-User, X_Remote_User", ""},
	"trailer": {
		"Transfer-Encoding: chunked\r\nTrailer: X-Remote-User",
		"4\r\nbody\r\n0\r\nX-Remote-User: root\r\n\r\n",
	},
	"trailer not announced": {
		"Transfer-Encoding: chunked\r\nTrailer: X-Other",
		"4\r\nbody\r\n0\r\nX-Remote-User: root\r\nX_Remote_User: root\r\nX-Other: x\r\n\r\n",
	},
	"no trailer announced": {
		"Transfer-Encoding: chunked",
		"4\r\nbody\r\n0\r\nX-Remote-User: root\r\n\r\n",
	},
}

// TestForwardToProxied: threats, in front of a real application.
func TestForwardToProxied(t *testing.T) {
	app := reporter(t)
	s := start(t, siteConfig{Body: fmt.Sprintf(handOff, "reverse_proxy "+app, app)})
	const alice = "X-Remote-Name-Of-User=[\"Alice Adams\"]\nX-Remote-User=[\"alice\"]\n"
	for name, send := range sends {
		t.Run(name, func(t *testing.T) {
			method := "GET"
			if send.rest != "" {
				method = "POST"
			}
			ask := func(path, authorization string) (int, string) {
				t.Helper()
				var lines []string
				for _, line := range []string{authorization, send.headers} {
					if line != "" {
						lines = append(lines, line)
					}
				}
				lines = append(lines, "Host: 127.0.0.1", "", send.rest)
				answer := dial(t, s.HTTP).do(t, method+" "+path+" HTTP/1.1\r\n"+strings.Join(lines, "\r\n"))
				body, _ := io.ReadAll(answer.Body)
				return answer.StatusCode, string(body)
			}
			if status, got := ask("/", basicHeader("alice")); status != 200 || got != alice {
				t.Errorf("got %d\n%s\nwant\n%s", status, got, alice)
			}
			if status, got := ask("/open/x", ""); status != 200 || got != "" {
				t.Errorf("behind a bypass: got %d\n%s", status, got)
			}
			if status, got := ask("/", ""); status != 200 || got != "" {
				t.Errorf("on an error page, which the application makes: got %d\n%s", status, got)
			}
		})
	}
	if text := s.logText(t); !strings.Contains(text, "header_stripped") {
		t.Error("the log has no header_stripped")
	}
	for _, e := range s.decisions(t) {
		if e.text("reason") == "header_stripped" && (e.text("level") != "debug" || strings.Contains(fmt.Sprint(e), "root")) {
			t.Errorf("got %v", e)
		}
	}

	answer := dial(t, s.HTTP).do(t, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"+basicHeader("müller")+"\r\n\r\n")
	body, _ := io.ReadAll(answer.Body)
	status, got := answer.StatusCode, string(body)
	if want := "X-Remote-Name-Of-User=[\"Jörg Müller\"]\nX-Remote-User=[\"müller\"]\n"; status != 200 || got != want {
		t.Errorf("got %d\n%s\nwant\n%s", status, got, want)
	}
	if got := curl(t, "--ntlm", "-u", "alice:Secr3t-alice", "-H", "X-Remote-User: root", s.HTTP+"/"); got.Body != alice {
		t.Errorf("by NTLM: got %d\n%s", got.Status, got.Body)
	}
	// A name with a space never gets as far as a handler.
	if got := dial(t, s.HTTP).do(t, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Remote-User : root\r\n"+basicHeader("alice")+"\r\n\r\n"); got.StatusCode != 400 {
		t.Errorf("got %d, want 400", got.StatusCode)
	}
}

// TestForwardOnHTTP2: trailers of streams.
func TestForwardOnHTTP2(t *testing.T) {
	app := reporter(t)
	s := start(t, siteConfig{Body: fmt.Sprintf(handOff, "reverse_proxy "+app, app)})
	client := http2Client(t)
	for _, announced := range [][]string{{"X-Remote-User"}, {"X-Other"}, {"X-Other", "X-Remote-User"}} {
		r, err := http.NewRequest("POST", s.HTTPS+"/", io.NopCloser(strings.NewReader("body")))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("alice", "Secr3t-alice")
		r.Header.Set("X-Remote-User", "root")
		r.Trailer = http.Header{}
		for _, name := range announced {
			r.Trailer.Set(name, "root")
		}
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		want := "X-Remote-Name-Of-User=[\"Alice Adams\"]\nX-Remote-User=[\"alice\"]\n"
		if answer.ProtoMajor != 2 || answer.StatusCode != 200 || string(body) != want {
			t.Errorf("%v: got %s %d\n%s", announced, answer.Proto, answer.StatusCode, body)
		}
	}
}

// TestForwardAndHeaderUp: the proxy's own words come last, as its manual says.
func TestForwardAndHeaderUp(t *testing.T) {
	app := reporter(t)
	for up, want := range map[string]string{
		"header_up X-App-User {http.request.header.X-Remote-User}": "X-App-User=[\"alice\"]\nX-Remote-Name-Of-User=[\"Alice Adams\"]\nX-Remote-User=[\"alice\"]\n",
		"header_up X-Remote-User {http.auth.user.logon}":           "X-Remote-Name-Of-User=[\"Alice Adams\"]\nX-Remote-User=[\"EXAMPLE\\\\alice\"]\n",
		"header_up -X-Remote-User":                                 "X-Remote-Name-Of-User=[\"Alice Adams\"]\n",
	} {
		t.Run(strings.Fields(up)[1], func(t *testing.T) {
			s := start(t, siteConfig{Body: fmt.Sprintf(handOff, "reverse_proxy "+app+" {\n"+up+"\n}", app)})
			answer := dial(t, s.HTTP).do(t, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Remote-User: root\r\nConnection: X-Remote-User\r\n"+basicHeader("alice")+"\r\n\r\n")
			body, _ := io.ReadAll(answer.Body)
			if string(body) != want {
				t.Errorf("got\n%s\nwant\n%s", body, want)
			}
		})
	}
}

// TestForwardToFastCGI: REMOTE_USER, and the header as PHP has it.
func TestForwardToFastCGI(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = fcgi.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintf(w, "REMOTE_USER=%s\n", fcgi.ProcessEnv(r)["REMOTE_USER"])
			report(w, r)
		}))
	}()
	t.Cleanup(func() { listener.Close(); <-done })
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "index.php"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	app := reporter(t)
	s := start(t, siteConfig{Body: fmt.Sprintf(handOff, "root "+root+"\nphp_fastcgi "+listener.Addr().String(), app)})
	for name, send := range sends {
		if send.rest != "" {
			continue // FastCGI has no trailers
		}
		t.Run(name, func(t *testing.T) {
			hostile := send.headers
			if hostile != "" {
				hostile += "\r\n"
			}
			ask := func(path, authorization string) string {
				t.Helper()
				answer := dial(t, s.HTTP).do(t, "GET "+path+" HTTP/1.1\r\nHost: 127.0.0.1\r\n"+hostile+authorization+"\r\n")
				body, _ := io.ReadAll(answer.Body)
				return string(body)
			}
			want := "REMOTE_USER=alice\nX-Remote-Name-Of-User=[\"Alice Adams\"]\nX-Remote-User=[\"alice\"]\n"
			if got := ask("/index.php", basicHeader("alice")+"\r\n"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if got := ask("/open/x", ""); got != "REMOTE_USER=\n" {
				t.Errorf("behind a bypass: got\n%s", got)
			}
		})
	}
}

// TestMatchersBehindTheDoor: sites that serve some users otherwise.
func TestMatchersBehindTheDoor(t *testing.T) {
	s := start(t, siteConfig{Body: `
	@early windows_user alice
	header @early X-Early yes
	windows_auth EXAMPLE {
		insecure_basic
		bypass /open
	}
	@alice windows_user EXAMPLE\alice
	@staff windows_group "Web Users" Führung
	@neither ` + "`!windows_user('alice', 'bob') && !windows_group('Führung')`" + `
	handle @alice {
		respond "alice"
	}
	handle @staff {
		respond "staff"
	}
	handle @neither {
		respond "neither"
	}
	respond "other"
`})
	for sam, want := range map[string]string{"alice": "alice", "müller": "staff", "carol": "neither"} {
		answer := dial(t, s.HTTP).do(t, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"+basicHeader(sam)+"\r\n\r\n")
		body, _ := io.ReadAll(answer.Body)
		if answer.StatusCode != 200 || string(body) != want {
			t.Errorf("%s: got %d %s, want %s", sam, answer.StatusCode, body, want)
		}
		// Directives that run before windows_auth see nobody.
		if answer.Header.Get("X-Early") != "" {
			t.Error("a matcher before windows_auth saw an identity")
		}
	}
	answer := dial(t, s.HTTP).do(t, "GET /open HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
	if body, _ := io.ReadAll(answer.Body); string(body) != "neither" {
		t.Errorf("behind a bypass: got %d %s", answer.StatusCode, body)
	}
}

// http2Client speaks HTTP/2 to sites of this package.
func http2Client(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}
