// Package dcerpc is the client's side of connection-oriented DCE/RPC, C706
// chapters 12 and 13 with [MS-RPCE]: bind and alter_context, requests and their
// answers in fragments, faults, privacy by a security provider that is handed in,
// and the endpoint mapper. It knows nothing of what is called.
//
// Values are in NDR, version 2.0 and little-endian (internal/ndr); who calls writes
// and reads the stubs. What a server sends is bounded before it is kept: 5,840
// bytes a fragment and 1 MiB an answer.
package dcerpc
