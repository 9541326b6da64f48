package caddyntlm

import "github.com/caddy-ntlm/caddy-ntlm/internal/identity"

// What a connection may remember for one directory is a small machine, written
// as one table. What the table leaves out leads to phaseNew: an unknown state
// is a 401, and the exchange is forgotten.

// phase is where a connection stands with a directory.
type phase uint8

const (
	// phaseNew: nobody is known.
	phaseNew phase = iota
	// phaseSuspended: the controller is being asked, for a Type 1 or a Type 3.
	// Whoever was known before no longer is.
	phaseSuspended
	// phaseChallenged: a token of ours is with the client, a Type 2 or before it
	// the choice of NTLM; a handshake waits for the answer until its deadline.
	phaseChallenged
	// phaseAuthenticated: somebody is known.
	phaseAuthenticated
	// phaseBarred: the connection is shared, hijacked or closed and remembers
	// nothing ever again. Nothing leads out.
	phaseBarred
	phases
)

// event is something that happens to a connection.
type event uint8

const (
	// A request arrives.

	eventNothing      event = iota // without Authorization
	eventNegotiate                 // with a Type 1, or what else begins a handshake
	eventAuthenticate              // with a Type 3, or what else goes on with one
	eventBasic                     // with a name and a password
	eventMisuse                    // with anything else, or with what cannot be used here

	// Its answer is known.

	eventIssued   // a controller's Type 2, or another token of ours, is ready
	eventAccepted // the client is who it says
	eventRefused  // it is not, or nobody could tell
	eventRenewed  // the directory told again what it knows
	eventForget   // the directory cannot, or no longer knows the account

	// Time passes.

	eventDeadline // the Type 3 did not come
	eventBar      // a proxy was seen, or the connection is gone
	events
)

// action is what the machine asks of its caller.
type action uint8

const (
	doNothing   action = iota
	doKeep             // what the event brought is remembered
	doChallenge        // 401 with all challenges
	doIdentify         // the identity of the connection holds
	doStart            // ask a controller for a Type 2
	doFinish           // go on with the handshake: give the Type 3 to the exchange
	doPassword         // ask a controller about the password
	doRefuse           // 401 with all challenges: a proper token at the wrong time
)

type step struct {
	next phase
	do   action
}

// transitions holds a row for each phase and a column for each event.
var transitions = [phases][events]step{
	phaseNew: {
		eventNothing:      {phaseNew, doChallenge},
		eventNegotiate:    {phaseSuspended, doStart},
		eventAuthenticate: {phaseNew, doRefuse},
		eventBasic:        {phaseNew, doPassword},
		eventMisuse:       {phaseNew, doRefuse},
		eventBar:          {phaseBarred, doNothing},
	},
	phaseSuspended: {
		eventNothing:      {phaseNew, doChallenge},
		eventNegotiate:    {phaseNew, doRefuse},
		eventAuthenticate: {phaseNew, doRefuse},
		eventBasic:        {phaseNew, doPassword},
		eventMisuse:       {phaseNew, doRefuse},
		eventIssued:       {phaseChallenged, doKeep},
		eventAccepted:     {phaseAuthenticated, doKeep},
		eventBar:          {phaseBarred, doNothing},
	},
	phaseChallenged: {
		eventNothing:      {phaseNew, doChallenge},
		eventNegotiate:    {phaseSuspended, doStart},
		eventAuthenticate: {phaseSuspended, doFinish},
		eventBasic:        {phaseNew, doPassword},
		eventMisuse:       {phaseNew, doRefuse},
		eventRefused:      {phaseChallenged, doNothing},
		eventBar:          {phaseBarred, doNothing},
	},
	phaseAuthenticated: {
		eventNothing:      {phaseAuthenticated, doIdentify},
		eventNegotiate:    {phaseSuspended, doStart},
		eventAuthenticate: {phaseNew, doRefuse},
		eventBasic:        {phaseAuthenticated, doPassword},
		eventMisuse:       {phaseNew, doRefuse},
		eventRefused:      {phaseAuthenticated, doNothing},
		eventRenewed:      {phaseAuthenticated, doKeep},
		eventBar:          {phaseBarred, doNothing},
	},
	phaseBarred: {
		eventNothing:      {phaseBarred, doChallenge},
		eventNegotiate:    {phaseBarred, doRefuse},
		eventAuthenticate: {phaseBarred, doRefuse},
		eventBasic:        {phaseBarred, doPassword},
		eventMisuse:       {phaseBarred, doRefuse},
		eventIssued:       {phaseBarred, doNothing},
		eventAccepted:     {phaseBarred, doNothing},
		eventRefused:      {phaseBarred, doNothing},
		eventRenewed:      {phaseBarred, doNothing},
		eventForget:       {phaseBarred, doNothing},
		eventDeadline:     {phaseBarred, doNothing},
		eventBar:          {phaseBarred, doNothing},
	},
}

// held is what a phase may hold: phaseChallenged a handshake,
// phaseAuthenticated an identity, the others nothing.
type held struct {
	handshake *handshake
	id        *identity.Identity
	scheme    scheme // by which id logged in
	by        mechanism
	said      *said // of id; nil for nothing
}

// said is what a client said when it logged in, and the demand of the door that was
// content with it.
type said struct {
	meant  identity.Meant
	demand string
}

// seat is what a connection remembers for one directory.
type seat struct {
	key     string // Directory.Key
	phase   phase
	expired bool // the last exchange ended at its deadline
	held    held
}

// apply moves the seat by one event, which may bring something to hold. It
// returns what to do and what was held here before, where that is over or was
// asked for: the caller finishes or closes a handshake in it.
func (s *seat) apply(e event, brought held) (action, held) {
	if e == eventDeadline && s.held.handshake != brought.handshake {
		return doNothing, held{} // the deadline of an exchange that is over
	}
	t := transitions[s.phase][e]
	before := s.held
	stays := t.next == s.phase
	s.phase, s.expired = t.next, s.expired && e != eventNegotiate || e == eventDeadline
	switch {
	case t.do == doKeep:
		s.held = brought
		return t.do, before
	case t.do == doIdentify:
		return t.do, before
	case stays:
		return t.do, held{}
	}
	s.held = held{}
	return t.do, before
}
