package ntlm

import (
	"encoding/binary"
	"fmt"
)

// The layout of an NTLMv2_RESPONSE, [MS-NLMP] 2.2.2.8: a proof of 16 bytes,
// then an NTLMv2_CLIENT_CHALLENGE, [MS-NLMP] 2.2.2.7, of 28 and its AV_PAIRs.
const (
	v2ProofLen    = 16
	v2TimestampAt = 24
	v2ChallengeAt = 32
	v2PairsAt     = 44
	v2Fixed       = v2PairsAt

	respType = 1 // of RespType and HiRespType
)

// NTLMv2Response is the NT response of an NTLMv2 client, [MS-NLMP] 2.2.2.8.
type NTLMv2Response struct {
	NTProofStr      [16]byte
	Timestamp       Filetime
	ClientChallenge [8]byte
	AVPairs         AVPairs

	blob []byte // the client challenge as it came; the proof covers it
}

// V2 reads the NT response as NTLMv2. It returns ErrNotV2 for any other kind,
// and an error that matches ErrAVPair when the attributes do not parse.
func (m *Authenticate) V2() (*NTLMv2Response, error) {
	if m.ResponseKind() != ResponseNTLMv2 {
		return nil, ErrNotV2
	}
	b := m.NTResponse
	pairs, err := parseAVPairs(b[v2PairsAt:], v2PairsAt)
	if err != nil {
		return nil, err
	}
	return &NTLMv2Response{
		NTProofStr:      [16]byte(b[:v2ProofLen]),
		Timestamp:       Filetime(binary.LittleEndian.Uint64(b[v2TimestampAt:])),
		ClientChallenge: [8]byte(b[v2ChallengeAt:]),
		AVPairs:         pairs,
		blob:            b[v2ProofLen:],
	}, nil
}

// ClientBlob returns the bytes that NTProofStr covers besides the server's
// challenge. They are the message's own.
func (r *NTLMv2Response) ClientBlob() []byte { return r.blob }

// Format prints the attributes that say where the client meant to go, never the
// proof.
func (r NTLMv2Response) Format(s fmt.State, _ rune) {
	target, _ := r.AVPairs.TargetName()
	_, bound := r.AVPairs.ChannelBindings()
	_, _ = fmt.Fprintf(s, "NTLMv2_RESPONSE{TargetName:%q ChannelBindings:%v MIC:%v}", target, bound, r.PromisesMIC())
}

// clientBlob builds the "temp" of [MS-NLMP] 3.3.2: an NTLMv2_CLIENT_CHALLENGE
// and four bytes of zero.
func clientBlob(timestamp Filetime, challenge [8]byte, pairs AVPairs) ([]byte, error) {
	info, err := pairs.Marshal()
	if err != nil {
		return nil, err
	}
	b := make([]byte, v2PairsAt-v2ProofLen, v2PairsAt-v2ProofLen+len(info)+4)
	b[0], b[1] = respType, respType
	binary.LittleEndian.PutUint64(b[v2TimestampAt-v2ProofLen:], uint64(timestamp))
	copy(b[v2ChallengeAt-v2ProofLen:], challenge[:])
	b = append(b, info...)
	return append(b, 0, 0, 0, 0), nil
}
