package identity

import "io"

// Principal is somebody whom a verifier has proven, and nothing else: only a
// verifier's own answer makes one (a test of the house keeps the list of
// files that call Prove). It is not yet known what the directory says about them;
// Directory.Resolve finds that out and closes it.
type Principal struct {
	sid      SID
	claimed  Name
	verifier string
	server   string
	meant    Meant
	evidence io.Closer
}

// Proof is what a verifier learnt.
type Proof struct {
	// SID is whom the controller says it let in; zero in directories without
	// SIDs.
	SID SID
	// Claimed is the name the client wrote. For asking and for the log.
	Claimed Name
	// Verifier is the verifier's word in the configuration, such as "relay".
	Verifier string
	// Server is the controller that said yes, host:port.
	Server string
	// Meant is what the client has said of where it logs in.
	Meant Meant
	// Evidence is what the verifier hands to the directory of its own house,
	// such as the connection on which the controller said yes, and is closed
	// with the Principal. May be nil.
	Evidence io.Closer
}

// Prove makes a Principal. Called by verifiers alone, after the controller's
// yes.
func Prove(p Proof) *Principal {
	return &Principal{sid: p.SID, claimed: p.Claimed, verifier: p.Verifier, server: p.Server, meant: p.Meant, evidence: p.Evidence}
}

// SID is whom the controller let in.
func (p *Principal) SID() SID { return p.sid }

// Claimed is the name that the client wrote.
func (p *Principal) Claimed() Name { return p.claimed }

// Verifier is the word of the verifier that proved it.
func (p *Principal) Verifier() string { return p.verifier }

// Server is the controller that said yes, host:port.
func (p *Principal) Server() string { return p.server }

// Meant is what the client has said, under its key, of where it logs in.
func (p *Principal) Meant() Meant { return p.meant }

// Evidence is what the verifier left for its directory, or nil.
func (p *Principal) Evidence() io.Closer { return p.evidence }

// Close ends the evidence. It may be called more than once.
func (p *Principal) Close() error {
	if p == nil || p.evidence == nil {
		return nil
	}
	evidence := p.evidence
	p.evidence = nil
	return evidence.Close()
}
