package caddyntlm

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// claimed are headers by which clients have become somebody elsewhere, or have
// pointed a log-in at a directory of their own.
var claimed = []string{
	"Remote-User: root", "REMOTE_USER: root", "remote.user: root", "X-Remote-User: root", "X_Remote_User: root",
	"X-Ldap-URL: ldap://evil.example.org", "X-Ldap-BaseDN: DC=evil", "x-ldap-binddn: CN=root", "X-Ldap-BindPass: x",
	"X-Ldap-Template: (objectClass=*)", "X_Ldap_URL: ldap://evil.example.org", "X-Ldap-Realm: x", "X-Ldap-Starttls: false",
	"X-Ldap-DisableReferrals: false", "Connection: Remote-User",
}

// without any forward line too, what claims to be a user or a setting
// decides nothing and reaches nobody: not by NTLM, not by Basic, not unasked.
func TestClaimsOfAClient(t *testing.T) {
	var seen http.Header
	look := middleware(func(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
		seen = r.Header.Clone()
		return next.ServeHTTP(w, r)
	})
	clean := func(header string) {
		t.Helper()
		for name := range seen {
			if claims.has(name) || name == "Connection" {
				t.Errorf("%s: the application saw %s: %v", header, name, seen[name])
			}
		}
		if seen.Get("X-Plain") != "kept" {
			t.Errorf("%s: the application lost a header", header)
		}
	}
	d := newDoor(t, func(d *door) { d.AllowPreflight, d.inner = true, append(d.inner, look) })
	open := newDoor(t, func(d *door) { d.inner = append(d.inner, look) })
	open.bypasses = []bypass{{}}
	const plain = "X-Plain: kept"
	for _, header := range claimed {
		d.dial(t).get(header).want(t, 401, both...)
		c := d.dial(t)
		c.login("alice", "secret-a").wantUser(t, "alice")
		c.get(header, plain).wantUser(t, "alice")
		clean(header)
		c.get(header, plain, basic("bob", "secret-b")).wantUser(t, "bob")
		clean(header)
		c.get(header, basic("bob", "wrong")).want(t, 401, both...)
		c.options("", append([]string{header, plain}, preflight...)...).wantUser(t, "nobody")
		clean(header)
		open.dial(t).get(header, plain).wantUser(t, "nobody")
		clean(header)
	}
	// One that a proxy would set shows a proxy, and goes no further either.
	d.dial(t).get("X-Forwarded-User: root", type1()).want(t, 401, basicChallenge)
	d.dial(t).get("X-Forwarded-User: root", plain, basic("bob", "secret-b")).wantUser(t, "bob")
	clean("X-Forwarded-User")
	if got := d.dir.asked.Load(); got == 0 {
		t.Error("the directory of the configuration was not asked")
	}
}

// what an outer windows_auth tells of the user is not taken away by an
// inner one.
func TestClaimsOfAnOuterDoor(t *testing.T) {
	inner := prepareDoor(t, nil)
	d := newDoor(t, func(d *door) {
		d.Forward = []Forward{{"Remote-User", "{http.auth.user.id}"}}
		d.inner = append(d.inner, inner.Handler, middleware(func(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
			_, err := fmt.Fprint(w, r.Header["Remote-User"])
			return err
		}))
	})
	c := d.dial(t)
	c.login("alice", "secret-a").wantText(t, "[alice]")
	c.get("Remote-User: root").wantText(t, "[alice]")
}
