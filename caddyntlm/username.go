package caddyntlm

import (
	"fmt"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// Username says how a user's name is written for the application.
type Username struct {
	// sam, logon (DOMAIN\user), upn, dn or sid. Default: sam; logon with
	// several directories.
	Format string `json:"format,omitempty"`
	// In lower case.
	Lower bool `json:"lower,omitempty"`
}

// nameFormat writes a user's name for the application.
type nameFormat func(*identity.Identity) string

var nameFormats = map[string]nameFormat{
	"sam":   func(id *identity.Identity) string { return id.SAM },
	"logon": (*identity.Identity).Logon,
	"upn":   func(id *identity.Identity) string { return id.UPN },
	"dn":    func(id *identity.Identity) string { return id.DN },
	"sid":   func(id *identity.Identity) string { return id.SID.String() },
}

// format finds the format to use. With several directories a bare name would
// not tell two people apart.
func (u *Username) format(several bool) (nameFormat, error) {
	word, lower := "", false
	if u != nil {
		word, lower = u.Format, u.Lower
	}
	if word == "" {
		word = "sam"
		if several {
			word = "logon"
		}
	}
	write, ok := nameFormats[word]
	if !ok {
		return nil, fmt.Errorf("username: unknown format %s; known: sam, logon, upn, dn, sid", word)
	}
	if lower {
		return func(id *identity.Identity) string { return identity.Lower(write(id)) }, nil
	}
	return write, nil
}
