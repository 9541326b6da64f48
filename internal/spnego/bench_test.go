package spnego

import "testing"

func BenchmarkParseInit(b *testing.B) {
	token := readFlow(b, "samba_both_kerberos")[0].token
	b.SetBytes(int64(len(token)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseInit(token); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRefuse(b *testing.B) {
	token := framed(encode(0xa0, nested(10_000, 0x30)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseInit(token); err == nil {
			b.Fatal("accepted")
		}
	}
}

// BenchmarkNTLM is a whole negotiation in which NTLM is not the client's first
// choice, without the mechanism.
func BenchmarkNTLM(b *testing.B) {
	flow := readFlow(b, "curl_kerberos_refused_keyless")
	b.ReportAllocs()
	for b.Loop() {
		a := NewAcceptor(keyless...)
		for leg := 0; leg < len(flow); leg += 2 {
			turn, err := a.Step(flow[leg].token)
			switch {
			case err != nil:
				b.Fatal(err)
			case turn.Need != Run:
			case leg < len(flow)-2:
				_, err = a.Continue(turn.Token)
			default:
				_, err = a.CompleteUnprotected(nil)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
