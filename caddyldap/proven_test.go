package caddyldap

import (
	"errors"
	"fmt"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/netlogon"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
	"github.com/caddy-ntlm/caddy-ntlm/internal/smb2"
)

// TestWhoIsToldOfAnAccount: a refusal counts as proof of the password only where
// controllers give it for no other.
func TestWhoIsToldOfAnAccount(t *testing.T) {
	s := &server{url: URL{TLS: true, Host: "dc1", Port: "636"}}
	bind := func(at stage, code uint16, data string) error {
		return diagnose(s, at, ldap.NewError(code, fmt.Errorf(saidData, data)))
	}
	logon := func(status ntstatus.Status) error {
		return explainNetlogon("dc1:135", "WEB01$", &netlogon.StatusError{Status: status})
	}
	session := func(command smb2.Command, status ntstatus.Status) error {
		return explainSMB("dc1:445", &smb2.StatusError{Command: command, Status: status})
	}
	policy := func(control ldap.Control) error {
		return checkPolicy(&ldap.SimpleBindResult{Controls: []ldap.Control{control}}, errors.New("refused"))
	}
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"expired":              {bind(binding, 49, "532"), true},
		"must change":          {bind(binding, 49, "773"), true},
		"disabled":             {bind(binding, 49, "533"), true},
		"account expired":      {bind(binding, 49, "701"), true},
		"hours":                {bind(binding, 49, "530"), true},
		"workstation":          {bind(binding, 49, "531"), true},
		"locked":               {bind(binding, 49, "775"), false},
		"wrong":                {bind(binding, 49, "52e"), false},
		"Protected Users":      {bind(binding, 49, "52f"), false},
		"by relay":             {bind(relaying, 49, "532"), false},
		"another code":         {bind(binding, 53, "532"), false},
		"Netlogon, expired":    {logon(0xC0000071), true},
		"Netlogon, locked":     {logon(0xC0000234), false},
		"Netlogon, wrong":      {logon(ntstatus.WrongPassword), false},
		"SMB, disabled":        {session(smb2.SessionSetup, 0xC0000072), true},
		"SMB, locked":          {session(smb2.SessionSetup, 0xC0000234), false},
		"SMB, at another time": {session(smb2.SessionSetup+1, 0xC0000072), false},
		"policy, expired":      {policy(&ldap.ControlBeheraPasswordPolicy{Error: policyExpired}), true},
		"policy, must change":  {policy(&ldap.ControlVChuPasswordMustChange{MustChange: true}), true},
		"policy, locked":       {policy(&ldap.ControlBeheraPasswordPolicy{Error: policyLocked}), false},
	} {
		failure, ok := errors.AsType[*identity.Error](c.err)
		if !ok || failure.Proven != c.want {
			t.Errorf("%s: got %+v, want proven %v", name, failure, c.want)
		}
	}
}
