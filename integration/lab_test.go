package integration

import (
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
)

// TestLab holds the domain itself, by clients that are not ours: what each
// account is answered, and that controllers stop, hang and come back.
func TestLab(t *testing.T) {
	lab.SelfCheck(t, domain)
}
