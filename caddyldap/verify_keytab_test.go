package caddyldap

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/krb"
	"github.com/caddy-ntlm/caddy-ntlm/internal/krbforge"
)

const aes256 = 18 // RFC 3962 7

// ticketing is a keytab verifier at noon, and somebody whose ticket is the same in
// each request.
type ticketing struct {
	*Keytab
	now   time.Time
	forge *krbforge.Forge
	n     int
}

func newTicketing(t *testing.T, long types.EncryptionKey) *ticketing {
	t.Helper()
	config := demoDirectory(startDemo(t, nil))
	config.ServiceAccount = nil
	d, _ := open(t, config, "EXAMPLE")
	k := &ticketing{now: time.Now().Truncate(time.Second)}
	d.now = func() time.Time { return k.now }
	k.Keytab = &Keytab{File: filepath.Join(t.TempDir(), "http.keytab"), directory: d, replays: &replays{krb.NewReplays()}}
	k.forge = krbforge.New(k.now, long, "EXAMPLE.TEST", "HTTP/web.example.test", "alice")
	var first types.EncryptedData
	k.forge.Ticket = func(ticket *messages.Ticket) {
		if first.Cipher == nil {
			first = ticket.EncPart
		}
		ticket.EncPart = first
	}
	return k
}

// write makes the file hold keys, and lets it be looked at.
func (k *ticketing) write(t *testing.T, keys ...types.EncryptionKey) {
	t.Helper()
	k.now = k.now.Add(2 * keytabPause)
	if err := os.WriteFile(k.File, krbforge.Keytab("EXAMPLE.TEST", "HTTP/web.example.test", 3, keys...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(k.File, k.now, k.now); err != nil {
		t.Fatal(err)
	}
}

// ask sends another request with the ticket.
func (k *ticketing) ask(t *testing.T) (*identity.Principal, error) {
	t.Helper()
	k.n++
	k.forge.Sent.CTime, k.forge.Sent.Cusec = k.now, k.n
	p, _, err := k.VerifyTicket(t.Context(), k.forge.Token(t), nil)
	return p, err
}

// TestRememberedTicket: a ticket that was opened is good for as long as the keytab
// has its key, and no longer; and not at all under a certificate that nobody vouches
// for.
func TestRememberedTicket(t *testing.T) {
	long, other := krbforge.Key(aes256, 0x11), krbforge.Key(aes256, 0x12)
	k := newTicketing(t, long)
	for _, c := range []struct {
		name string
		keys []types.EncryptionKey // nil leaves the file alone
		want identity.Kind         // 0 for success
	}{
		{"the key", []types.EncryptionKey{long}, 0},
		{"again", nil, 0},
		{"another key", []types.EncryptionKey{other}, identity.KindBadToken},
		{"another still", nil, identity.KindBadToken},
		{"both", []types.EncryptionKey{other, long}, 0},
		{"both still", nil, 0},
	} {
		if c.keys != nil {
			k.write(t, c.keys...)
		}
		if p, err := k.ask(t); c.want != 0 && identity.KindOf(err) != c.want || c.want == 0 && err != nil {
			t.Errorf("%s: got %v, %v, want %v", c.name, p, err, c.want)
		}
	}
	if err := os.Remove(k.File); err != nil {
		t.Fatal(err)
	}
	k.now = k.now.Add(2 * keytabPause)
	if p, err := k.ask(t); identity.KindOf(err) != identity.KindKeytab {
		t.Errorf("a file that is gone: got %v, %v, want %v", p, err, identity.KindKeytab)
	}

	k = newTicketing(t, long)
	k.write(t, long)
	k.forge.PAC(t, krbforge.Signed(t, other, k.forge.ClientInfo()))
	for range 2 {
		if p, err := k.ask(t); identity.KindOf(err) != identity.KindPAC {
			t.Errorf("a PAC signed by another: got %v, %v, want %v", p, err, identity.KindPAC)
		}
	}
}

// TestCertifiedOnce: the identity of a certificate is made once for all requests of a
// ticket, each time as of now.
func TestCertifiedOnce(t *testing.T) {
	long := krbforge.Key(aes256, 0x11)
	k := newTicketing(t, long)
	k.write(t, long)
	raw, err := os.ReadFile("../internal/pac/testdata/alice.pac")
	if err != nil {
		t.Fatal(err)
	}
	k.forge.PAC(t, k.forge.Resigned(t, raw))
	var seen []*identity.Identity
	for range 2 {
		k.now = k.now.Add(time.Second)
		p, err := k.ask(t)
		if err != nil {
			t.Fatal(err)
		}
		id, err := k.directory.Resolve(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if id.SAM != "alice" || !id.At.Equal(k.now) || len(id.Groups()) < 5 {
			t.Errorf("got %s as of %v in %v, want alice as of %v", id.SAM, id.At, id.Groups(), k.now)
		}
		seen = append(seen, id)
	}
	if seen[0] == seen[1] || !seen[0].At.Before(seen[1].At) {
		t.Errorf("got one identity for two moments: %v", seen[0].At)
	}
}

// TestWhoseDomain: threats C-07. Of a keytab's two realms none is the domain's until
// something says so, where tickets alone say who has which SID.
func TestWhoseDomain(t *testing.T) {
	long := krbforge.Key(aes256, 0x11)
	other := krbforge.Keytab("OTHER.TEST", "HTTP/web.example.test", 3, krbforge.Key(aes256, 0x12))
	for name, c := range map[string]struct {
		realms [][]byte // more of the file
		change func(*Directory)
		want   identity.Kind // 0 for success
	}{
		"one realm":                  {nil, func(*Directory) {}, 0},
		"two":                        {[][]byte{other[2:]}, func(*Directory) {}, identity.KindKeytab},
		"two, and the domain's name": {[][]byte{other[2:]}, func(d *Directory) { d.DNSDomain = "example.test" }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			k := newTicketing(t, long)
			config := demoDirectory(startDemo(t, nil))
			config.ServiceAccount, config.BaseDN = nil, nil
			c.change(config)
			d, _ := open(t, config, "EXAMPLE")
			d.now = func() time.Time { return k.now }
			k.directory = d
			k.write(t, long)
			raw, err := os.ReadFile(k.File)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(k.File, bytes.Join(append([][]byte{raw}, c.realms...), nil), 0o600); err != nil {
				t.Fatal(err)
			}
			if p, err := k.ask(t); c.want != 0 && identity.KindOf(err) != c.want || c.want == 0 && err != nil {
				t.Errorf("got %v, %v, want %v", p, err, c.want)
			}
		})
	}
}
