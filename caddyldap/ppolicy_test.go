package caddyldap

import (
	"errors"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// TestPasswordPolicy: a success that is only for changing the password is none.
func TestPasswordPolicy(t *testing.T) {
	behera := func(code int8) ldap.Control {
		return &ldap.ControlBeheraPasswordPolicy{Expire: -1, Grace: -1, Error: code}
	}
	refused := ldap.NewError(ldap.LDAPResultInvalidCredentials, errors.New("no"))
	for name, c := range map[string]struct {
		controls []ldap.Control
		err      error
		want     identity.Kind // KindInternal: what it was
	}{
		"nothing":             {nil, nil, 0},
		"expires soon":        {[]ldap.Control{&ldap.ControlBeheraPasswordPolicy{Expire: 60, Grace: -1, Error: -1}}, nil, 0},
		"must change":         {[]ldap.Control{behera(2)}, nil, identity.KindMustChange},
		"must change, theirs": {[]ldap.Control{&ldap.ControlVChuPasswordMustChange{MustChange: true}}, nil, identity.KindMustChange},
		"expired":             {[]ldap.Control{behera(0)}, nil, identity.KindPasswordExpired},
		"second control":      {[]ldap.Control{behera(-1), behera(2)}, nil, identity.KindMustChange},
		"refused":             {nil, refused, 0},
		"refused, locked":     {[]ldap.Control{behera(1)}, refused, identity.KindLocked},
		"refused, expired":    {[]ldap.Control{behera(0)}, refused, identity.KindPasswordExpired},
	} {
		err := checkPolicy(&ldap.SimpleBindResult{Controls: c.controls}, c.err)
		if c.want == 0 && !errors.Is(err, c.err) || c.want != 0 && identity.KindOf(err) != c.want {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	if err := checkPolicy(nil, refused); !errors.Is(err, refused) {
		t.Errorf("no result: got %v", err)
	}
}
