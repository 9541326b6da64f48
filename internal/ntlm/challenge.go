package ntlm

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// The layout of a CHALLENGE_MESSAGE, [MS-NLMP] 2.2.1.2.
const (
	challengeTargetNameAt = 12
	challengeFlagsAt      = 20
	challengeNonceAt      = 24
	challengeTargetInfoAt = 40
	challengeVersionAt    = 48

	challengeFixed   = 32                               // Windows 9x: up to the server challenge
	challengeInfo    = challengeTargetInfoAt + fieldLen // with target information
	challengeVersion = challengeVersionAt + versionLen  // with a version
)

// Challenge is the server's message, "Type 2", [MS-NLMP] 2.2.1.2.
type Challenge struct {
	TargetName      string
	Flags           Flags
	ServerChallenge [8]byte
	TargetInfo      AVPairs  // nil when the server sends none
	Version         *Version // nil when the server sends none
}

// ParseChallenge reads a CHALLENGE_MESSAGE. The parts that old servers leave
// out are recognised by where the payload starts.
func ParseChallenge(msg []byte) (*Challenge, error) {
	if err := expect(msg, TypeChallenge, challengeFixed); err != nil {
		return nil, err
	}
	msg = bytes.Clone(msg) // TargetInfo keeps parts of it
	m := &Challenge{
		Flags:           Flags(binary.LittleEndian.Uint32(msg[challengeFlagsAt:])),
		ServerChallenge: [8]byte(msg[challengeNonceAt:challengeFixed]),
	}
	name := readField("TargetName", msg, challengeTargetNameAt)
	info := field{name: "TargetInfo"}
	if m.Flags.Has(NegotiateTargetInfo) && payloadStart(msg, name) >= challengeInfo {
		info = readField("TargetInfo", msg, challengeTargetInfoAt)
	}
	if err := checkFields(msg, challengeFixed, name); err != nil {
		return nil, err
	}
	if err := checkFields(msg, challengeInfo, info); err != nil {
		return nil, err
	}
	if err := checkApart([]field{name, info}); err != nil {
		return nil, err
	}
	if m.Flags.Has(NegotiateVersion) && payloadStart(msg, name, info) >= challengeVersion {
		m.Version = readVersion(msg[challengeVersionAt:])
	}
	return m.readPayload(msg, name, info)
}

func (m *Challenge) readPayload(msg []byte, name, info field) (*Challenge, error) {
	var err error
	if m.TargetName, err = decodeName(m.Flags, name, msg); err != nil {
		return nil, err
	}
	if info.empty() {
		return m, nil
	}
	if m.TargetInfo, err = parseAVPairs(info.value(msg), int(info.offset)); err != nil {
		return nil, err
	}
	return m, nil
}

// Marshal writes the message: header, target name, target information. Target
// information or a version without its flag is an error, for it would not read
// back.
func (m *Challenge) Marshal() ([]byte, error) {
	if m.TargetInfo != nil && !m.Flags.Has(NegotiateTargetInfo) {
		return nil, errors.New("ntlm: TargetInfo without NegotiateTargetInfo")
	}
	size := challengeInfo
	if m.Version != nil {
		if !m.Flags.Has(NegotiateVersion) {
			return nil, errVersion
		}
		size = challengeVersion
	}
	name, err := encodeName(m.Flags, "TargetName", m.TargetName)
	if err != nil {
		return nil, err
	}
	var info []byte
	if m.TargetInfo != nil {
		if info, err = m.TargetInfo.Marshal(); err != nil {
			return nil, err
		}
	}
	msg := start(TypeChallenge, size)
	binary.LittleEndian.PutUint32(msg[challengeFlagsAt:], uint32(m.Flags))
	copy(msg[challengeNonceAt:], m.ServerChallenge[:])
	if m.Version != nil {
		m.Version.put(msg[challengeVersionAt:])
	}
	return appendSupplied(msg,
		placed{"TargetName", challengeTargetNameAt, name},
		placed{"TargetInfo", challengeTargetInfoAt, info})
}
