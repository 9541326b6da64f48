package diag

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-ntlm/caddy-ntlm/caddyntlm"
)

const hintLostPage = "Write login with a path that does, such as login /app/auth in handle /app/*"

func textLostPage(path string) string {
	return "nobody can log in on the page: what it sends to " + path + " does not come to this windows_auth"
}

// page says where a log-in page would send names and passwords to something else than a
// windows_auth that takes them, because a route before it has the page's path.
func (g *judgement) page(h *caddyntlm.Handler) error {
	if h.Login == nil {
		return nil
	}
	way, err := wayOfPage(g.ctx, g.journey.server, h, g.target)
	if err == nil && !way.reached {
		say(g.out, "  note      %s. %s\n", textLostPage(way.path), hintLostPage)
	}
	return err
}

// pageWay is where the form of a log-in page goes.
type pageWay struct {
	path    string
	reached bool // a windows_auth that has the page
	assumed bool // something on the way only a real request shows
}

// wayOfPage follows the form of a log-in page through the routes of its server.
func wayOfPage(ctx caddy.Context, s server, h *caddyntlm.Handler, site *url.URL) (pageWay, error) {
	base := cmp.Or(h.Login.Path, caddyntlm.DefaultLoginPath)
	way := pageWay{path: base + "/login"}
	posted := *site
	posted.Path, posted.RawPath, posted.RawQuery = way.path, "", ""
	j := newJourney(ctx, s, http.MethodPost, &posted)
	j.assume = func(string) { way.assumed = true }
	j.meet = func(handler string, raw json.RawMessage) (bool, error) {
		if handler != handlerDoor {
			return false, nil
		}
		var other caddyntlm.Handler
		err := json.Unmarshal(raw, &other)
		way.reached = other.Login != nil && cmp.Or(other.Login.Path, caddyntlm.DefaultLoginPath) == base
		return true, err
	}
	_, err := j.walk(s.Routes)
	return way, err
}
