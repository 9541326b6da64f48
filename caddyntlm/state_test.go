package caddyntlm

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// What each event may ask for. An event must never ask for anything else,
// whatever the phase.
var allowed = map[event][]action{
	eventNothing:      {doChallenge, doIdentify},
	eventNegotiate:    {doStart, doRefuse},
	eventAuthenticate: {doFinish, doRefuse},
	eventBasic:        {doPassword},
	eventMisuse:       {doRefuse},
	eventIssued:       {doKeep, doNothing},
	eventAccepted:     {doKeep, doNothing},
	eventRefused:      {doNothing},
	eventRenewed:      {doKeep, doNothing},
	eventForget:       {doNothing},
	eventDeadline:     {doNothing},
	eventBar:          {doNothing},
}

func TestTransitions(t *testing.T) {
	for p := range phases {
		for e := range events {
			got := transitions[p][e]
			if !contains(allowed[e], got.do) {
				t.Errorf("phase %d, event %d: got action %d", p, e, got.do)
			}
			if p == phaseBarred && got.next != phaseBarred {
				t.Errorf("event %d leads out of phaseBarred", e)
			}
			if got.do == doIdentify && p != phaseAuthenticated {
				t.Errorf("phase %d identifies somebody", p)
			}
			if got.next == phaseAuthenticated && p != phaseAuthenticated && e != eventAccepted {
				t.Errorf("phase %d, event %d: somebody is authenticated without being accepted", p, e)
			}
			if got.next == phaseChallenged && p != phaseChallenged && e != eventIssued {
				t.Errorf("phase %d, event %d: challenged without a Type 2", p, e)
			}
			if e == eventMisuse && got.next != phaseNew && p != phaseBarred {
				t.Errorf("phase %d survives misuse", p)
			}
		}
	}
}

func contains(list []action, a action) bool {
	for _, x := range list {
		if x == a {
			return true
		}
	}
	return false
}

// Only the phase that may hold something holds it, after any events.
func TestSeatHoldsWhatItsPhaseMay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := seat{}
		for range rapid.IntRange(1, 40).Draw(t, "events") {
			e := event(rapid.IntRange(0, int(events)-1).Draw(t, "event"))
			brought := held{}
			switch e {
			case eventIssued:
				brought.handshake = &handshake{}
			case eventAccepted, eventRenewed:
				brought.id = &identity.Identity{}
			case eventDeadline:
				brought.handshake = s.held.handshake
				if rapid.Bool().Draw(t, "older") {
					brought.handshake = &handshake{}
				}
			}
			before, phase := s.held.handshake, s.phase
			do, left := s.apply(e, brought)
			if before != nil && s.held.handshake != before && left.handshake != before {
				t.Fatalf("event %d lost a handshake", e)
			}
			if e == eventDeadline && brought.handshake != before && s.phase != phase {
				t.Fatalf("the deadline of another exchange moved phase %d", phase)
			}
			if do == doFinish && left.handshake == nil {
				t.Fatal("got nothing to finish")
			}
			if (s.held.handshake != nil) != (s.phase == phaseChallenged) {
				t.Fatalf("phase %d, handshake %v", s.phase, s.held.handshake)
			}
			if (s.held.id != nil) != (s.phase == phaseAuthenticated) {
				t.Fatalf("phase %d, identity %v", s.phase, s.held.id)
			}
		}
	})
}
