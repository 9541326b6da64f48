package netlogon

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// A Validation is the controller's yes: who has logged in. It is
// NETLOGON_VALIDATION_SAM_INFO4, [MS-NRPC] 2.2.1.4.13, or as much as an older form
// has of it. The fields have the names of [MS-PAC] 2.5.
type Validation struct {
	Level int // 6, 3 or 2: which form the controller gave

	EffectiveName      string // sAMAccountName
	FullName           string
	LogonServer        string // NetBIOS name of the controller that decided
	LogonDomainName    string // NetBIOS name
	DNSLogonDomainName string // empty below level 6
	UPN                string // empty below level 6

	LogonDomainID  identity.SID
	UserID         uint32 // RID of the user
	PrimaryGroupID uint32 // RID
	GroupIDs       []GroupMembership
	// ExtraSIDs are groups of other domains, those of the machine's own, and
	// well-known ones; none at level 2, which does not have them.
	ExtraSIDs []SIDAndAttributes

	UserFlags          uint32
	UserAccountControl uint32 // as [MS-SAMR] 2.2.1.12 has it
	UserSessionKey     ntlm.Key

	// Times; zero for never.
	LogonTime, LogoffTime, KickOffTime                     time.Time
	PasswordLastSet, PasswordCanChange, PasswordMustChange time.Time
	LogonCount, BadPasswordCount                           uint16
}

// A GroupMembership is a group of the user's domain, [MS-PAC] 2.2.2.
type GroupMembership struct {
	RID        uint32
	Attributes uint32
}

// SIDAndAttributes is a group of anywhere, [MS-NRPC] 2.2.1.4.7.
type SIDAndAttributes struct {
	SID        identity.SID
	Attributes uint32
}

// Attributes of a membership, [MS-PAC] 2.2.1. GroupResource is one of the machine's
// own domain.
const (
	GroupEnabled  = 0x00000004
	GroupDenyOnly = 0x00000010
	GroupResource = 0x20000000
)

// UserFlags, [MS-PAC] 2.5.
const (
	FlagGuest     = 0x001
	FlagLMKey     = 0x008
	FlagExtraSIDs = 0x020
)

// SID is the user's.
func (v *Validation) SID() identity.SID { return below(v.LogonDomainID, v.UserID) }

// Groups are the SIDs of the groups that count for the user, the primary one among
// them: enabled, and not for denying alone.
func (v *Validation) Groups() []identity.SID {
	seen := map[identity.SID]bool{v.SID(): true}
	var groups []identity.SID
	add := func(sid identity.SID, attributes uint32) {
		if attributes&(GroupEnabled|GroupDenyOnly) == GroupEnabled && !sid.IsZero() && !seen[sid] {
			seen[sid] = true
			groups = append(groups, sid)
		}
	}
	add(below(v.LogonDomainID, v.PrimaryGroupID), GroupEnabled)
	for _, g := range v.GroupIDs {
		add(below(v.LogonDomainID, g.RID), g.Attributes)
	}
	for _, s := range v.ExtraSIDs {
		add(s.SID, s.Attributes)
	}
	return groups
}

// below is the SID of an account or group in a domain.
func below(domain identity.SID, rid uint32) identity.SID {
	raw := domain.Bytes()
	if len(raw) == 0 {
		return identity.SID{}
	}
	raw[1]++
	sid, _ := identity.SIDFromBytes(binary.LittleEndian.AppendUint32(raw, rid))
	return sid
}

// check refuses a yes that lets nobody in.
func (v *Validation) check() error {
	switch {
	case v.UserFlags&FlagGuest != 0 || v.UserID == identity.RIDGuest || v.SID().IsNobody():
		return ErrGuest
	case v.UserFlags&FlagLMKey != 0:
		return ErrLMKey
	case v.EffectiveName == "" || v.UserID == 0 || !v.SID().IsOfDomain():
		return fmt.Errorf("%w: %q, %d of %s", ErrNobody, v.EffectiveName, v.UserID, v.LogonDomainID)
	case v.UserSessionKey == ntlm.Key{}:
		return ErrNoSessionKey
	}
	return nil
}

// Format prints who it is.
func (v Validation) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, v.LogonDomainName+`\`+v.EffectiveName+" "+v.SID().String())
}
