package integration

import (
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
)

// TestRolesAndAttributes against the real controllers: rules about roles and
// about attributes, also of a stricter part of the same site (features C3, C12,
// C16 to C21, E2), and what the application sees of them.
func TestRolesAndAttributes(t *testing.T) {
	s := start(t, siteConfig{
		LDAP: `
		attributes department displayName msDS-cloudExtensionAttribute1
		map {
			fallback guest
			memberOf "CN=Web Users,*" web staff
			mail "m/carol@.*/" mailer
			department Nowhere nobody-has-it
		}`,
		Body: `
	windows_auth EXAMPLE {
		insecure_basic
		forward X-Title "{http.auth.user.attr.title}"
		forward X-Given {http.auth.user.attr.givenName}
		require role web mailer
		require attribute displayName "bob brown"
	}
	@strict path /strict
	require @strict attribute department WEB
	@unset path /unset
	require @unset role nobody-has-it
	@title path /title
	require @title attribute title anything
	respond "{http.auth.user.roles}|{http.auth.user.attr.department}|{http.auth.user.attr.DISPLAYNAME}|{http.auth.user.attr.msDS_cloudExtensionAttribute1}|{http.auth.user.rule}|{http.request.header.X-Given}{http.request.header.X-Title}"
`})
	for _, c := range []struct {
		user, path string
		status     int
		body       string
	}{
		{"alice", "/", 200, "web,staff|Web|Alice Adams||role web mailer|Alice"},
		{"alice", "/strict", 200, "web,staff|Web|Alice Adams||attribute department WEB|Alice"},
		{"alice", "/unset", 403, ""},
		{"alice", "/title", 403, ""},
		{"bob", "/", 200, "guest||Bob Brown||attribute displayName \"bob brown\"|"},
		{"bob", "/strict", 403, ""},
		{"carol", "/", 200, "mailer||Carol Clark||role web mailer|Engineer"},
		{"dave", "/", 403, ""},
	} {
		s.serves(t, c.user, c.path, c.status, c.body)
	}
}

// serves checks what somebody of the domain gets, by password and by NTLM.
func (s *site) serves(t *testing.T, user, path string, status int, body string) {
	t.Helper()
	for _, scheme := range []string{"--basic", "--ntlm"} {
		got := curl(t, scheme, "-u", user+":"+lab.Account(user).Password, s.HTTP+path)
		if got.Status != status || status == 200 && got.Body != body {
			t.Errorf("%s %s %s: got %d %s, want %d %s; reason %s", scheme, user, path, got.Status, got.Body, status, body, s.reason(t))
		}
	}
}
