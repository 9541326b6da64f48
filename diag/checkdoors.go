package diag

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
	"github.com/caddy-ntlm/caddy-ntlm/caddyntlm"
)

// doors says of each windows_auth what of it will let nobody in, as far as the
// configuration shows it. It comes behind the directories: what is wrong with one of them is
// told by then.
func (c *configCheck) doors(ctx context.Context, document []byte) error {
	found, err := doorways(document)
	if err != nil || len(found) == 0 {
		return err
	}
	say(c.out, "sites\n")
	ready := make([]bool, len(found))
	for i, d := range found {
		if ready[i], err = c.foresee(ctx, document, d); err != nil {
			return err
		}
	}
	var well []string
	for i, d := range found {
		title := d.title()
		for _, o := range d.foreseen {
			if o.Level == caddyldap.Faulty && slices.ContainsFunc(found, func(other *doorway) bool { return other.standsInFor(d, o.About) }) {
				o.Level, o.Text = caddyldap.Notable, o.Text+"; another site of the host takes these log-ins"
			}
			o.Text = title + ": " + o.Text
			c.tell(o)
		}
		if ready[i] && len(d.foreseen) == 0 && !slices.Contains(well, title) {
			well = append(well, title)
			c.tell(caddyldap.Observation{About: "site", Text: title + ": nothing in its schemes, session, login and totp keeps users out"})
		}
	}
	return nil
}

// foresee settles a windows_auth as its start would, and looks where its page is; ready says
// that it could.
func (c *configCheck) foresee(outside context.Context, document []byte, d *doorway) (ready bool, err error) {
	named, _, err := directoriesOf(document) // anew: each is made ready once
	if err != nil {
		return false, err
	}
	for name := range named {
		if !asksNamed(name)(d.handler) {
			delete(named, name)
		}
	}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: outside}) // which has the app's metrics
	defer cancel()
	app := &caddyldap.App{Directories: named, Log: zap.NewNop()}
	defer func() { _ = app.Cleanup() }()
	if err := app.Provision(ctx); err != nil {
		return false, nil // told with the directory
	}
	directories, err := (&judgement{app: app, ctx: ctx}).directories(d.handler)
	if err != nil && d.handler.Directory != nil {
		return false, nil // so is its own
	}
	d.handler.Require = nil // told with the rules
	if err == nil {
		err = d.handler.Foretell(directories)
	}
	if err != nil {
		d.foreseen = []caddyldap.Observation{{Level: caddyldap.Faulty, About: "config", Text: err.Error(), Hint: "Caddy will not start with this"}}
		return false, nil
	}
	d.foreseen = d.handler.Foresee(d.server.overTLS)
	return true, d.lookForPage(ctx)
}

// lookForPage says where the form of a log-in page does not come back to it. A way that only
// real requests show is no fault.
func (d *doorway) lookForPage(ctx caddy.Context) error {
	if d.handler.Login == nil {
		return nil
	}
	hosts := d.hosts
	if len(hosts) == 0 {
		hosts = []string{"localhost"}
	}
	for _, host := range hosts {
		site := url.URL{Scheme: "http", Host: strings.ReplaceAll(host, "*", "any")}
		if d.server.overTLS {
			site.Scheme = "https"
		}
		way, err := wayOfPage(ctx, d.server, d.handler, &site)
		if err != nil {
			return err
		}
		if !way.reached {
			o := caddyldap.Observation{Level: caddyldap.Faulty, About: "login", Text: textLostPage(way.path), Hint: hintLostPage}
			if way.assumed {
				o.Level = caddyldap.Unclear
			}
			d.foreseen = append(d.foreseen, o)
			return nil
		}
	}
	return nil
}

// title names a doorway by its hosts, else by what its server listens on.
func (d *doorway) title() string {
	return cmp.Or(strings.Join(d.hosts, ", "), strings.Join(d.server.Listen, ", "))
}

// standsInFor reports whether users of another windows_auth that lets them in by nothing of
// its own may come here first: a site over HTTPS beside its address without, or one that opens
// sessions by a code.
func (d *doorway) standsInFor(other *doorway, about string) bool {
	if d == other || !d.server.overTLS || !d.sharesHost(other) {
		return false
	}
	h := d.handler
	switch about {
	case "schemes", "session":
		return !other.server.overTLS
	case "totp":
		return h.Session != nil && other.handler.Session != nil && h.TOTP != nil && h.TakesCode() && strings.EqualFold(h.TOTP.Attribute, other.handler.TOTP.Attribute)
	}
	return false
}

func (d *doorway) sharesHost(other *doorway) bool {
	return len(d.hosts) == 0 || len(other.hosts) == 0 ||
		slices.ContainsFunc(d.hosts, func(host string) bool { return slices.Contains(other.hosts, host) })
}

// doorway is a windows_auth of a configuration, and where it stands.
type doorway struct {
	server   server
	hosts    []string
	handler  *caddyntlm.Handler
	foreseen []caddyldap.Observation
}
