package ntlm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// The layout of an AUTHENTICATE_MESSAGE, [MS-NLMP] 2.2.1.3.
const (
	authenticateLMAt          = 12
	authenticateNTAt          = 20
	authenticateDomainAt      = 28
	authenticateUserAt        = 36
	authenticateWorkstationAt = 44
	authenticateKeyAt         = 52
	authenticateFlagsAt       = 60
	authenticateVersionAt     = 64
	authenticateMICAt         = 72

	authenticateShort   = 52                                 // Windows 9x: no session key, no flags
	authenticateFixed   = 64                                 // Windows NT and curl: no version
	authenticateVersion = authenticateVersionAt + versionLen // Windows XP: no MIC
	authenticateMIC     = authenticateMICAt + 16             // Windows Vista and later
)

// Authenticate is the client's second message, "Type 3", [MS-NLMP] 2.2.1.3.
// The names are what the client wrote: they say what it claims, and only the
// directory's answer says who it is.
type Authenticate struct {
	LMResponse          []byte
	NTResponse          []byte
	Domain              string
	User                string
	Workstation         string
	EncryptedSessionKey []byte
	Flags               Flags
	Version             *Version  // nil when the client sends none
	MIC                 *[16]byte // nil when the header has no room for one

	raw []byte // the message as it came; the MIC covers it
}

// authenticateFields are the six descriptors of the header.
type authenticateFields struct {
	lm, nt, domain, user, workstation, key field
	start                                  int // of the payload
	fixed                                  int // least size of the header
}

func readAuthenticateFields(msg []byte) authenticateFields {
	f := authenticateFields{
		lm:          readField("LmChallengeResponse", msg, authenticateLMAt),
		nt:          readField("NtChallengeResponse", msg, authenticateNTAt),
		domain:      readField("DomainName", msg, authenticateDomainAt),
		user:        readField("UserName", msg, authenticateUserAt),
		workstation: readField("Workstation", msg, authenticateWorkstationAt),
		key:         field{name: "EncryptedRandomSessionKey"},
		fixed:       authenticateShort,
	}
	f.start = payloadStart(msg, f.lm, f.nt, f.domain, f.user, f.workstation)
	if f.start >= authenticateFixed {
		f.fixed = authenticateFixed
		f.key = readField(f.key.name, msg, authenticateKeyAt)
		f.start = min(f.start, payloadStart(msg, f.key))
	}
	return f
}

func (f *authenticateFields) check(msg []byte) error {
	return checkFields(msg, f.fixed, f.lm, f.nt, f.domain, f.user, f.workstation, f.key)
}

// ParseAuthenticate reads an AUTHENTICATE_MESSAGE. Header parts that older
// clients leave out are recognised by where the payload starts: byte 52, 64,
// 72 or 88. Without flags the names are read as OEM text. The message is
// copied; the caller keeps msg.
func ParseAuthenticate(msg []byte) (*Authenticate, error) {
	if err := expect(msg, TypeAuthenticate, authenticateShort); err != nil {
		return nil, err
	}
	msg = bytes.Clone(msg)
	f := readAuthenticateFields(msg)
	if err := f.check(msg); err != nil {
		return nil, err
	}
	m := &Authenticate{
		LMResponse:          f.lm.value(msg),
		NTResponse:          f.nt.value(msg),
		EncryptedSessionKey: f.key.value(msg),
		raw:                 msg,
	}
	m.readHeader(msg, f)
	if err := m.readNames(msg, f); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *Authenticate) readHeader(msg []byte, f authenticateFields) {
	if f.start >= authenticateFixed {
		m.Flags = Flags(binary.LittleEndian.Uint32(msg[authenticateFlagsAt:]))
	}
	if f.start >= authenticateVersion && m.Flags.Has(NegotiateVersion) {
		m.Version = readVersion(msg[authenticateVersionAt:])
	}
	if f.start >= authenticateMIC {
		mic := [16]byte(msg[authenticateMICAt:authenticateMIC])
		m.MIC = &mic
	}
}

func (m *Authenticate) readNames(msg []byte, f authenticateFields) error {
	var err error
	if m.Domain, err = decodeName(m.Flags, f.domain, msg); err != nil {
		return err
	}
	if m.User, err = decodeName(m.Flags, f.user, msg); err != nil {
		return err
	}
	m.Workstation, err = decodeName(m.Flags, f.workstation, msg)
	return err
}

// WithoutLM returns the message as it came with zeros for its LM response, as clients
// send it that make a MIC, [MS-NLMP] 3.1.5.1.2. An LMv2 response proves the password
// and covers nothing else of the message; a MIC does not fit any more.
func (m *Authenticate) WithoutLM() []byte {
	msg := bytes.Clone(m.raw)
	clear(readField("LmChallengeResponse", msg, authenticateLMAt).value(msg))
	return msg
}

// headerLen returns the size of the header that holds what m holds.
func (m *Authenticate) headerLen() (int, error) {
	flagged := m.Flags.Has(NegotiateVersion)
	if m.Version != nil && !flagged || m.Version == nil && m.MIC != nil && flagged {
		return 0, errVersion
	}
	switch {
	case m.MIC != nil:
		return authenticateMIC, nil
	case m.Version != nil:
		return authenticateVersion, nil
	default:
		return authenticateFixed, nil
	}
}

// Marshal writes the message: header, domain, user, workstation, LM and NT
// response, session key, as Windows orders them. The flags and optional parts
// must agree, or the message would not read back.
func (m *Authenticate) Marshal() ([]byte, error) {
	size, err := m.headerLen()
	if err != nil {
		return nil, err
	}
	msg := start(TypeAuthenticate, size)
	binary.LittleEndian.PutUint32(msg[authenticateFlagsAt:], uint32(m.Flags))
	if m.Version != nil {
		m.Version.put(msg[authenticateVersionAt:])
	}
	if m.MIC != nil {
		copy(msg[authenticateMICAt:], m.MIC[:])
	}
	domain, errDomain := encodeName(m.Flags, "DomainName", m.Domain)
	user, errUser := encodeName(m.Flags, "UserName", m.User)
	workstation, errWorkstation := encodeName(m.Flags, "Workstation", m.Workstation)
	if err := errors.Join(errDomain, errUser, errWorkstation); err != nil {
		return nil, err
	}
	return appendFields(msg,
		placed{"DomainName", authenticateDomainAt, domain},
		placed{"UserName", authenticateUserAt, user},
		placed{"Workstation", authenticateWorkstationAt, workstation},
		placed{"LmChallengeResponse", authenticateLMAt, m.LMResponse},
		placed{"NtChallengeResponse", authenticateNTAt, m.NTResponse},
		placed{"EncryptedRandomSessionKey", authenticateKeyAt, m.EncryptedSessionKey})
}

// Format prints the names that the client claims and the kind of its response,
// never the response itself.
func (m Authenticate) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "AUTHENTICATE_MESSAGE{Domain:%q User:%q Workstation:%q Response:%v Flags:%v}",
		m.Domain, m.User, m.Workstation, m.ResponseKind(), m.Flags)
}
