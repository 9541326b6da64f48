package caddyntlm

import (
	"testing"
	"time"
)

// readsPROXY makes Caddy believe the PROXY protocol of this machine.
const readsPROXY = `"listener_wrappers": [{"wrapper": "proxy_protocol", "allow": ["127.0.0.0/8"]}],`

// an address that somebody tells, by the PROXY protocol or by a header,
// is never who somebody is. Two connections that tell the same one are two.
func TestToldAddressIsNoIdentity(t *testing.T) {
	d := loadDoor(t, readsPROXY, `"realm": "site.example.com"`)
	const told = "PROXY TCP4 192.0.2.7 192.0.2.1 40000 80\r\n"
	known, stranger := d.dial(t), d.dial(t)
	known.write(told)
	stranger.write(told)
	known.login("alice", "secret-a").wantUser(t, "alice")
	stranger.get().want(t, 401, both...)
	known.get().wantUser(t, "alice")
	if _, fields := lastDecision(t, d.logs); fields["remote_ip"] != "192.0.2.7" {
		t.Errorf("got remote_ip %v, want 192.0.2.7", fields["remote_ip"])
	}
	stranger.login("bob", "secret-b").wantUser(t, "bob")
	known.get().wantUser(t, "alice")
	// A header in the name of alice's address makes nobody alice.
	d.dial(t).get("X-Forwarded-For: 192.0.2.7").want(t, 401, basicChallenge)

	_, _ = known.nc.Close(), stranger.nc.Close()
	for end := time.Now().Add(5 * time.Second); d.remembered() > 1; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("got %d connections remembered, want those that are open", d.remembered())
		}
	}
}

// max_pending counts by the address that the PROXY protocol tells, which
// the configuration believes.
func TestPendingByToldAddress(t *testing.T) {
	d := loadDoor(t, readsPROXY, `"max_pending": {"total": 10, "per_address": 1}`)
	begin := func(address string) answer {
		c := d.dial(t)
		c.write("PROXY TCP4 " + address + " 192.0.2.1 40000 80\r\n")
		return c.get(type1())
	}
	for _, address := range []string{"192.0.2.7", "192.0.2.8"} {
		if begin(address).challenge() == nil {
			t.Errorf("%s: got no Type 2", address)
		}
		begin(address).want(t, 503)
	}
}
