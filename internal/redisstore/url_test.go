package redisstore

import (
	"strings"
	"testing"
)

func TestParseURL(t *testing.T) {
	for text, want := range map[string]URL{
		"redis://redis.example.com":                {Host: "redis.example.com", Port: "6379"},
		"redis://redis.example.com:7000/3":         {Host: "redis.example.com", Port: "7000", Database: 3},
		"rediss://redis.example.com/":              {Host: "redis.example.com", Port: "6379", TLS: true},
		"REDISS://[::1]:6380/0":                    {Host: "::1", Port: "6380", TLS: true},
		"redis://caddy:p%40ss@redis.example.com":   {Host: "redis.example.com", Port: "6379", Username: "caddy", Password: "p@ss"},
		"redis://:" + password + "@127.0.0.1:6379": {Host: "127.0.0.1", Port: "6379", Password: password},
	} {
		if got, err := ParseURL(text); err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "redis", "redis.example.com", "redis.example.com:6379", "http://redis.example.com", "redis:redis.example.com", "redis://", "redis:///0",
		"redis://redis.example.com:0", "redis://redis.example.com:65536", "redis://redis.example.com:port", "redis://redis.example.com/db", "redis://redis.example.com/-1", "redis://redis.example.com/0/1",
		"redis://redis.example.com?db=1", "redis://redis.example.com/0?", "redis://redis.example.com#", "redis://redis.example.com/999999999999", "valkey://redis.example.com",
		"redis://:" + password + "/x@redis.example.com", "redis://caddy:{" + password + "}@redis.example.com", "redis://a:1/" + password + "@redis.example.com", "redis://a:b?" + password + "@redis.example.com", "http://:" + password + "@redis.example.com",
		"redis://redis.example.com/0 ", "redis://:" + password + "@redis.example.com/x",
	} {
		got, err := ParseURL(text)
		if err == nil {
			t.Errorf("%q: got %+v, want an error", text, got)
		} else if strings.Contains(err.Error(), password) {
			t.Errorf("%q: %v shows the password", text, err)
		}
	}
}

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{"localhost": true, "127.0.0.2": true, "::1": true, "10.0.0.1": false, "redis.example.com": false} {
		if got := (URL{Host: host}).Loopback(); got != want {
			t.Errorf("%s: got %v, want %v", host, got, want)
		}
	}
}

// FuzzParseURL: a URL that is taken says where the server is, and an error repeats
// nothing that stands before an @.
func FuzzParseURL(f *testing.F) {
	for _, text := range []string{"redis://redis.example.com:6379/0", "rediss://caddy:x@[::1]", "redis://a:1/b@c", "redis:", "//@"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := ParseURL(text)
		if err == nil && (u.Host == "" || u.Port == "" || u.Database < 0) {
			t.Errorf("%q: got %+v", text, u)
		}
		if before, _, ok := strings.Cut(text, "@"); err != nil && ok && len(before) > 24 && strings.Contains(err.Error(), before[8:]) {
			t.Errorf("%q: %v", text, err)
		}
	})
}
