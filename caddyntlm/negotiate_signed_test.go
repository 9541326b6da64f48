package caddyntlm

import (
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/spnego"
)

// TestNegotiateSigned: B-14. Where the verifier knows the session key of an NTLM log-in,
// the client's list of mechanisms is held to its signature and signed back, and must be
// signed by a client that would rather have had another.
func TestNegotiateSigned(t *testing.T) {
	alone, second := []spnego.OID{spnego.NTLMSSP}, []spnego.OID{spnego.MSKerberos, spnego.NTLMSSP}
	for name, c := range map[string]struct {
		list, signed []spnego.OID
		want         int
	}{
		"first choice, not signed":  {alone, nil, 200},
		"first choice, signed":      {alone, alone, 200},
		"first choice, forged":      {alone, second, 401},
		"second choice, signed":     {second, second, 200},
		"second choice, not signed": {second, nil, 401},
		"Kerberos struck out":       {alone, []spnego.OID{spnego.Kerberos, spnego.NTLMSSP}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			d := newNegotiateDoor(t, func(d *door) { d.dir.signs = true })
			client := d.dial(t)
			var challenge []byte
			if len(c.list) == 1 {
				challenge = client.ask(opening(t, message1(), c.list...))
			} else {
				client.get(negotiate(opening(t, nil, c.list...))).resp(t, 401, spnego.RequestMIC)
				challenge = client.ask(going(t, message1()))
			}
			last := &spnego.NegTokenResp{ResponseToken: message3(challenge, "alice", "secret-a")}
			if c.signed != nil {
				last.MechListMIC = append([]byte("mic of "), spnego.NewMechTypeList(c.signed...).DER()...)
			}
			raw, err := last.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			got := client.get(negotiate(raw))
			if got.StatusCode != c.want {
				t.Fatalf("got %d, want %d", got.StatusCode, c.want)
			}
			if c.want != 200 {
				d.wantReason(t, identity.KindBadToken)
				client.get().want(t, 401, negotiated...)
				return
			}
			got.wantUser(t, "alice")
			end := got.resp(t, 200, spnego.AcceptCompleted)
			if want := "our mic of " + string(spnego.NewMechTypeList(c.list...).DER()); c.signed != nil && string(end.MechListMIC) != want || c.signed == nil && end.MechListMIC != nil {
				t.Errorf("got the signature %q, want %q where the client signed", end.MechListMIC, want)
			}
			if n := d.logs.FilterMessageSnippet("mechListMIC not checked").Len(); n != 0 {
				t.Errorf("got %d lines that the list was not checked", n)
			}
		})
	}
}

// TestNegotiateKeyless: a verifier that takes clients which sign, and has no key itself,
// as smb, asks nobody for a signature that it could neither check nor give back.
func TestNegotiateKeyless(t *testing.T) {
	d := newNegotiateDoor(t, func(d *door) { d.dir.signs, d.dir.keyless = true, true })
	client := d.dial(t)
	client.get(negotiate(opening(t, nil, spnego.MSKerberos, spnego.NTLMSSP))).resp(t, 401, spnego.AcceptIncomplete)
	challenge := client.ask(going(t, message1()))
	got := client.get(negotiate(going(t, message3(challenge, "alice", "secret-a"))))
	got.wantUser(t, "alice")
	if end := got.resp(t, 200, spnego.AcceptCompleted); end.MechListMIC != nil {
		t.Errorf("got the signature %q, want none", end.MechListMIC)
	}
}
