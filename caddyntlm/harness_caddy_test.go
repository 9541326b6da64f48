package caddyntlm

import (
	"fmt"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// doorRoute is the door in Caddy, before an application that tells whom it
// sees, with more fields for the door.
const doorRoute = `{"handle": [{"handler": "test_door", "insecure_basic": true, %s}, {"handler": "test_tell_name"}]}`

// loadDoor runs a door in Caddy; server holds more fields for the server, each
// with a comma behind it, and fields more of them for the door.
func loadDoor(t *testing.T, server, fields string) *caddyDoor {
	t.Helper()
	return loadRoutes(t, server, fmt.Sprintf(doorRoute, fields))
}

// loadRoutes runs a site of any routes, one of which holds a door.
func loadRoutes(t *testing.T, server, routes string) *caddyDoor {
	t.Helper()
	if err := caddy.Load(routesConfig(t, server, routes), true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	})
	return loaded.Load()
}

// routesConfig is the configuration of a server with these routes.
func routesConfig(t *testing.T, server, routes string) []byte {
	t.Helper()
	return fmt.Appendf(nil, `{
		"admin": {"disabled": true, "config": {"persist": false}},
		"storage": {"module": "file_system", "root": %q},
		"logging": {"logs": {"default": {"level": "PANIC"}}},
		"apps": {"tls": {"disable_storage_check": true, "disable_storage_clean": true}, "http": {"servers": {"s": {
			"listen": ["127.0.0.1:0"],
			"automatic_https": {"disable": true},
			"logs": {},
			%s
			"routes": [%s]
		}}}}}`, t.TempDir(), server, routes)
}

// remembered is how many connections the door's table holds.
func (d *caddyDoor) remembered() int {
	d.conns.mu.Lock()
	defer d.conns.mu.Unlock()
	return len(d.conns.open)
}
