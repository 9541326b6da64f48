// Package netlogon is a member's side of the Netlogon secure channel, [MS-NRPC]: a
// machine account proves itself to a domain controller, and the controller decides
// network log-ins that others sent us, [MS-APDS] 3.1.
//
//   - handshake.go: NetrServerReqChallenge and NetrServerAuthenticate3, AES alone
//   - provider.go, seal.go: the security provider that seals every call after it
//   - capabilities.go: whether somebody on the way took something from the agreement
//   - logon.go, validation.go: NetrLogonSamLogonEx, and who the answer says it is
//   - channel.go: one channel; client.go: several; fate.go: which of them serve on
//
// What a controller answers is believed only where it came sealed, in its turn, by
// the key that the machine's password gave. A yes that names nobody, a guest, or
// was made with an LM response is an error.
package netlogon
