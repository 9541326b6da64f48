package caddyntlm

import "testing"

// TestBypassBehindAProxy: whatever may decide by an address does not, where the
// address is a proxy's and everybody would come from there. What decides by
// something else goes on to.
func TestBypassBehindAProxy(t *testing.T) {
	const (
		plain   = ""
		trusted = `"trusted_proxies": {"source": "static", "ranges": ["127.0.0.1/8"]},`
	)
	for name, c := range map[string]struct {
		server, bypass     string
		direct, throughOne int // status without a proxy, and through one whose client is 203.0.113.7
	}{
		"remote_ip":               {plain, `[{"remote_ip": {"ranges": ["127.0.0.1/8"]}}]`, 200, 401},
		"client_ip":               {plain, `[{"client_ip": {"ranges": ["127.0.0.1/8"]}}]`, 200, 401},
		"not remote_ip":           {plain, `[{"not": [{"remote_ip": {"ranges": ["10.0.0.0/8"]}}]}]`, 200, 401},
		"not not client_ip":       {plain, `[{"not": [{"not": [{"client_ip": {"ranges": ["127.0.0.1/8"]}}]}]}]`, 200, 401},
		"expression":              {plain, `[{"expression": "remote_ip('127.0.0.1/8')"}]`, 200, 401},
		"placeholder":             {plain, `[{"vars": {"{http.request.remote.host}": ["127.0.0.1"]}}]`, 200, 401},
		"placeholder of a header": {plain, `[{"header": {"X-Me": ["{http.request.remote.host}"]}}]`, 200, 401},
		"with a path":             {plain, `[{"path": ["/"], "remote_ip": {"ranges": ["127.0.0.1/8"]}}]`, 200, 401},
		"a path":                  {plain, `[{"path": ["/"]}]`, 200, 200},
		"not a path":              {plain, `[{"not": [{"path": ["/admin"]}]}]`, 200, 200},
		"a pattern":               {plain, `[{"path_regexp": {"pattern": "^/x{0}$"}}]`, 200, 200},
		"a host":                  {plain, `[{"host": ["site.example.com"]}]`, 200, 200},
		"trusted remote_ip":       {trusted, `[{"remote_ip": {"ranges": ["127.0.0.1/8"]}}]`, 401, 401},
		"trusted client_ip":       {trusted, `[{"client_ip": {"ranges": ["203.0.113.0/24"]}}]`, 401, 200},
		"trusted, another":        {trusted, `[{"client_ip": {"ranges": ["127.0.0.1/8"]}}]`, 200, 401},
		"trusted not client_ip":   {trusted, `[{"not": [{"client_ip": {"ranges": ["10.0.0.0/8"]}}]}]`, 200, 200},
	} {
		t.Run(name, func(t *testing.T) {
			d := loadBypassing(t, c.server, c.bypass)
			if got := d.dial(t).get("X-Me: 127.0.0.1"); got.StatusCode != c.direct {
				t.Errorf("direct: got %d, want %d", got.StatusCode, c.direct)
			}
			if got := d.dial(t).get("X-Me: 127.0.0.1", "X-Forwarded-For: 203.0.113.7", "Via: 1.1 nginx"); got.StatusCode != c.throughOne {
				t.Errorf("through a proxy: got %d, want %d", got.StatusCode, c.throughOne)
			}
		})
	}
}

// TestSightsOfPaths: what may decide by the path is asked only about a path that
// everybody reads alike.
func TestSightsOfPaths(t *testing.T) {
	for name, c := range map[string]struct {
		bypass string
		want   int // status of //
	}{
		"not path":   {`[{"not": [{"path": ["/admin"]}]}]`, 401},
		"not host":   {`[{"not": [{"host": ["other.example.com"]}]}]`, 200},
		"unknown":    {`[{"vars": {"{http.request.method}": ["GET"]}}]`, 401},
		"expression": {`[{"expression": "method('GET')"}]`, 401},
		"method":     {`[{"method": ["GET"]}]`, 200},
	} {
		t.Run(name, func(t *testing.T) {
			client := loadBypassing(t, "", c.bypass).dial(t)
			client.send("GET", "//", "")
			if got := client.receive("GET"); got.StatusCode != c.want {
				t.Errorf("got %d, want %d", got.StatusCode, c.want)
			}
		})
	}
}
