package diag

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// TestReport: an error is told with its cure, once, whoever names it.
func TestReport(t *testing.T) {
	keytab := &identity.Error{Kind: identity.KindKeytab, Err: errors.New("it is gone"), Hint: "write it"}
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"bare":                 {errors.New("no"), "error: no\n"},
		"advice":               {&advice{errors.New("no"), "try"}, "error: no\nhint: try\n"},
		"of the records":       {fmt.Errorf("ldap EXAMPLE: %w", keytab), "error: ldap EXAMPLE: keytab: it is gone\nhint: write it\n"},
		"advice about records": {&advice{keytab, "try"}, "error: keytab: it is gone\nhint: try\n"},
	} {
		var out strings.Builder
		if err := report(&out, c.err); !errors.Is(err, c.err) || out.String() != c.want {
			t.Errorf("%s: got %q, want %q", name, out.String(), c.want)
		}
	}
}
