package spnego

// Integrity is what an established mechanism protects messages with: GSS_GetMIC
// and GSS_VerifyMIC, RFC 2743 2.3. Each is called at most once.
//
// NTLM signs the message that follows the mechListMIC from the same cipher
// state as the mechListMIC itself, [MS-SPNG] 3.3.5.1.
type Integrity interface {
	// GetMIC signs a message from the server to the client.
	GetMIC(message []byte) ([]byte, error)
	// VerifyMIC checks the signature of a message from the client to the
	// server.
	VerifyMIC(message, mic []byte) error
}
