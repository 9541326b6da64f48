// Package spnego negotiates a security mechanism between a client and this
// server: the codec of RFC 4178 and [MS-SPNG], and the acceptor's side of the
// conversation. It handles bytes only. It runs no mechanism, holds no key,
// logs nothing and does no I/O; whoever calls it does.
package spnego
