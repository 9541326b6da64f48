package smb2

import "encoding/binary"

// The types of negotiate contexts, [MS-SMB2] 2.2.3.1.
const (
	contextPreauth    = 0x0001 // SMB2_PREAUTH_INTEGRITY_CAPABILITIES
	contextEncryption = 0x0002 // SMB2_ENCRYPTION_CAPABILITIES
	contextSigning    = 0x0008 // SMB2_SIGNING_CAPABILITIES

	hashSHA512   = 0x0001 // [MS-SMB2] 2.2.3.1.1
	cipherAESGCM = 0x0002 // AES-128-GCM, [MS-SMB2] 2.2.3.1.2

	maxContexts = 16 // eight types exist
)

// negotiateContext is an SMB2 NEGOTIATE_CONTEXT, [MS-SMB2] 2.2.3.1.
type negotiateContext struct {
	kind uint16
	data []byte
}

// contexts are the client's: SHA-512, AES-128-GCM, and signing by AES-GMAC or
// AES-CMAC.
func (r *negotiateRequest) contexts() []negotiateContext {
	preauth := []byte{1, 0, byte(len(r.salt)), 0, hashSHA512, 0}
	return []negotiateContext{
		{contextPreauth, append(preauth, r.salt[:]...)},
		{contextEncryption, []byte{1, 0, cipherAESGCM, 0}},
		{contextSigning, []byte{2, 0, byte(signAESGMAC), 0, byte(signAESCMAC), 0}},
	}
}

// appendContexts writes contexts, each at a multiple of eight bytes, as the
// header's length is one.
func appendContexts(b []byte, contexts []negotiateContext) []byte {
	for _, c := range contexts {
		b = pad8(b)
		b = binary.LittleEndian.AppendUint16(b, c.kind)
		b = binary.LittleEndian.AppendUint16(b, uint16(len(c.data)))
		b = append(b, 0, 0, 0, 0)
		b = append(b, c.data...)
	}
	return b
}

func pad8(b []byte) []byte { return append(b, make([]byte, -len(b)&7)...) }

// readContexts reads a server's list.
func readContexts(b body, offset uint64, count int) ([]negotiateContext, error) {
	const field, fixed = "NegotiateContextList", 8
	if count > maxContexts {
		return nil, malformed(b.name, field, "%d contexts, over %d", count, maxContexts)
	}
	var list []negotiateContext
	for range count {
		offset = (offset + 7) &^ 7
		head, err := b.buffer(field, offset, fixed)
		if err != nil {
			return nil, err
		}
		c := negotiateContext{kind: binary.LittleEndian.Uint16(head)}
		length := uint64(binary.LittleEndian.Uint16(head[2:]))
		if c.data, err = b.buffer(field, offset+fixed, length); err != nil {
			return nil, err
		}
		list = append(list, c)
		offset += fixed + length
	}
	return list, nil
}

// choose reads what the server picked of each kind, [MS-SMB2] 3.2.5.2. What it
// says nothing of is none, or AES-CMAC for signing.
func (n *negotiated) choose() error {
	const name = "NEGOTIATE Response"
	n.signing = signAESCMAC
	picked := map[uint16]uint16{}
	for _, c := range n.contexts {
		if c.kind != contextPreauth && c.kind != contextEncryption && c.kind != contextSigning {
			continue // compression and others that were not asked for
		}
		if _, twice := picked[c.kind]; twice {
			return malformed(name, "NegotiateContextList", "type %d comes twice", c.kind)
		}
		id, ok := c.only()
		if !ok {
			return malformed(name, "NegotiateContextList", "type %d does not pick one algorithm", c.kind)
		}
		picked[c.kind] = id
	}
	if hash, there := picked[contextPreauth]; !there || hash != hashSHA512 {
		return malformed(name, "HashAlgorithms", "SHA-512 is not what the server picked")
	}
	n.cipher = picked[contextEncryption]
	if n.cipher != 0 && n.cipher != cipherAESGCM {
		return malformed(name, "Ciphers", "%d was not offered", n.cipher)
	}
	if id, there := picked[contextSigning]; there {
		n.signing = signingAlgorithm(id)
	}
	if n.signing != signAESCMAC && n.signing != signAESGMAC {
		return malformed(name, "SigningAlgorithms", "%d was not offered", n.signing)
	}
	return nil
}

// only returns the one algorithm that a server's context names. The salt's length
// stands between count and algorithm in one of them.
func (c negotiateContext) only() (uint16, bool) {
	at := 2
	if c.kind == contextPreauth {
		at = 4
	}
	if len(c.data) < at+2 || binary.LittleEndian.Uint16(c.data) != 1 {
		return 0, false
	}
	return binary.LittleEndian.Uint16(c.data[at:]), true
}
