package caddyntlm

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/caddy-ntlm/caddy-ntlm/internal/spnego"
)

// negotiateModel is what a connection must do, told in the plainest way.
type negotiateModel struct {
	user    string // known on the connection
	pending []byte // the challenge that waits for its answer
	scheme  string // in which it went out
	chosen  bool   // the client was told of NTLM, its Type 1 is awaited
	proxied bool
	closed  bool
}

// Random requests on several connections, Negotiate among them, against the
// model.
func TestNegotiationsAgainstModel(t *testing.T) {
	d := newNegotiateDoor(t, nil)
	words := map[string]string{"alice": "secret-a", "bob": "secret-b"}
	rapid.Check(t, func(rt *rapid.T) {
		const connections = 3
		clients := make([]*client, connections)
		models := make([]*negotiateModel, connections)
		stop := func(i int) {
			if clients[i] != nil {
				_ = clients[i].nc.Close()
			}
		}
		for i := range clients {
			clients[i], models[i] = d.dial(t), &negotiateModel{}
			defer func() { stop(i) }()
		}
		for range rapid.IntRange(1, 25).Draw(rt, "requests") {
			i := rapid.IntRange(0, connections-1).Draw(rt, "connection")
			if models[i].closed {
				stop(i)
				clients[i], models[i] = d.dial(t), &negotiateModel{}
			}
			user := rapid.SampledFrom([]string{"alice", "bob"}).Draw(rt, "user")
			good := rapid.Bool().Draw(rt, "good")
			password := words[user]
			if !good {
				password = "wrong"
			}
			do := rapid.SampledFrom([]string{"nothing", "nothing", "type1", "type1", "type3", "type3", "type3", "negotiate1", "negotiate1", "kerberos", "wrapped1", "wrapped3", "wrapped3", "ticket", "type2", "basic", "bearer", "two", "proxy", "junk"}).Draw(rt, "request")
			other := models[(i+1)%connections].pending
			header, status, sees := models[i].expect(do, user, password, good, rapid.Bool().Draw(rt, "stolen"), other)
			got := clients[i].get(header...)
			if got.StatusCode != status || status == 200 && got.text != sees+":" {
				rt.Fatalf("connection %d, %s %s %v: got %d %q, want %d %q", i, do, user, good, got.StatusCode, got.text, status, sees)
			}
			models[i].learn(rt, do, got)
		}
	})
}

// expect moves the model by one request and tells headers, status and user.
func (m *negotiateModel) expect(do, user, password string, good, stolen bool, other []byte) (headers []string, status int, sees string) {
	pending, known, chosen := m.pending, m.user, m.chosen
	m.pending, m.chosen = nil, false // every request ends a handshake that it does not go on with
	switch do {
	case "nothing":
		if known != "" {
			return nil, 200, known
		}
		return nil, 401, ""
	case "basic":
		if good {
			return []string{basic(user, password)}, 200, user
		}
		return []string{basic(user, password)}, 401, ""
	case "type3", "wrapped3":
		answered := pending
		if stolen && other != nil {
			answered = other
		}
		m.user = ""
		if answered == nil {
			answered = ntlmMessage(2, "none")
		}
		token, scheme := type3(answered, user, password), "NTLM"
		if do == "wrapped3" {
			token, scheme = negotiate(wrap(message3(answered, user, password))), "Negotiate"
		}
		if !m.proxied && pending != nil && string(answered) == string(pending) && m.scheme == scheme && good {
			m.user = user
			return []string{token}, 200, user
		}
		return []string{token}, 401, ""
	}
	m.user = ""
	switch do {
	case "type1":
		return []string{type1()}, 401, ""
	case "negotiate1":
		return []string{negotiate(openNTLM)}, 401, ""
	case "kerberos":
		return []string{negotiate(openKerberos)}, 401, ""
	case "wrapped1":
		m.chosen = chosen // learn looks at what came of it
		return []string{negotiate(wrap(message1()))}, 401, ""
	case "ticket":
		return []string{negotiate(shortKerberosToken())}, 401, ""
	case "type2", "junk", "bearer":
		return []string{misuses[do]}, 401, ""
	case "two":
		m.closed = true
		return []string{type1(), basic(user, password)}, 400, ""
	default: // proxy
		m.proxied = true
		return []string{"Via: 1.1 squid"}, 401, ""
	}
}

// learn checks that an answer goes on with a handshake where it should, and
// nowhere else.
func (m *negotiateModel) learn(t *rapid.T, do string, got answer) {
	line := strings.Join(got.Header.Values("Www-Authenticate"), " | ")
	scheme, encoded, _ := strings.Cut(line, " ")
	token, err := base64.StdEncoding.DecodeString(encoded)
	goesOn := got.StatusCode == 401 && err == nil && len(token) > 0
	due := !m.proxied && (do == "type1" || do == "negotiate1" || do == "kerberos" || do == "wrapped1" && m.chosen)
	if goesOn != due {
		t.Fatalf("%s: got %q, want a token: %v", do, line, due)
	}
	m.chosen = due && do == "kerberos"
	if !due || m.chosen {
		return
	}
	m.scheme, m.pending = scheme, token
	if scheme == "Negotiate" {
		resp, err := spnego.ParseResp(token)
		if err != nil {
			t.Fatal(err)
		}
		m.pending = resp.ResponseToken
	}
	if !bytes.HasPrefix(m.pending, ntlmMessage(2, "")) {
		t.Fatalf("%s: got %q, want a Type 2", do, m.pending)
	}
}
