package diag

import (
	"cmp"
	"encoding/json"
	"net/http"

	"github.com/caddy-ntlm/caddy-ntlm/caddyntlm"
)

// page says where a log-in page would send names and passwords to something else than a
// windows_auth that takes them, because a route before it has the page's path.
func (g *judgement) page(h *caddyntlm.Handler) error {
	if h.Login == nil {
		return nil
	}
	path := cmp.Or(h.Login.Path, caddyntlm.DefaultLoginPath)
	posted := *g.target
	posted.Path, posted.RawPath, posted.RawQuery = path+"/login", "", ""
	reached := false
	j := newJourney(g.ctx, g.journey.server, http.MethodPost, &posted)
	j.meet = func(handler string, raw json.RawMessage) (bool, error) {
		if handler != handlerDoor {
			return false, nil
		}
		var other caddyntlm.Handler
		err := json.Unmarshal(raw, &other)
		reached = other.Login != nil && cmp.Or(other.Login.Path, caddyntlm.DefaultLoginPath) == path
		return true, err
	}
	if _, err := j.walk(g.journey.server.Routes); err != nil {
		return err
	}
	if !reached {
		say(g.out, "  note      nobody can log in on the page: what it sends to %s does not come to this windows_auth. Write login with a path that does, such as login /app/auth in handle /app/*\n", posted.Path)
	}
	return nil
}
