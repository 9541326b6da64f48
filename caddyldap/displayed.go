package caddyldap

import (
	"slices"
	"strings"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// People who are asked for their name type "Alice Adams", and no controller says of
// a name that it is nobody's. A space gives it away: few log-in names have one.
// Nobody is asked for that, so a guess costs no directory more and takes no longer,
// and the client is told nothing: hints are for the log.

// adLoginNames are what people type in Active Directory, [MS-ADTS] 5.1.1.1.1.
const adLoginNames = "sAMAccountName or UPN"

// wantLoginName adds to a refusal of bad credentials that the name may have been a
// display name; wanted says where log-in names are, nothing where they may have
// spaces. Every other error, and one that has its hint, comes back as it is.
func wantLoginName(name identity.Name, wanted string, err error) error {
	e, ok := err.(*identity.Error)
	if !ok || e.Kind != identity.KindBadCredentials || e.Hint != "" || wanted == "" || !strings.Contains(strings.TrimSpace(name.User), " ") {
		return err
	}
	hinted := *e
	hinted.Hint = "the typed name has a space in it: the log-in name (" + wanted + ") is wanted, not the display name; caddy windows-auth check-user tries one"
	return &hinted
}

// loginNames says where the names are that a password is tried with, nothing where
// people type a DN or a part of one, or a name of those that have spaces.
func (d *Directory) loginNames() string {
	switch {
	case d.BindAs != nil && d.BindAs.Form != bindDirect && d.BindAs.Form != bindSearch:
		return ""
	case !d.namesByAttribute():
		return adLoginNames + ", or uid"
	case slices.ContainsFunc(spacedAttributes[:], func(a string) bool { return strings.EqualFold(a, d.User.Attribute) }):
		return ""
	}
	return d.User.Attribute
}

// spacedAttributes hold names of people with spaces in them, RFC 4519 2.3 and
// 2.18, RFC 2798 2.3.
var spacedAttributes = [...]string{"cn", "commonName", "name", "displayName"}
