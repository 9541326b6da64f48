package ntlm

import (
	"encoding/binary"
	"errors"
)

// The layout of a NEGOTIATE_MESSAGE, [MS-NLMP] 2.2.1.1.
const (
	negotiateFlagsAt       = 12
	negotiateDomainAt      = 16
	negotiateWorkstationAt = 24
	negotiateVersionAt     = 32

	negotiateShort   = 16                              // Windows 9x: flags and nothing else
	negotiateFixed   = 32                              // Windows NT and curl: no version
	negotiateVersion = negotiateVersionAt + versionLen // Windows 2000 SP2 and later
)

// errVersion is a version without its flag, or the other way round.
var errVersion = errors.New("ntlm: Version and NegotiateVersion disagree")

// Negotiate is the client's first message, "Type 1", [MS-NLMP] 2.2.1.1. Its
// names are sent only with the flags that announce them, always as OEM text,
// and prove nothing.
type Negotiate struct {
	Flags       Flags
	Domain      string
	Workstation string
	Version     *Version // nil when the client sends none
}

// ParseNegotiate reads a NEGOTIATE_MESSAGE. Names that no flag announces are
// ignored, as [MS-NLMP] 2.2.1.1 demands.
func ParseNegotiate(msg []byte) (*Negotiate, error) {
	if err := expect(msg, TypeNegotiate, negotiateShort); err != nil {
		return nil, err
	}
	m := &Negotiate{Flags: Flags(binary.LittleEndian.Uint32(msg[negotiateFlagsAt:]))}
	if len(msg) == negotiateShort {
		return m, nil
	}
	if err := expect(msg, TypeNegotiate, negotiateFixed); err != nil {
		return nil, err
	}
	domain := announced(m.Flags, NegotiateOEMDomainSupplied, readField("DomainName", msg, negotiateDomainAt))
	workstation := announced(m.Flags, NegotiateOEMWorkstationSupplied, readField("Workstation", msg, negotiateWorkstationAt))
	if err := checkFields(msg, negotiateFixed, domain, workstation); err != nil {
		return nil, err
	}
	if m.Flags.Has(NegotiateVersion) && payloadStart(msg, domain, workstation) >= negotiateVersion {
		m.Version = readVersion(msg[negotiateVersionAt:])
	}
	m.Domain = decodeOEM(domain.value(msg))
	m.Workstation = decodeOEM(workstation.value(msg))
	return m, nil
}

// announced empties a field whose flag is not set.
func announced(flags, flag Flags, f field) field {
	if !flags.Has(flag) {
		f.len = 0
	}
	return f
}

// Marshal writes the message: header, workstation, domain, as Windows orders
// them. A name without its flag, or a version without its flag, is an error,
// for it would not read back.
func (m *Negotiate) Marshal() ([]byte, error) {
	if m.Domain != "" && !m.Flags.Has(NegotiateOEMDomainSupplied) ||
		m.Workstation != "" && !m.Flags.Has(NegotiateOEMWorkstationSupplied) {
		return nil, errors.New("ntlm: a name without the flag that announces it")
	}
	size := negotiateFixed
	if m.Version != nil {
		if !m.Flags.Has(NegotiateVersion) {
			return nil, errVersion
		}
		size = negotiateVersion
	}
	domain, err := encodeName(NegotiateOEM, "DomainName", m.Domain)
	if err != nil {
		return nil, err
	}
	workstation, err := encodeName(NegotiateOEM, "Workstation", m.Workstation)
	if err != nil {
		return nil, err
	}
	msg := start(TypeNegotiate, size)
	binary.LittleEndian.PutUint32(msg[negotiateFlagsAt:], uint32(m.Flags))
	if m.Version != nil {
		m.Version.put(msg[negotiateVersionAt:])
	}
	return appendSupplied(msg,
		placed{"Workstation", negotiateWorkstationAt, workstation},
		placed{"DomainName", negotiateDomainAt, domain})
}
