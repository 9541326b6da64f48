package caddyfile

import "github.com/caddy-ntlm/caddy-ntlm/caddyldap"

// groupWords are the lines of a group block.
func groupWords() words[caddyldap.Group] {
	return words[caddyldap.Group]{
		"attribute": {usage: "attribute <ldap-attribute>", least: 1, most: 1, parse: func(g *caddyldap.Group, l line) error {
			g.Attribute = l.args[0].Text
			return checkAlone(l.args[0], &caddyldap.Directory{Group: &caddyldap.Group{Attribute: g.Attribute}})
		}},
		"filter": {usage: "filter <ldap-filter>", least: 1, most: 1, parse: func(g *caddyldap.Group, l line) error {
			g.Filter = l.args[0].Text
			return checkAlone(l.args[0], &caddyldap.Directory{Group: &caddyldap.Group{Filter: g.Filter}})
		}},
		"nested": {usage: "nested on|off", least: 1, most: 1, parse: func(g *caddyldap.Group, l line) error {
			on := l.args[0].Text == "on"
			if !on && l.args[0].Text != "off" {
				return errorAt(l.args[0], "nested is on or off")
			}
			g.Nested = &on
			return nil
		}},
	}
}

func readGroup(d *directory, l line) error {
	d.Group = new(caddyldap.Group)
	return groupWords().read(d.Group, "group", l.block)
}
