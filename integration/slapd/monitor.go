package slapd

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// What the server itself says of who asks it, slapd-monitor(5).

// Binds is how many binds the server has answered since it runs, besides those of
// whoever looks here.
func (s *Server) Binds() (int, error) {
	values, err := s.monitor("cn=Bind,cn=Operations,cn=Monitor", "base", "monitorOpCompleted")
	if err != nil {
		return 0, err
	}
	if len(values) != 1 {
		return 0, fmt.Errorf("slapd's monitor gives %d numbers of binds", len(values))
	}
	all, err := strconv.Atoi(values[0])
	return all - s.looks, err
}

// BoundAs are the numbers of the open connections that are bound by a DN.
func (s *Server) BoundAs(dn string) ([]string, error) {
	return s.monitor("cn=Connections,cn=Monitor", "one", "monitorConnectionNumber", "(monitorConnectionAuthzDN="+dn+")")
}

// monitor gives the values of an attribute, entry after entry.
func (s *Server) monitor(base, scope, attribute string, filter ...string) ([]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if len(filter) == 0 {
		filter = []string{"(objectClass=*)"}
	}
	args := append([]string{"-x", "-LLL", "-H", s.LDAPS, "-D", Admin, "-w", AdminPassword, "-b", base, "-s", scope}, filter...)
	search := exec.CommandContext(ctx, "ldapsearch", append(args, attribute)...)
	search.Env = append(os.Environ(), "LDAPTLS_CACERT="+s.CA)
	s.looks++
	out, err := search.Output()
	if err != nil {
		return nil, fmt.Errorf("asking slapd's monitor: %w", err)
	}
	var values []string
	for line := range strings.Lines(string(out)) {
		if value, ok := strings.CutPrefix(line, attribute+": "); ok {
			values = append(values, strings.TrimSpace(value))
		}
	}
	return values, nil
}
