package diag

import (
	"bytes"
	"net"
	"strings"
	"testing"
)

// TestCheckStore: check-config asks the store that a configuration names.
func TestCheckStore(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := l.Addr().String()
	l.Close()
	for name, test := range map[string]struct {
		document string
		faults   int
		want     []string
	}{
		"none":    {`{"apps": {}}`, 0, nil},
		"memory":  {`{"apps": {"windows_auth": {"store": {"store": "memory"}}}}`, 0, []string{"ok       store", "in memory"}},
		"nothing": {`{"apps": {"windows_auth": {"store": {"store": "redis", "url": "redis://` + gone + `", "password": "Secr3t-never-shown"}}}}`, 1, []string{"note     store    store redis gives protection away", "FAULT    store", "nothing listens"}},
		"mistake": {`{"apps": {"windows_auth": {"store": {"store": "redis", "url": "redis://` + gone + `", "password": "{file./nowhere/redis}"}}}}`, 1, []string{"FAULT    config", "/nowhere/redis"}},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			c := &configCheck{out: &out}
			if err := c.store(t.Context(), []byte(test.document)); err != nil {
				t.Fatal(err)
			}
			for _, want := range test.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("got %s, want %q in it", out.String(), want)
				}
			}
			if c.faults != test.faults || test.want == nil && out.Len() > 0 || strings.Contains(out.String(), "Secr3t") {
				t.Errorf("got %d faults and %s", c.faults, out.String())
			}
		})
	}
}
