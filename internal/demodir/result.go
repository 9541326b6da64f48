package demodir

import "fmt"

// code is a result code of RFC 4511 4.1.9.
type code int

const (
	success            code = 0
	operationsError    code = 1
	protocolError      code = 2
	sizeLimitExceeded  code = 4
	authMethodUnknown  code = 7
	strongAuthRequired code = 8
	criticalExtension  code = 12
	saslBindInProgress code = 14
	noSuchObject       code = 32
	invalidDNSyntax    code = 34
	invalidCredentials code = 49
	busy               code = 51
	unwillingToPerform code = 53
)

// result is an LDAPResult, RFC 4511 4.1.9.
type result struct {
	code    code
	matched string
	text    string
}

func (r result) encode() []byte {
	return join(integer(tagEnumerated, int(r.code)), octets(r.matched), octets(r.text))
}

func join(parts ...[]byte) []byte {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// The texts are worded as a controller words them: its clients parse them.

// logonFailed is the answer to a bind that fails with a Windows error code in
// hexadecimal, such as 52e, which is ERROR_LOGON_FAILURE.
func logonFailed(data string) result {
	return result{code: invalidCredentials, text: fmt.Sprintf("80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data %s, v1db1", data)}
}

var (
	resultBadBindings = result{code: invalidCredentials,
		text: "80090346: LdapErr: DSID-0C0906A1, comment: AcceptSecurityContext error, data 80090346, v4563"}
	resultPlain = result{code: strongAuthRequired,
		text: "00002028: LdapErr: DSID-0C090202, comment: The server requires binds to turn on integrity checking if SSL\\TLS are not already active on the connection, data 0, v1db1"}
	resultSignMissing = result{code: strongAuthRequired, text: "SASL:[GSS-SPNEGO]: Sign or Seal are required."}
	resultSignOverTLS = result{code: unwillingToPerform, text: "SASL:[GSS-SPNEGO]: Sign or Seal are not allowed if TLS is used"}
	resultSignOnPlain = result{code: unwillingToPerform, text: "SASL:[GSS-SPNEGO]: Sign or Seal are not served here"}
	resultBusy        = result{code: busy, text: "00002024: LdapErr: DSID-0C090D1D, comment: The server is busy, data 0, v1db1"}
	resultBindFirst   = result{code: operationsError,
		text: "000004DC: LdapErr: DSID-0C0907E9, comment: In order to perform this operation a successful bind must be completed on the connection., data 0, v1db1"}
	resultUnknownOp = result{code: unwillingToPerform, text: "00002035: LdapErr: DSID-0C0902FD, comment: This directory is for reading, data 0, v1db1"}
	resultMechanism = result{code: authMethodUnknown, text: "00002027: LdapErr: DSID-0C0905FC, comment: Invalid Authentication method, data 0, v1db1"}
	resultSequence  = result{code: protocolError, text: "00000057: LdapErr: DSID-0C0C0095, comment: Error decoding ldap message, data 0, v1db1"}
)
