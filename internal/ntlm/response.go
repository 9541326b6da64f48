package ntlm

// NTProofStr is the proof that opens an NTLMv2 response: it shows knowledge of
// the hash and covers both challenges and the client's attributes,
// [MS-NLMP] 3.3.2. blob is the "temp" of that section, the response without
// its first sixteen bytes.
func NTProofStr(ntowfv2 [16]byte, serverChallenge [8]byte, blob []byte) [16]byte {
	return hmacMD5(ntowfv2, serverChallenge[:], blob)
}

// LMv2Response is the response that goes beside the NTLMv2 one when the server
// sends no timestamp, [MS-NLMP] 3.3.2. Nothing here accepts it as a log-on.
func LMv2Response(ntowfv2 [16]byte, serverChallenge, clientChallenge [8]byte) [24]byte {
	proof := hmacMD5(ntowfv2, serverChallenge[:], clientChallenge[:])
	var out [24]byte
	copy(out[:], proof[:])
	copy(out[16:], clientChallenge[:])
	return out
}

// SessionBaseKey is the key that an NTLMv2 log-on yields, [MS-NLMP] 3.3.2. A
// controller returns it as UserSessionKey.
func SessionBaseKey(ntowfv2, ntProofStr [16]byte) Key {
	return hmacMD5(ntowfv2, ntProofStr[:])
}
