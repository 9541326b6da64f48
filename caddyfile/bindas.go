package caddyfile

import "github.com/caddy-ntlm/caddy-ntlm/caddyldap"

const bindAsUsage = "bind_as direct|search|absolute|relative, or bind_as template <dn with {user}>"

// readBindAs reads how a typed name becomes a bind name. What hangs on other
// lines is checked at the end of the block.
func readBindAs(d *directory, l line) error {
	form := l.args[0].Text
	d.BindAs, d.bindAs = &caddyldap.BindAs{Form: form}, &l.args[0]
	switch {
	case form == "template" && len(l.args) < 2:
		return errorAt(l.word, "no template: write bind_as template uid={user},ou=people,dc=example,dc=com")
	case form == "template":
		d.BindAs.Template = l.args[1].Text
	case len(l.args) > 1:
		return errorAt(l.args[1], "%s takes nothing behind it: write %s", short(form), bindAsUsage)
	}
	return nil
}

// userWords are the lines of a user block.
func userWords() words[caddyldap.User] {
	field := func(usage string, field func(*caddyldap.User) *string) word[caddyldap.User] {
		return word[caddyldap.User]{usage: usage, least: 1, most: 1, parse: func(u *caddyldap.User, l line) error {
			*field(u) = l.args[0].Text
			one := new(caddyldap.User)
			*field(one) = l.args[0].Text
			return checkAlone(l.args[0], &caddyldap.Directory{User: one})
		}}
	}
	return words[caddyldap.User]{
		"attribute": field("attribute <ldap-attribute>", func(u *caddyldap.User) *string { return &u.Attribute }),
		"filter":    field("filter <ldap-filter>", func(u *caddyldap.User) *string { return &u.Filter }),
		"suffix":    field("suffix <text>", func(u *caddyldap.User) *string { return &u.Suffix }),
	}
}

func readUser(d *directory, l line) error {
	d.User = new(caddyldap.User)
	return userWords().read(d.User, "user", l.block)
}
