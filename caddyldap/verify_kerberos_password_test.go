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
	"github.com/caddy-ntlm/caddy-ntlm/internal/krbforge"
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
		"NUL in the name":  {"alice\x00", "Secr3t-alice", "", identity.KindBadName, false},
		"long":             {strings.Repeat("a", identity.MaxNameLength+1), "Secr3t-alice", "", identity.KindBadName, false},
		"two components":   {"alice/admin", "Secr3t-alice", "", identity.KindBadCredentials, true},
		"of a realm":       {`EXAMPLE\alice@EVIL.TEST`, "Secr3t-alice", "", identity.KindBadCredentials, true},
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
		"another's PAC": {func(k *kdctest.KDC) {
			k.Ticket = func(p *messages.EncTicketPart) {
				f := krbforge.Forge{Part: *p}
				f.PAC(t, krbforge.Signed(t, krbforge.Key(18, webKey[0]), krbforge.ClientInfo("admin", p.AuthTime)))
				*p = f.Part
			}
		}, identity.KindUnproven},
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

// TestKerberosPasswordServices: whom a proof is asked for, and where, of several
// names and realms in a keytab. Without a realm nobody is asked: no name would be
// right there.
func TestKerberosPasswordServices(t *testing.T) {
	key := func(realm string, name ...string) *krb.Key { return &krb.Key{Realm: realm, Name: name} }
	two := []*krb.Key{key("OTHER.TEST", "HTTP", "other.test"), key("EXAMPLE.TEST", "host", "web"), key("EXAMPLE.TEST", "HTTP", "web.example.test")}
	for name, c := range map[string]struct {
		v          *KerberosPassword
		dns        string
		keys       []*krb.Key
		spn, realm string // empty for an error
	}{
		"one":               {v: new(KerberosPassword), keys: two[1:], spn: webService, realm: "EXAMPLE.TEST"},
		"the domain's":      {v: new(KerberosPassword), dns: "example.test", keys: two, spn: webService, realm: "EXAMPLE.TEST"},
		"written":           {v: &KerberosPassword{SPN: "HTTP/x", Realm: "X.TEST"}, keys: two, spn: "HTTP/x", realm: "X.TEST"},
		"of another":        {v: &KerberosPassword{Realm: "OTHER.TEST"}, keys: two, spn: "HTTP/other.test", realm: "OTHER.TEST"},
		"none of the realm": {v: new(KerberosPassword), dns: "example.test", keys: two[:2]},
		"no realm known":    {v: new(KerberosPassword), keys: two},
	} {
		c.v.directory = &Directory{dnsDomain: c.dns, holdings: new(holdings)}
		spn, realm, err := c.v.service(&krb.Keytab{Keys: c.keys})
		if spn != c.spn || c.spn != "" && realm != c.realm || (err != nil) != (c.spn == "") || err != nil && identity.KindOf(err) != identity.KindKeytab {
			t.Errorf("%s: got %s of %s, %v, want %s of %s", name, spn, realm, err, c.spn, c.realm)
		}
	}
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
		{&krb.Refusal{Code: krb.CodeWrongRealm, Service: service}, identity.KindProtocol},
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
		{&krb.Refusal{Code: krb.CodeNeverValid}, identity.KindClock},
		{&krb.Refusal{Code: krb.CodeClientNotYet}, identity.KindRestricted},
		{&krb.Refusal{Code: krb.CodePadataType}, identity.KindRestricted},
		{&krb.Refusal{Code: krb.CodePreauthRequired}, identity.KindRestricted},
		{&krb.Refusal{Code: krb.CodePreauthRequired, Service: service}, identity.KindProtocol},
		{&krb.Refusal{Code: krb.CodeServiceUnavailable}, identity.KindBusy},
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
	if e, ok := errors.AsType[*identity.Error](explainKDC(&krb.Refusal{Code: krb.CodeWrongRealm})); !ok || !strings.Contains(e.Hint, "realm") {
		t.Errorf("a name of another realm: got %v, want a hint about realms", e)
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
