// Package identity holds the nouns of the house and the seam between the door
// (caddyntlm) and the records office (caddyldap): who somebody claims to be
// (Name), who a controller says they are (Principal), what a directory knows
// about them (Identity), and every way that this can fail (Kind).
//
// It imports the standard library alone and every other room may import it.
package identity
