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
// Log-ins go by NetrLogonSamLogonEx alone. NetrLogonSamLogonWithFlags takes an
// authenticator instead of a sealed connection, so that log-ins wait for one
// another, [MS-NRPC] 3.5.4.5.2; it is for controllers that lack the former. None of
// those gets as far as a log-in here. A channel needs AES, and a
// NetrLogonGetCapabilities that confirms it under seal (handshake.go,
// capabilities.go): of Windows those came with Server 2008 R2, [MS-NRPC] 2.2.1.3.14
// and 3.4.5.2.11, and 2000 already had NetrLogonSamLogonEx; Samba answers it
// (integration). And the one sign of a lack would be a fault, which nothing seals: a
// way back that faults open is open to anybody between. So a fault ends the log-in
// and the channel (fate.go), as TestClientReopens shows.
//
// What a controller answers is believed only where it came sealed, in its turn, by
// the key that the machine's password gave. A yes that names nobody, a guest, or
// was made with an LM response is an error.
package netlogon
