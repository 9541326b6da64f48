package diag

import (
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// ntlm decodes an NTLM message, [MS-NLMP] 2.2.1. Challenges, responses and keys are
// not shown: from a challenge and its response a password can be guessed.
func (d *decoder) ntlm(token []byte) error {
	kind, err := ntlm.TypeOf(token)
	if err != nil {
		return &advice{err, wholeHint}
	}
	tell := map[ntlm.MessageType]func([]byte) error{
		ntlm.TypeNegotiate: d.ntlmNegotiate, ntlm.TypeChallenge: d.ntlmChallenge, ntlm.TypeAuthenticate: d.ntlmAuthenticate,
	}[kind]
	defer d.title("NTLM %s (Type %d)", kind, uint32(kind))()
	if err := tell(token); err != nil {
		return &advice{err, wholeHint}
	}
	return nil
}

func (d *decoder) ntlmNegotiate(token []byte) error {
	m, err := ntlm.ParseNegotiate(token)
	if err != nil {
		return err
	}
	d.line("flags", "%s", m.Flags)
	d.some("domain", m.Domain)
	d.some("computer", m.Workstation)
	d.version(m.Version)
	return nil
}

func (d *decoder) ntlmChallenge(token []byte) error {
	m, err := ntlm.ParseChallenge(token)
	if err != nil {
		return err
	}
	d.line("flags", "%s", m.Flags)
	d.some("target", m.TargetName)
	d.some("domain", m.TargetInfo.NbDomainName())
	d.some("computer", m.TargetInfo.NbComputerName())
	d.some("DNS name", m.TargetInfo.DNSComputerName())
	d.some("DNS domain", m.TargetInfo.DNSDomainName())
	d.some("forest", m.TargetInfo.DNSTreeName())
	d.filetime("clock", m.TargetInfo)
	d.version(m.Version)
	return nil
}

func (d *decoder) ntlmAuthenticate(token []byte) error {
	m, err := ntlm.ParseAuthenticate(token)
	if err != nil {
		return err
	}
	d.line("flags", "%s", m.Flags)
	d.line("user", "%s", m.User)
	d.some("domain", m.Domain)
	d.some("computer", m.Workstation)
	d.version(m.Version)
	if m.Anonymous() {
		d.line("response", "none: an anonymous log-in, which is never accepted")
		return nil
	}
	kind := m.ResponseKind()
	if kind != ntlm.ResponseNTLMv2 {
		d.line("response", "%s, which is never accepted", kind)
		return nil
	}
	d.line("response", "%s", kind)
	r, err := m.V2()
	if err != nil {
		return err
	}
	if target, ok := r.AVPairs.TargetName(); ok && target != "" {
		d.line("service", "%s", target)
	}
	d.filetime("clock", r.AVPairs)
	_, bound := r.AVPairs.ChannelBindings()
	d.binding(bound)
	switch {
	case r.PromisesMIC() && m.MIC == nil:
		d.line("MIC", "promised, and not there")
	case r.PromisesMIC():
		d.line("MIC", "there is one: the three messages belong together")
	default:
		d.line("MIC", "none")
	}
	return nil
}

func (d *decoder) version(v *ntlm.Version) {
	if v != nil {
		d.line("version", "%s", v)
	}
}

func (d *decoder) filetime(about string, pairs ntlm.AVPairs) {
	if at, ok := pairs.Timestamp(); ok {
		d.line(about, "%s", moment(at.Time()))
	}
}

// binding tells whether a client has bound what it sends to its TLS connection.
func (d *decoder) binding(bound bool) {
	if bound {
		d.line("binding", "sent: it is for one TLS connection, by the certificate that the client saw")
		return
	}
	d.line("binding", "none: the client saw no TLS, or does not bind to it")
}

// moment is how times are written.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
