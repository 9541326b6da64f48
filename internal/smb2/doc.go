// Package smb2 is a client of SMB 2 and 3, [MS-SMB2], of the few requests that a
// log-on server is asked: Relay carries the tokens of somebody else's log-on, LogOn
// has a password judged, and OpenPipe opens a named pipe for RPC in a session of
// its own.
//
// It speaks over a connection that the caller dials, port 445, and keeps one
// request under way at a time. Every answer is held against its request before
// anything of it is used. It logs nothing.
package smb2
