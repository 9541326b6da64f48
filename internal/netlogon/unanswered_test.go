package netlogon

import (
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/dcerpc"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
)

// TestUnanswered: a wrong password counts at a controller each time it is sent, so a
// log-in that is not answered is sent twice at most, however many controllers there
// are. What is answered counts once, at whatever level.
func TestUnanswered(t *testing.T) {
	silent := func(n int, answer []byte) []byte {
		if n == 0 {
			return answer // the channel opens
		}
		return nil
	}
	for name, c := range map[string]struct {
		first, second script
		asked         [2]int
		spent         bool
	}{
		"both break off":      {script{mangle: silent}, script{mangle: silent}, [2]int{2, 0}, true},
		"a fault, and again":  {script{fault: onCall(samLogonEx, dcerpc.FaultInvalidTag)}, script{}, [2]int{2, 0}, true},
		"one knows no level":  {script{decide: func(_ int, level uint16) []byte { return no(level, ntstatus.InvalidInfoClass) }}, script{}, [2]int{3, 1}, false},
		"the first says no":   {script{decide: func(_ int, level uint16) []byte { return no(level, ntstatus.WrongPassword) }}, script{}, [2]int{1, 1}, false},
		"the channel is gone": {script{decide: func(_ int, level uint16) []byte { return no(level, ntstatus.AccessDenied) }}, script{}, [2]int{2, 1}, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := someone()
			var asked [2]int
			for i, s := range []script{c.first, c.second} {
				dc := &controller{script: s}
				if _, err := newClient(t, dc, 1, 1).LogOn(t.Context(), l); i == 0 && l.Spent() != c.spent {
					t.Errorf("got %v that it may not be sent again, after %v", l.Spent(), err)
				}
				asked[i] = dc.seen().asked
			}
			if asked != c.asked {
				t.Errorf("asked %v times, want %v", asked, c.asked)
			}
		})
	}
}
