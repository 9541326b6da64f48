// Package integration is the proof of the house: everything that starts Caddy,
// and the Samba domain that it is held against.
package integration
