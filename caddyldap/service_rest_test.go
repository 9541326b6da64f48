package caddyldap

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// unwell is a service account whose binds the first server answers with a result of
// the test's own; the others judge it.
type unwell struct {
	account
	code  uint16
	text  string
	asked map[string]int
}

func (a *unwell) bind(ctx context.Context, c *conn, evidence identity.Secret) error {
	a.asked[c.server.url.Addr()]++
	if c.server.rank.Load() > 0 || a.code == 0 {
		return a.account.bind(ctx, c, evidence)
	}
	c.open()
	return diagnose(c.server, binding, ldap.NewError(a.code, serverSays(a.text)))
}

type serverSays string

func (s serverSays) Error() string { return string(s) }

func newUnwell(t *testing.T, code uint16, text string, servers ...*demodir.Server) (*Directory, *unwell, *time.Time) {
	t.Helper()
	config := demoDirectory(servers[0])
	for _, s := range servers[1:] {
		config.Server = append(config.Server, Server{URL: s.LDAPS()})
	}
	d, _ := open(t, config, "EXAMPLE")
	now := time.Now()
	d.now = func() time.Time { return now }
	a := &unwell{account: d.service.account, code: code, text: text, asked: make(map[string]int)}
	d.service.account = a
	return d, a, &now
}

const dataLocked = "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data 775, v1db1"

// TestServiceAccountRests where the account is to blame and each try may count
// towards a lockout; what ails the server is over in a moment, and is tried again.
func TestServiceAccountRests(t *testing.T) {
	s := startDemo(t, nil)
	for name, c := range map[string]struct {
		code  uint16
		text  string
		tries int // within ten minutes
	}{
		"wrong secret":         {ldap.LDAPResultInvalidCredentials, "", 1},
		"locked":               {ldap.LDAPResultInvalidCredentials, dataLocked, 1},
		"no such entry":        {ldap.LDAPResultNoSuchObject, "", 1},
		"constraint violation": {ldap.LDAPResultConstraintViolation, "", 1},
		"may not bind":         {ldap.LDAPResultInsufficientAccessRights, "", 1},
		"operations error":     {ldap.LDAPResultOperationsError, "", 10},
		"other":                {ldap.LDAPResultOther, "", 10},
		"unwilling":            {ldap.LDAPResultUnwillingToPerform, "", 10},
		"admin limit":          {ldap.LDAPResultAdminLimitExceeded, "", 10},
	} {
		t.Run(name, func(t *testing.T) {
			d, account, now := newUnwell(t, c.code, c.text, s)
			for began := *now; now.Before(began.Add(refusedPause)); *now = now.Add(500 * time.Millisecond) {
				if _, _, err := d.service.attempt(t.Context(), func(*server) int { return 0 }); identity.KindOf(err) != identity.KindServiceAccount {
					t.Fatalf("got %v, want %v", err, identity.KindServiceAccount)
				}
			}
			if got := account.asked[d.servers.list[0].url.Addr()]; got != c.tries {
				t.Errorf("got %d tries in %v, want %d", got, refusedPause, c.tries)
			}
			account.code = 0
			*now = now.Add(refusedPause)
			bound, _, err := d.service.attempt(t.Context(), func(*server) int { return 0 })
			if err != nil {
				t.Fatalf("well again: %v", err)
			}
			bound.close()
		})
	}
}

// TestServiceAccountGoesElsewhere where a server has a trouble of its own, and nowhere
// with a secret that is wrong.
func TestServiceAccountGoesElsewhere(t *testing.T) {
	first, second := startDemo(t, nil), startDemo(t, nil)
	for code, want := range map[uint16]bool{
		ldap.LDAPResultInvalidCredentials: false, ldap.LDAPResultConstraintViolation: false, ldap.LDAPResultBusy: true,
		ldap.LDAPResultUnavailable: true, ldap.LDAPResultOther: true, ldap.LDAPResultOperationsError: true, ldap.LDAPResultUnwillingToPerform: true,
	} {
		t.Run(strconv.Itoa(int(code)), func(t *testing.T) {
			d, account, _ := newUnwell(t, code, "", first, second)
			bound, _, err := d.service.attempt(t.Context(), func(*server) int { return 0 })
			if (err == nil) != want {
				t.Errorf("got %v, want a connection %v", err, want)
			}
			if err == nil {
				bound.close()
			}
			if got := account.asked[d.servers.list[1].url.Addr()]; (got > 0) != want {
				t.Errorf("the other server is asked %d times, want that %v", got, want)
			}
		})
	}
}
