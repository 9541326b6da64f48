package spnego

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// message is one token of a recorded negotiation.
type message struct {
	from  string // "client" or "server"
	token []byte
}

func readFlow(t testing.TB, name string) []message {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "flows", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	var flow []message
	for line := range strings.Lines(string(text)) {
		from, digits, _ := strings.Cut(strings.TrimSpace(line), " ")
		token, err := hex.DecodeString(digits)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		flow = append(flow, message{from, token})
	}
	return flow
}

func flowNames(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "flows", "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d flows, %v", len(files), err)
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(filepath.Base(f), ".txt")
	}
	return files
}

// TestRecordedTokens: what curl, MIT, Samba and Java send reads, and is written
// back byte for byte.
func TestRecordedTokens(t *testing.T) {
	for _, name := range flowNames(t) {
		t.Run(name, func(t *testing.T) {
			for i, m := range readFlow(t, name) {
				var got []byte
				var err error
				switch k := KindOf(m.token); k {
				case KindInit:
					var p *NegTokenInit
					if p, err = ParseInit(m.token); err == nil {
						if p.ReqFlags != nil {
							continue // trimmed to the bits that are set; we write 32
						}
						got, err = p.Marshal()
					}
				case KindResp:
					var p *NegTokenResp
					if p, err = ParseResp(m.token); err == nil {
						got, err = p.Marshal()
					}
				case KindKerberos:
					got = m.token
				default:
					t.Fatalf("token %d: got %v", i, k)
				}
				if err != nil || !bytes.Equal(got, m.token) {
					t.Errorf("token %d: got %x, %v, want %x", i, got, err, m.token)
				}
			}
		})
	}
}

// played is a mechanism whose MICs are the recorded ones.
type played struct {
	t              *testing.T
	list           []byte // what MICs must cover
	theirs, ours   []byte
	signed, proved bool
}

func (p *played) GetMIC(message []byte) ([]byte, error) {
	if !bytes.Equal(message, p.list) {
		p.t.Errorf("GetMIC: got %x, want %x", message, p.list)
	}
	p.signed = true
	return p.ours, nil
}

func (p *played) VerifyMIC(message, mic []byte) error {
	if !bytes.Equal(message, p.list) || !bytes.Equal(mic, p.theirs) {
		p.t.Errorf("VerifyMIC: got %x over %x, want %x over %x", mic, message, p.theirs, p.list)
	}
	p.proved = true
	return nil
}

var (
	onlyNTLM     = []Mechanism{{OID: NTLMSSP}}
	onlyKerberos = []Mechanism{{OID: Kerberos}}
	both         = []Mechanism{{OID: Kerberos}, {OID: NTLMSSP}}
	keyless      = []Mechanism{{OID: NTLMSSP, Keyless: true}}
)

// TestRecordedFlows puts the acceptor in the place of each server, lets its
// mechanisms answer what that server's did, and wants its tokens, byte for byte.
func TestRecordedFlows(t *testing.T) {
	for _, c := range []struct {
		name       string
		mechanisms []Mechanism
		mech       OID
		protected  bool
	}{
		{"mit_kerberos", onlyKerberos, Kerberos, false},
		{"mit_kerberos_mutual", onlyKerberos, Kerberos, false},
		{"mit_raw_kerberos", onlyKerberos, Kerberos, false},
		{"mit_reselected", onlyKerberos, Kerberos, true},
		{"mit_reselected_mutual", onlyKerberos, Kerberos, true},
		{"mit_no_common", onlyKerberos, "", false},
		{"samba_both_ntlm", both, NTLMSSP, true},
		{"samba_both_kerberos", both, Kerberos, false},
		{"samba_server_mit_ntlm", both, NTLMSSP, true},
		{"samba_server_mit_kerberos", both, Kerberos, false},
		{"samba_server_mit_two", both, NTLMSSP, true},
		{"java_kerberos", onlyKerberos, Kerberos, false},
		{"java_kerberos_mutual", onlyKerberos, Kerberos, false},
		{"curl_ntlm", onlyNTLM, NTLMSSP, true},
		{"curl_ntlm_keyless", keyless, NTLMSSP, false},
		{"curl_kerberos_refused", onlyNTLM, NTLMSSP, true},
		{"curl_kerberos_refused_keyless", keyless, NTLMSSP, false},
		{"samba_client_signed", onlyNTLM, NTLMSSP, true},
		{"samba_client_signed_keyless", keyless, NTLMSSP, false},
		{"samba_client_unsigned", onlyNTLM, NTLMSSP, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := NewAcceptor(c.mechanisms...)
			flow := readFlow(t, c.name)
			p := &played{t: t}
			if init, err := ParseInit(flow[0].token); err == nil {
				p.list = init.MechTypes.DER()
			}
			last := Turn{}
			for i := 0; i < len(flow); i += 2 {
				var want []byte
				if i+1 < len(flow) {
					want = flow[i+1].token
				}
				last = playLeg(t, a, p, flow[i].token, want)
				if !bytes.Equal(last.Reply, want) {
					t.Fatalf("reply to token %d: got %x, want %x", i, last.Reply, want)
				}
			}
			if c.mech != "" && last.Need != Done || a.Mechanism() != c.mech || a.Protected() != c.protected {
				t.Errorf("got %v, %s, protected %v, want done, %s, %v",
					last.Need, a.Mechanism().Name(), a.Protected(), c.mech.Name(), c.protected)
			}
			if c.protected != (p.signed && p.proved) {
				t.Errorf("signed %v, verified %v, want %v", p.signed, p.proved, c.protected)
			}
		})
	}
}

// playLeg gives the acceptor a client's token, and its mechanism's part as
// recorded in the server's answer.
func playLeg(t *testing.T, a *Acceptor, p *played, token, want []byte) Turn {
	t.Helper()
	if resp, err := ParseResp(token); err == nil {
		p.theirs = resp.MechListMIC
	}
	turn, err := a.Step(token)
	if errors.Is(err, ErrNoMechanism) {
		return Turn{Reply: a.Reject(nil)}
	}
	if err != nil {
		t.Fatal(err)
	}
	if turn.Need != Run {
		return turn
	}
	answer := &NegTokenResp{NegState: AcceptCompleted, ResponseToken: want}
	if KindOf(token) != KindKerberos {
		if answer, err = ParseResp(want); err != nil {
			t.Fatal(err)
		}
	}
	p.ours = answer.MechListMIC
	if answer.NegState != AcceptCompleted && answer.MechListMIC == nil {
		reply, err := a.Continue(answer.ResponseToken)
		if err != nil {
			t.Fatal(err)
		}
		return Turn{Need: Send, Reply: reply}
	}
	if a.selected.Keyless {
		if _, err := a.Complete(answer.ResponseToken, nil); !errors.Is(err, ErrUnprotected) {
			t.Fatalf("got %v, want ErrUnprotected", err)
		}
		turn, err = a.CompleteUnprotected(answer.ResponseToken)
	} else {
		turn, err = a.Complete(answer.ResponseToken, p)
	}
	if err != nil {
		t.Fatal(err)
	}
	return turn
}
