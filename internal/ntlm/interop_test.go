package ntlm

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	ntlmssp "github.com/Azure/go-ntlmssp"
)

// accounts is the test directory: user in lower case to password.
var accounts = map[string]string{
	"user":  specPassword,
	"jörg":  "Grüße, 世界 😀",
	"łucja": "p",
}

func lookup(user, _ string) ([16]byte, bool) {
	password, ok := accounts[strings.ToLower(user)]
	if !ok {
		return [16]byte{}, false
	}
	return NTOWFv1(password), true
}

func testServer() *Server {
	return &Server{
		NetBIOSDomain: "EXAMPLE", NetBIOSName: "WEB01", DNSDomain: "example.com", DNSName: "web01.example.com",
		Now: func() time.Time { return time.Date(2024, 2, 29, 12, 0, 0, 100, time.UTC) },
	}
}

// TestGoNTLMSSP lets an independent client log on.
func TestGoNTLMSSP(t *testing.T) {
	for _, c := range []struct {
		name, user, password string
		want                 error
	}{
		{"right password", `EXAMPLE\user`, specPassword, nil},
		{"other case", `EXAMPLE\uSeR`, specPassword, nil},
		{"no domain", "user", specPassword, nil},
		{"letters beyond ASCII", `EXAMPLE\jörg`, accounts["jörg"], nil},
		{"letters beyond Latin-1", `EXAMPLE\Łucja`, "p", nil},
		{"wrong password", `EXAMPLE\user`, "password", ErrWrongResponse},
		{"empty password", `EXAMPLE\user`, "", ErrWrongResponse},
		{"unknown user", `EXAMPLE\nobody`, specPassword, ErrWrongResponse},
	} {
		t.Run(c.name, func(t *testing.T) {
			negotiate, err := ntlmssp.NewNegotiateMessage("example", "desk")
			if err != nil {
				t.Fatal(err)
			}
			s := testServer()
			challenge, err := s.Challenge(negotiate)
			if err != nil {
				t.Fatal(err)
			}
			authenticate, err := ntlmssp.NewAuthenticateMessage(challenge, c.user, c.password,
				&ntlmssp.AuthenticateMessageOptions{WorkstationName: "desk"})
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.Check(authenticate, lookup)
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if err == nil && (!strings.HasSuffix(c.user, got.User) || got.Workstation != "desk") {
				t.Errorf("got %q at %q, want %q at desk", got.User, got.Workstation, c.user)
			}
		})
	}
}

// site is an HTTP server that asks for NTLM and keeps one exchange a
// connection, told apart by the client's port.
type site struct {
	mu        sync.Mutex
	exchanges map[string]*Server
	last      error
	accepted  *Accepted
	messages  [][]byte
}

func (w *site) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "NTLM ")
	msg, err := base64.StdEncoding.DecodeString(token)
	if !ok || err != nil {
		w.refuse(rw, "NTLM")
		return
	}
	w.messages = append(w.messages, msg)
	if typ, _ := TypeOf(msg); typ == TypeNegotiate {
		s := testServer()
		w.exchanges[r.RemoteAddr] = s
		challenge, err := s.Challenge(msg)
		w.last = err
		w.refuse(rw, "NTLM "+base64.StdEncoding.EncodeToString(challenge))
		return
	}
	s := w.exchanges[r.RemoteAddr]
	if s == nil {
		s = &Server{}
	}
	if w.accepted, w.last = s.Check(msg, lookup); w.last != nil {
		w.refuse(rw, "NTLM")
	}
}

func (w *site) refuse(rw http.ResponseWriter, challenge string) {
	rw.Header().Set("WWW-Authenticate", challenge)
	rw.WriteHeader(http.StatusUnauthorized)
}

// TestCurl lets curl log on over HTTP. curl sends its names as OEM text.
func TestCurl(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Fatal("no curl: apt-get install curl")
	}
	for _, c := range []struct {
		name, user, claimed, status string
		want                        error
	}{
		{"right password", "user:" + specPassword, "user", "200", nil},
		{"with domain", `EXAMPLE\USER:` + specPassword, "USER", "200", nil},
		{"wrong password", "user:wrong", "user", "401", ErrWrongResponse},
		{"unknown user", "nobody:" + specPassword, "nobody", "401", ErrWrongResponse},
		// curl hashes each byte of a name as a character of its own and sends
		// the same bytes as the name. No server that knows the letter can agree.
		{"letter beyond ASCII", "jörg:" + accounts["jörg"], "jörg", "401", ErrWrongResponse},
		{"bytes as characters", "łucja:p", "łucja", "401", ErrWrongResponse},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &site{exchanges: map[string]*Server{}}
			srv := httptest.NewServer(w)
			defer srv.Close()
			out, err := exec.Command(curl, "-q", "--silent", "--ntlm", "--user", c.user,
				"--max-time", "10", "--write-out", "%{http_code}", srv.URL).CombinedOutput()
			if err != nil {
				t.Fatalf("curl: %v: %s", err, out)
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			if string(out) != c.status || !errors.Is(w.last, c.want) {
				t.Errorf("got %s, %v, want %s, %v", out, w.last, c.status, c.want)
			}
			m, err := ParseAuthenticate(w.messages[len(w.messages)-1])
			if err != nil {
				t.Fatal(err)
			}
			if m.User != c.claimed || m.Flags.Has(NegotiateUnicode) {
				t.Errorf("got %q, flags %v, want %q in OEM text", m.User, m.Flags, c.claimed)
			}
			if c.name == "bytes as characters" {
				wantBytewise(t, w, m)
			}
		})
	}
}

// wantBytewise shows why curl's response for łucja is refused: it fits the name
// that has a character for each byte.
func wantBytewise(t *testing.T, w *site, m *Authenticate) {
	t.Helper()
	var name []rune
	for _, b := range []byte(m.User) {
		name = append(name, rune(b))
	}
	r, err := m.V2()
	if err != nil {
		t.Fatal(err)
	}
	var nonce [8]byte
	for _, s := range w.exchanges {
		nonce = s.nonce
	}
	hash := NTOWFv2(string(name), m.Domain, NTOWFv1("p"))
	if got := NTProofStr(hash, nonce, r.ClientBlob()); got != r.NTProofStr {
		t.Errorf("proof over %q: got %x, want %x", string(name), got, r.NTProofStr)
	}
}
