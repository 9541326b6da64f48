package caddyntlm

import (
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

func TestEveryKindHasAnOutcome(t *testing.T) {
	for _, kind := range identity.Kinds() {
		o, ok := outcomes[kind]
		if !ok {
			t.Errorf("%v has no outcome", kind)
		}
		if o.text == "" || o.event == "" {
			t.Errorf("%v: got text %q, event %q", kind, o.text, o.event)
		}
		switch o.status {
		case 400, 413:
			if !o.close {
				t.Errorf("%v leaves the connection open", kind)
			}
		case 401, 403, 429, 500, 503:
			if o.close {
				t.Errorf("%v closes the connection", kind)
			}
		default:
			t.Errorf("%v: got status %d", kind, o.status)
		}
	}
	if len(outcomes) != len(identity.Kinds()) {
		t.Errorf("got %d outcomes, want %d", len(outcomes), len(identity.Kinds()))
	}
	if got := outcomeOf(250, schemeNTLM); got != internal {
		t.Errorf("got %v for an unknown kind, want an internal error", got)
	}
}

// A wrong credential and a technical failure never share a status.
func TestCredentialAndTechnicalKinds(t *testing.T) {
	for kind, want := range map[identity.Kind]int{
		identity.KindBadCredentials: 401, identity.KindLocked: 401, identity.KindDisabled: 401,
		identity.KindUnavailable: 503, identity.KindTLS: 503, identity.KindServiceAccount: 503, identity.KindNTLMBlocked: 503,
		identity.KindClientSigning: 503, identity.KindChannelBinding: 503, identity.KindTooManyPending: 503,
		identity.KindDenied: 403, identity.KindNoIdentity: 500, identity.KindInternal: 500, identity.KindNotFound: 401, identity.KindThrottled: 429, identity.KindStore: 503,
	} {
		if got := outcomeOf(kind, schemeBasic).status; got != want {
			t.Errorf("%v: got %d, want %d", kind, got, want)
		}
	}
	if got := outcomeOf(identity.KindNotFound, schemeNTLM).status; got != 403 {
		t.Errorf("not found after NTLM: got %d, want 403", got)
	}
}
