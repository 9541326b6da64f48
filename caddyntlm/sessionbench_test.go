package caddyntlm

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
	"github.com/caddy-ntlm/caddy-ntlm/internal/session"
	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

// sessionRequest is a request with a session's cookie among a browser's headers, of a user
// in so many groups, and its door. Each call gives it a cookie header of its own again.
func sessionRequest(tb testing.TB, groups int) (*Handler, func() *http.Request) {
	tb.Helper()
	h, r := knownRequest(tb)
	h.Session = new(Session)
	h.sessions = newSessions(h.Session, store.NewMemory(nil, time.Now), time.Now)
	h.log, h.now, h.server = zap.NewNop(), time.Now, new(caddyhttp.Server)
	dir := h.directories[0].(*fakeDirectory)
	a := dir.account("alice").Account
	a.Groups = dir.account("alice").Groups()
	for i := range groups {
		name := fmt.Sprintf("Group %d", i)
		a.Groups = append(a.Groups, identity.Group{SID: fakeSID(name), Name: name, Domain: "EXAMPLE", DN: "CN=" + name + ",OU=Groups,DC=example,DC=com"})
	}
	known := held{id: identity.New(a, policy.FoldDN), scheme: schemeNTLM, by: byNTLM, said: &said{demand: h.demand}}
	r.TLS = &tls.ConnectionState{ServerName: "site.example.com"}
	token, _, err := h.sessions.book.Open(context.Background(), session.Record{
		Form: session.Cookie, Directory: dir.Key(), Account: known.id.AccountKey(), Host: "site.example.com", Scheme: "ntlm", Snapshot: snapshotOf(known),
	})
	if err != nil {
		tb.Fatal(err)
	}
	cookie := "theme=dark; " + h.sessions.cookie + "=" + token.Reveal()
	return h, func() *http.Request {
		r.Header["Cookie"] = []string{cookie}
		return prepared(r)
	}
}

func BenchmarkSession(b *testing.B) {
	for _, groups := range []int{0, 100, 2000} {
		h, request := sessionRequest(b, groups)
		next := caddyhttp.HandlerFunc(bareHandler)
		w := blank{http.Header{}}
		b.Run(fmt.Sprintf("groups=%d", groups), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := h.ServeHTTP(w, request(), next); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
