package spnego

import (
	"bytes"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// TestRecordedMICs computes the MICs of recorded log-ins from the password: the
// clients' and, where Samba is the server, its own, cover the bytes that DER
// returns.
func TestRecordedMICs(t *testing.T) {
	for _, name := range []string{
		"curl_ntlm", "curl_kerberos_refused", "samba_client_signed", "samba_both_ntlm",
		"samba_server_mit_ntlm", "samba_server_mit_two",
	} {
		t.Run(name, func(t *testing.T) {
			flow := readFlow(t, name)
			init, err := ParseInit(flow[0].token)
			if err != nil {
				t.Fatal(err)
			}
			client, err := ParseResp(flow[len(flow)-2].token)
			if err != nil {
				t.Fatal(err)
			}
			server, err := ParseResp(flow[len(flow)-1].token)
			if err != nil {
				t.Fatal(err)
			}
			theirs, ours := channels(t, flow, client.ResponseToken)
			if err := theirs.Verify(init.MechTypes.DER(), client.MechListMIC); err != nil {
				t.Errorf("the client's MIC: %v", err)
			}
			if got := ours.Sign(init.MechTypes.DER()); !bytes.Equal(got[:], server.MechListMIC) {
				t.Errorf("the server's MIC: got %x, want %x", got, server.MechListMIC)
			}
		})
	}
}

// channels derives the session key of a recorded log-in.
func channels(t *testing.T, flow []message, authenticate []byte) (client, server *ntlm.Channel) {
	t.Helper()
	m, err := ntlm.ParseAuthenticate(authenticate)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := ParseResp(flow[len(flow)-3].token)
	if err != nil {
		t.Fatal(err)
	}
	challenge, err := ntlm.ParseChallenge(reply.ResponseToken)
	if err != nil {
		t.Fatal(err)
	}
	r, err := m.V2()
	if err != nil {
		t.Fatal(err)
	}
	hash := ntlm.NTOWFv2(m.User, m.Domain, ntlm.NTOWFv1("Secr3t-alice"))
	proof := ntlm.NTProofStr(hash, challenge.ServerChallenge, r.ClientBlob())
	if proof != r.NTProofStr {
		t.Fatal("the recorded response is not of this password")
	}
	key, err := m.ExportedSessionKey(ntlm.SessionBaseKey(hash, proof))
	if err != nil {
		t.Fatal(err)
	}
	if client, err = ntlm.NewChannel(m.Flags, key, ntlm.ClientToServer); err != nil {
		t.Fatal(err)
	}
	if server, err = ntlm.NewChannel(m.Flags, key, ntlm.ServerToClient); err != nil {
		t.Fatal(err)
	}
	return client, server
}
