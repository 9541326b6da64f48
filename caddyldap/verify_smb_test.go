package caddyldap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
	"github.com/caddy-ntlm/caddy-ntlm/internal/smb2"
)

// TestSMBWords: what is refused when the configuration loads. Real controllers are
// asked in integration.
func TestSMBWords(t *testing.T) {
	account := &ServiceAccount{Name: `EXAMPLE\svc-web`, Secret: "Secr3t-svc-web"}
	smb := json.RawMessage(`{"verifier":"smb","insecure_unverified_answer":true}`)
	for name, c := range map[string]struct {
		verify  []json.RawMessage
		account *ServiceAccount
		says    string
	}{
		"without its word":        {[]json.RawMessage{json.RawMessage(`{"verifier":"smb"}`)}, account, "lets in whom he likes"},
		"without service account": {[]json.RawMessage{smb}, nil, "write a service_account line"},
		"beside netlogon":         {[]json.RawMessage{json.RawMessage(`{"verifier":"netlogon","account":"WEB01$","secret":"x"}`), smb}, account, "both decide NTLM"},
		"beside relay":            {[]json.RawMessage{smb, json.RawMessage(`{"verifier":"relay"}`)}, account, "both decide NTLM"},
		"beside bind":             {[]json.RawMessage{smb, json.RawMessage(`{"verifier":"bind"}`)}, account, "both decide passwords"},
		"as it should be":         {[]json.RawMessage{smb}, account, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := &Directory{Server: []Server{{URL: "ldaps://dc1.example.test"}}, ServiceAccount: c.account, VerifyRaw: c.verify}
			core, logs := observer.New(zap.WarnLevel)
			ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
			defer cancel()
			err := d.provision(ctx, zap.New(core), "EXAMPLE")
			defer d.stop()
			if warned := logs.FilterField(zap.String("word", wordUnverified)).Len(); err == nil && warned != 1 {
				t.Errorf("got %d warnings of %s, want 1", warned, wordUnverified)
			}
			if (err != nil) != (c.says != "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %q", err, c.says)
			}
		})
	}
}

// TestSMBErrors: each thing that goes wrong has its kind, and says whether another
// controller is asked and whether this one is put aside.
func TestSMBErrors(t *testing.T) {
	said := func(s ntstatus.Status) error { return &smb2.StatusError{Command: smb2.SessionSetup, Status: s} }
	timeout := fmt.Errorf("%w: %w", context.DeadlineExceeded, os.ErrDeadlineExceeded)
	for name, c := range map[string]struct {
		err            error
		kind           identity.Kind
		settled, aside bool
	}{
		"wrong password":       {said(ntstatus.LogonFailure), identity.KindBadCredentials, true, false},
		"locked":               {said(ntstatus.AccountLockedOut), identity.KindLocked, true, false},
		"Protected Users":      {said(ntstatus.AccountRestriction), identity.KindRestricted, true, false},
		"no right to log in":   {said(ntstatus.LogonTypeNotGranted), identity.KindRestricted, true, false},
		"a changed message":    {said(ntstatus.InvalidParameter), identity.KindBadToken, true, false},
		"another service":      {said(ntstatus.AccessDenied), identity.KindChannelBinding, true, false},
		"no NTLM over SMB":     {said(ntstatus.NotSupported), identity.KindNTLMBlocked, true, false},
		"NTLM is blocked":      {said(ntstatus.NTLMBlocked), identity.KindNTLMBlocked, true, false},
		"no logon servers":     {said(ntstatus.NoLogonServers), identity.KindUnavailable, false, false},
		"busy":                 {said(ntstatus.InsufficientServerResources), identity.KindBusy, false, false},
		"its own trouble":      {said(ntstatus.InternalError), identity.KindProtocol, false, false},
		"no negotiation":       {&smb2.StatusError{Command: smb2.Negotiate, Status: ntstatus.LogonFailure}, identity.KindProtocol, false, false},
		"guest":                {smb2.ErrGuest, identity.KindGuestMapped, true, false},
		"null":                 {smb2.ErrNull, identity.KindGuestMapped, true, false},
		"unsigned":             {smb2.ErrUnsigned, identity.KindProtocol, false, false},
		"another's signature":  {smb2.ErrSignature, identity.KindProtocol, false, false},
		"SMB 1":                {smb2.ErrSMB1, identity.KindProtocol, false, false},
		"too late":             {timeout, identity.KindTimeout, false, false},
		"the client has left":  {context.Canceled, identity.KindUnavailable, false, false},
		"the connection ended": {io.ErrUnexpectedEOF, identity.KindUnavailable, false, false},
		"nobody listens":       {&unreachableError{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}, identity.KindUnavailable, false, true},
		"a third leg":          {identity.Fail(identity.KindProtocol, errThirdLeg), identity.KindProtocol, false, false},
		"what nobody foresaw":  {errors.New("something"), identity.KindProtocol, false, false},
	} {
		e := explainSMB("dc1:445", c.err)
		if e.Kind != c.kind || settledSMB(e) != c.settled || unreachable(e) != c.aside || e.Server != "dc1:445" || !errors.Is(e, c.err) && e.Err != errThirdLeg {
			t.Errorf("%s: got %v, settled %v, aside %v, want %v, %v, %v", name, e, settledSMB(e), unreachable(e), c.kind, c.settled, c.aside)
		}
	}
}

// TestReadAlike: a name that a controller may read otherwise is refused.
func TestReadAlike(t *testing.T) {
	const wide, oem = ntlm.NegotiateUnicode, ntlm.NegotiateOEM
	for name, c := range map[string]struct {
		agreed, said ntlm.Flags
		user         string
		kind         identity.Kind
	}{
		"Unicode":            {wide, wide, "müller", 0},
		"Unicode of both":    {wide, wide | oem, "müller", 0},
		"OEM":                {oem, oem, "alice", 0},
		"OEM beyond ASCII":   {oem, oem, "müller", identity.KindBadName},
		"OEM, where Unicode": {wide, oem, "alice", identity.KindBadToken},
		"Unicode, where OEM": {oem, wide, "慤敶", identity.KindBadToken},
		"a short message":    {wide, 0, "alice", identity.KindBadToken},
		"half a character":   {wide, wide, "ali\ufffdce", identity.KindBadName},
	} {
		err := readAlike(&ntlm.Challenge{Flags: c.agreed}, &ntlm.Authenticate{Flags: c.said, User: c.user})
		if (err == nil) != (c.kind == 0) || err != nil && identity.KindOf(err) != c.kind {
			t.Errorf("%s: got %v, want %v", name, err, c.kind)
		}
	}
}

// TestIsController: a challenge of another domain's server, or of one in none.
func TestIsController(t *testing.T) {
	own := domainNames{netBIOS: "EXAMPLE", dns: "example.test"}
	named := func(flags ntlm.Flags, domain string) *ntlm.Challenge {
		return &ntlm.Challenge{Flags: flags, TargetInfo: ntlm.AVPairs{}.SetText(ntlm.AVNbDomainName, domain)}
	}
	for name, c := range map[string]struct {
		challenge *ntlm.Challenge
		ok        bool
	}{
		"its own":        {named(ntlm.TargetTypeDomain, "EXAMPLE"), true},
		"in small":       {named(ntlm.TargetTypeDomain, "example"), true},
		"says nothing":   {&ntlm.Challenge{Flags: ntlm.TargetTypeDomain}, true},
		"another domain": {named(ntlm.TargetTypeDomain, "OTHER"), false},
		"in no domain":   {named(ntlm.TargetTypeServer, "EXAMPLE"), false},
	} {
		if err := own.isController(c.challenge); (err == nil) != c.ok || err != nil && identity.KindOf(err) != identity.KindProtocol {
			t.Errorf("%s: got %v, want %v", name, err, c.ok)
		}
	}
}
