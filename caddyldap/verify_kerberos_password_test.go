package caddyldap

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/kdctest"
	"github.com/caddy-ntlm/caddy-ntlm/internal/krb"
)

const webService = "HTTP/web.example.test"

var webKey = bytes.Repeat([]byte{0x11}, 32)

// aKDC knows the people of the demo.
func aKDC() *kdctest.KDC {
	k := &kdctest.KDC{
		Realm: "EXAMPLE.TEST", Version: 3, Users: make(map[string]string), Services: map[string][]byte{webService: webKey},
		Canonical: map[string]string{"bob.baker": "bob", "nickname": "bob"},
	}
	for _, user := range []string{"alice", "bob", "disabled"} {
		k.Users[user] = "Secr3t-" + user
	}
	return k
}

func writeFile(t *testing.T, name string, content []byte) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// asking is a directory of the demo whose passwords a KDC judges.
func asking(t *testing.T, k *kdctest.KDC, keytab string) *Directory {
	t.Helper()
	config := demoDirectory(startDemo(t, nil))
	conf := writeFile(t, "krb5.conf", []byte("[libdefaults]\n default_realm = EXAMPLE.TEST\n dns_lookup_kdc = false\n[realms]\n EXAMPLE.TEST = {\n  kdc = "+k.Addr+"\n }\n"))
	raw, err := json.Marshal(map[string]string{"verifier": nameKerberosPassword, "file": keytab, "krb5_conf": conf})
	if err != nil {
		t.Fatal(err)
	}
	config.VerifyRaw = []json.RawMessage{raw}
	d, _ := open(t, config, "EXAMPLE")
	return d
}

// TestKerberosPassword: who gets in, and that the identity is the same as by a
// bind.
func TestKerberosPassword(t *testing.T) {
	k := aKDC().Start(t)
	d := asking(t, k, writeFile(t, "http.keytab", kdctest.Keytab(k.Realm, webService, 3, webKey)))
	other, _ := open(t, demoDirectory(startDemo(t, nil)), "EXAMPLE")
	for name, c := range map[string]struct {
		user, password, sam string
		kind                identity.Kind
		asks                bool
	}{
		"bare":             {"alice", "Secr3t-alice", "alice", 0, true},
		"in capitals":      {"ALICE", "Secr3t-alice", "alice", 0, true},
		"NetBIOS":          {`EXAMPLE\alice`, "Secr3t-alice", "alice", 0, true},
		"realm":            {`EXAMPLE.TEST\alice`, "Secr3t-alice", "alice", 0, true},
		"UPN":              {"bob.baker@example.test", "Secr3t-bob", "bob", 0, true},
		"wrong":            {"alice", "wrong", "", identity.KindBadCredentials, true},
		"unknown":          {"nobody", "wrong", "", identity.KindBadCredentials, true},
		"another's ticket": {"nickname", "Secr3t-bob", "", identity.KindMismatch, true},
		"another domain":   {`OTHER\alice`, "Secr3t-alice", "", identity.KindMismatch, false},
		"empty":            {"alice", "", "", identity.KindEmptyPassword, false},
		"blank":            {"alice", " \t", "", identity.KindEmptyPassword, false},
		"NUL":              {"alice", "\x00Secr3t-alice", "", identity.KindEmptyPassword, false},
		"NUL behind":       {"alice", "Secr3t-alice\x00", "", identity.KindEmptyPassword, false},
		"no name":          {" ", "Secr3t-alice", "", identity.KindBadName, false},
	} {
		t.Run(name, func(t *testing.T) {
			before := k.Answered()
			id, err := logIn(t, d, c.user, c.password)
			if asked := k.Answered() > before; asked != c.asks {
				t.Errorf("asked the KDC: got %v, want %v", asked, c.asks)
			}
			if c.sam == "" {
				if id != nil || identity.KindOf(err) != c.kind || !strings.Contains(fmt.Sprintf("%#v", err), "Claimed") {
					t.Errorf("got %v, %v, want %v", id, err, c.kind)
				}
				return
			}
			want, err2 := logIn(t, other, c.sam, "Secr3t-"+c.sam)
			if err != nil || err2 != nil {
				t.Fatalf("got %v and %v", err, err2)
			}
			if id.SAM != want.SAM || id.SID != want.SID || id.DN != want.DN || id.Verifier != nameKerberosPassword {
				t.Errorf("got %v by %s, want %v", id, id.Verifier, want)
			}
		})
	}
}

// TestKerberosPasswordStanding: what the directory says of an account counts over
// what the KDC says.
func TestKerberosPasswordStanding(t *testing.T) {
	k := aKDC().Start(t)
	d := asking(t, k, writeFile(t, "http.keytab", kdctest.Keytab(k.Realm, webService, 3, webKey)))
	if id, err := logIn(t, d, "disabled", "Secr3t-disabled"); id != nil || identity.KindOf(err) != identity.KindDisabled {
		t.Errorf("got %v, %v, want %v", id, err, identity.KindDisabled)
	}
}

// TestKerberosPasswordUnproven: threats part 7. A KDC that knows the password and
// not the service's key lets nobody in.
func TestKerberosPasswordUnproven(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*kdctest.KDC)
		kind   identity.Kind
	}{
		"another key": {func(k *kdctest.KDC) { k.Services[webService] = bytes.Repeat([]byte{0x66}, 32) }, identity.KindUnproven},
		"an old keytab": {func(k *kdctest.KDC) {
			k.Services[webService] = bytes.Repeat([]byte{0x66}, 32)
			k.Version = 4
		}, identity.KindKeytab},
		"another realm's user": {func(k *kdctest.KDC) { k.Ticket = func(p *messages.EncTicketPart) { p.CRealm = "EVIL.TEST" } }, identity.KindUnproven},
		"an old ticket": {func(k *kdctest.KDC) {
			k.Ticket = func(p *messages.EncTicketPart) { p.EndTime = time.Now().Add(-time.Hour) }
		}, identity.KindClock},
		"no such service":      {func(k *kdctest.KDC) { k.Services = nil }, identity.KindKeytab},
		"any password is fine": {func(k *kdctest.KDC) { k.Users["alice"] = "other"; k.Gullible = true }, identity.KindUnproven},
		"no KDC":               {func(k *kdctest.KDC) { k.Answer = func([]byte) []byte { return nil } }, identity.KindUnavailable},
		"no Kerberos":          {func(k *kdctest.KDC) { k.Answer = func([]byte) []byte { return []byte("HTTP/1.1 400") } }, identity.KindProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			k := aKDC()
			c.change(k)
			k.Start(t)
			d := asking(t, k, writeFile(t, "http.keytab", kdctest.Keytab(k.Realm, webService, 3, webKey)))
			id, err := logIn(t, d, "alice", "Secr3t-alice")
			if e, ok := errors.AsType[*identity.Error](err); id != nil || !ok || e.Kind != c.kind || e.Hint == "" {
				t.Errorf("got %v, %v, want %v with a cure", id, err, c.kind)
			}
		})
	}
}

// TestKeytabFileIsReadAgain: new keys count at once, and none where the file is
// gone.
func TestKeytabFileIsReadAgain(t *testing.T) {
	k := aKDC().Start(t)
	path := writeFile(t, "http.keytab", kdctest.Keytab(k.Realm, webService, 3, bytes.Repeat([]byte{0x66}, 32)))
	d := asking(t, k, path)
	now := time.Now()
	d.now = func() time.Time { now = now.Add(2 * keytabPause); return now }
	expect := func(what string, kind identity.Kind) {
		t.Helper()
		if _, err := logIn(t, d, "alice", "Secr3t-alice"); err != nil && identity.KindOf(err) != kind || err == nil && kind != 0 {
			t.Errorf("%s: got %v, want %v", what, err, kind)
		}
	}
	expect("an old key", identity.KindUnproven)
	if err := os.WriteFile(path, kdctest.Keytab(k.Realm, webService, 3, webKey), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, now, now.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	expect("the new key", 0)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	expect("no file", identity.KindKeytab)
}

// TestExplainKDC: each thing that a KDC says, and whose fault it is.
func TestExplainKDC(t *testing.T) {
	const service = webService
	for _, c := range []struct {
		err  error
		want identity.Kind
	}{
		{&krb.Refusal{Code: krb.CodePreauthFailed}, identity.KindBadCredentials},
		{&krb.Refusal{Code: krb.CodeClientUnknown}, identity.KindBadCredentials},
		{&krb.Refusal{Code: krb.CodeBadIntegrity}, identity.KindBadCredentials},
		{&krb.Refusal{Code: krb.CodeWrongRealm}, identity.KindBadCredentials},
		{&krb.Refusal{Code: krb.CodeBadIntegrity, Service: service}, identity.KindProtocol},
		{&krb.Refusal{Code: krb.CodeClientRevoked}, identity.KindDisabled},
		{&krb.Refusal{Code: krb.CodeClientRevoked, Status: 0xC0000234}, identity.KindLocked},
		{&krb.Refusal{Code: krb.CodeClientRevoked, Status: 0xC0000072}, identity.KindDisabled},
		{&krb.Refusal{Code: krb.CodeClientRevoked, Status: 0xC0000193}, identity.KindAccountExpired},
		{&krb.Refusal{Code: krb.CodeClientRevoked, Status: 0xC000006F}, identity.KindLogonHours},
		{&krb.Refusal{Code: krb.CodeClientRevoked, Status: 0xDEADBEEF}, identity.KindDisabled},
		{&krb.Refusal{Code: krb.CodeClientExpired}, identity.KindAccountExpired},
		{&krb.Refusal{Code: krb.CodeKeyExpired}, identity.KindPasswordExpired},
		{&krb.Refusal{Code: krb.CodeKeyExpired, Status: 0xC0000224}, identity.KindMustChange},
		{&krb.Refusal{Code: krb.CodePolicy}, identity.KindRestricted},
		{&krb.Refusal{Code: krb.CodePolicy, Status: 0xC0000070}, identity.KindWorkstation},
		{&krb.Refusal{Code: krb.CodeSkew}, identity.KindClock},
		{&krb.Refusal{Code: krb.CodeSkew, Service: service}, identity.KindClock},
		{&krb.Refusal{Code: krb.CodeEtype}, identity.KindEtype},
		{&krb.Refusal{Code: krb.CodeEtype, Service: service}, identity.KindKeytab},
		{&krb.Refusal{Code: krb.CodeServiceUnknown, Service: service}, identity.KindKeytab},
		{&krb.Refusal{Code: 60}, identity.KindProtocol},
		{fmt.Errorf("%w: %w", krb.ErrUnreachable, &krb.Refusal{Code: krb.CodeServiceUnavailable}), identity.KindUnavailable},
		{fmt.Errorf("%w: %w", krb.ErrUnproven, krb.ErrForged), identity.KindUnproven},
		{fmt.Errorf("%w: %w", krb.ErrUnproven, krb.ErrOtherClient), identity.KindUnproven},
		{fmt.Errorf("%w: %w", krb.ErrUnproven, krb.ErrService), identity.KindUnproven},
		{fmt.Errorf("%w: %w", krb.ErrUnproven, krb.ErrMalformed), identity.KindUnproven},
		{fmt.Errorf("%w: %w", krb.ErrUnproven, krb.ErrNoKey), identity.KindKeytab},
		{fmt.Errorf("%w: %w", krb.ErrUnproven, krb.ErrEtype), identity.KindKeytab},
		{fmt.Errorf("%w: %w", krb.ErrUnproven, krb.ErrExpired), identity.KindClock},
		{krb.ErrEtype, identity.KindEtype},
		{krb.ErrMalformed, identity.KindProtocol},
		{context.DeadlineExceeded, identity.KindTimeout},
	} {
		if got := identity.KindOf(explainKDC(c.err)); got != c.want {
			t.Errorf("%v: got %v, want %v", c.err, got, c.want)
		}
	}
}

// TestKerberosPasswordRefusalsTakeTheirTime: threats F-09. An account that is not
// there, or may not log in, is no sooner refused than a password.
func TestKerberosPasswordRefusalsTakeTheirTime(t *testing.T) {
	k := aKDC()
	k.Refuse = func(user, _ string) (code int32, data []byte) {
		if user == "disabled" {
			return krb.CodeClientRevoked, nil
		}
		return 0, nil
	}
	k.Start(t)
	d := asking(t, k, writeFile(t, "http.keytab", kdctest.Keytab(k.Realm, webService, 3, webKey)))
	v := d.PasswordVerifier().(*KerberosPassword)
	const judging = 150 * time.Millisecond
	v.pace.note(judging, true)
	for _, user := range []string{"nobody", "disabled"} {
		began := time.Now()
		if _, err := logIn(t, d, user, "Secr3t-disabled"); err == nil {
			t.Errorf("%s is in", user)
		}
		if took := time.Since(began); took < judging {
			t.Errorf("%s: took %s, want at least %s", user, took, judging)
		}
	}
}
