package ntlm

import (
	"fmt"
	"strings"
)

// Flags is the NEGOTIATE structure, [MS-NLMP] 2.2.2.5: what the two sides
// offer and agree on.
type Flags uint32

// The flags, named as [MS-NLMP] 2.2.2.5 names them without NTLMSSP_. Bits that
// are not here are reserved.
const (
	NegotiateUnicode                 Flags = 0x00000001
	NegotiateOEM                     Flags = 0x00000002
	RequestTarget                    Flags = 0x00000004
	NegotiateSign                    Flags = 0x00000010
	NegotiateSeal                    Flags = 0x00000020
	NegotiateDatagram                Flags = 0x00000040
	NegotiateLMKey                   Flags = 0x00000080
	NegotiateNTLM                    Flags = 0x00000200
	NegotiateAnonymous               Flags = 0x00000800
	NegotiateOEMDomainSupplied       Flags = 0x00001000
	NegotiateOEMWorkstationSupplied  Flags = 0x00002000
	NegotiateAlwaysSign              Flags = 0x00008000
	TargetTypeDomain                 Flags = 0x00010000
	TargetTypeServer                 Flags = 0x00020000
	NegotiateExtendedSessionSecurity Flags = 0x00080000
	NegotiateIdentify                Flags = 0x00100000
	RequestNonNTSessionKey           Flags = 0x00400000
	NegotiateTargetInfo              Flags = 0x00800000
	NegotiateVersion                 Flags = 0x02000000
	Negotiate128                     Flags = 0x20000000
	NegotiateKeyExch                 Flags = 0x40000000
	Negotiate56                      Flags = 0x80000000
)

var flagNames = [32]string{
	0:  "UNICODE",
	1:  "OEM",
	2:  "REQUEST_TARGET",
	4:  "SIGN",
	5:  "SEAL",
	6:  "DATAGRAM",
	7:  "LM_KEY",
	9:  "NTLM",
	11: "ANONYMOUS",
	12: "OEM_DOMAIN_SUPPLIED",
	13: "OEM_WORKSTATION_SUPPLIED",
	15: "ALWAYS_SIGN",
	16: "TARGET_TYPE_DOMAIN",
	17: "TARGET_TYPE_SERVER",
	19: "EXTENDED_SESSIONSECURITY",
	20: "IDENTIFY",
	22: "REQUEST_NON_NT_SESSION_KEY",
	23: "TARGET_INFO",
	25: "VERSION",
	29: "128",
	30: "KEY_EXCH",
	31: "56",
}

// Has reports whether every flag of want is set.
func (f Flags) Has(want Flags) bool { return f&want == want }

// String lists the names of the flags that are set, lowest bit first, joined
// by a bar. A reserved bit shows as its value.
func (f Flags) String() string {
	if f == 0 {
		return "0"
	}
	var names []string
	for bit, name := range flagNames {
		value := Flags(1) << bit
		switch {
		case f&value == 0:
		case name == "":
			names = append(names, fmt.Sprintf("%#x", uint32(value)))
		default:
			names = append(names, name)
		}
	}
	return strings.Join(names, "|")
}
