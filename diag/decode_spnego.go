package diag

import (
	"fmt"
	"strings"

	"github.com/caddy-ntlm/caddy-ntlm/internal/spnego"
)

const wholeHint = "is it whole? Logs and terminals cut long lines, and proxies long headers"

// token decodes what stands behind Negotiate or NTLM.
func (d *decoder) token(token []byte) error {
	switch spnego.KindOf(token) {
	case spnego.KindInit:
		return d.negTokenInit(token)
	case spnego.KindResp:
		return d.negTokenResp(token)
	case spnego.KindUnknown:
		const framed = 0x60 // RFC 2743 3.1
		if len(token) > 0 && token[0] == framed {
			_, err := spnego.ParseInit(token)
			return &advice{err, wholeHint}
		}
	case spnego.KindNTLMSSP, spnego.KindKerberos:
	}
	return d.mechanism(token, "")
}

// negTokenInit decodes the first token of a client, RFC 4178 4.2.1.
func (d *decoder) negTokenInit(token []byte) error {
	t, err := spnego.ParseInit(token)
	if err != nil {
		return &advice{err, wholeHint}
	}
	defer d.title("SPNEGO NegTokenInit, the first token of a client")()
	var first spnego.OID
	names := make([]string, 0, 4)
	for i, o := range t.MechTypes.OIDs() {
		if i == 0 {
			first = o
		}
		names = append(names, o.Name())
	}
	d.line("mechanisms", "%s", strings.Join(names, ", "))
	if t.MechListMIC != nil {
		d.line("signed", "the list of mechanisms is (mechListMIC)")
	}
	if t.MechToken == nil {
		d.line("token", "none: the client waits for the server to choose")
		return nil
	}
	return d.mechanism(t.MechToken, first)
}

// negTokenResp decodes every later token, of either side, RFC 4178 4.2.2.
func (d *decoder) negTokenResp(token []byte) error {
	t, err := spnego.ParseResp(token)
	if err != nil {
		return &advice{err, wholeHint}
	}
	defer d.title("SPNEGO NegTokenResp, an answer")()
	d.line("state", "%s", t.NegState)
	if t.SupportedMech != "" {
		d.line("chosen", "%s", t.SupportedMech.Name())
	}
	if t.MechListMIC != nil {
		d.line("signed", "the list of mechanisms is (mechListMIC)")
	}
	if t.ResponseToken == nil {
		return nil
	}
	return d.mechanism(t.ResponseToken, t.SupportedMech)
}

// mechanism decodes a mechanism's own token. of is the mechanism that it is said to
// be of, which may be empty.
func (d *decoder) mechanism(token []byte, of spnego.OID) error {
	const apRep = 0x6f // RFC 4120 5.5.2, without its frame
	switch kind := spnego.KindOf(token); {
	case kind == spnego.KindNTLMSSP:
		return d.ntlm(token)
	case kind == spnego.KindKerberos, len(token) > 0 && token[0] == apRep:
		return d.kerberos(token)
	case of != "":
		d.line("token", "%s, which is not read here", counted(len(token), "byte")+" of "+of.Name())
		return nil
	}
	return &advice{fmt.Errorf("%s that are neither NTLM, SPNEGO nor Kerberos", counted(len(token), "byte")), wholeHint}
}
