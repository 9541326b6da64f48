package ntstatus

import (
	"errors"
	"fmt"
	"testing"
)

func TestString(t *testing.T) {
	for _, c := range []struct {
		status Status
		want   string
		failed bool
	}{
		{LogonFailure, "STATUS_LOGON_FAILURE (0xC000006D)", true},
		{NTLMBlocked, "STATUS_NTLM_BLOCKED (0xC0000418)", true},
		{Success, "STATUS_SUCCESS (0x00000000)", false},
		{Pending, "STATUS_PENDING (0x00000103)", false},
		{BufferOverflow, "STATUS_BUFFER_OVERFLOW (0x80000005)", false},
		{0xC0DE, "NTSTATUS 0x0000C0DE", false},
		{0xFFFFFFFF, "NTSTATUS 0xFFFFFFFF", true},
	} {
		if got := c.status.String(); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
		if got := c.status.Failed(); got != c.failed {
			t.Errorf("%v: got failed %v, want %v", c.status, got, c.failed)
		}
	}
}

// TestNames: each name is one status's alone.
func TestNames(t *testing.T) {
	seen := map[string]Status{}
	for status, k := range known {
		name := k.name
		if other, twice := seen[name]; twice {
			t.Errorf("%s names 0x%08X and 0x%08X", name, uint32(status), uint32(other))
		}
		seen[name] = status
	}
}

func TestIsFound(t *testing.T) {
	err := fmt.Errorf("logging on: %w", AccountDisabled)
	if !errors.Is(err, AccountDisabled) || errors.Is(err, AccountExpired) {
		t.Errorf("%v is taken for another status", err)
	}
}
