package caddyldap

import (
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestServiceHosts: the hosts of spn, else those of the file; none where it cannot
// be read, which is not the same as a file without names.
func TestServiceHosts(t *testing.T) {
	file := filepath.Join("..", "integration", "adapt", "http.keytab")
	for name, c := range map[string]struct {
		file string
		spn  []string
		want []string
	}{
		"file":    {file: file, want: []string{"intranet.example.com"}},
		"spn":     {file: file, spn: []string{"HTTP/www.example.com", "http/app"}, want: []string{"www.example.com", "app"}},
		"no file": {file: filepath.Join(t.TempDir(), "none"), spn: []string{"HTTP/www.example.com"}},
	} {
		t.Run(name, func(t *testing.T) {
			k := &Keytab{File: c.file, SPN: c.spn, directory: &Directory{now: time.Now}}
			if got := k.ServiceHosts(); !slices.Equal(got, c.want) || c.want == nil && got != nil {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
