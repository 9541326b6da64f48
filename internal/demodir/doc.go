// Package demodir is a small Active Directory inside the process: real LDAP
// over real TCP on loopback, with TLS, StartTLS, simple binds, NTLM by SASL
// GSS-SPNEGO and by Sicily, and searches over a tree that looks like a
// domain's. It is for the demo command and for tests: production verifiers run
// against it unchanged.
//
// It answers as a domain controller was seen to answer, also where that is a
// trap: an empty password is a success, an anonymous NTLM log-in too, a failed
// re-bind leaves the former identity, and the domain that an NTLM client names
// proves nothing. Callers must refuse all that themselves.
//
// Its passwords are for show. Never put a real one in it.
package demodir
