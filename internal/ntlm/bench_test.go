package ntlm

import "testing"

func BenchmarkParseAuthenticate(b *testing.B) {
	msg := unhex(b, chromiumAuthenticate)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseAuthenticate(msg); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkServerCheck(b *testing.B) {
	s, c := testServer(), testClient()
	challenge, err := s.Challenge(c.Negotiate())
	if err != nil {
		b.Fatal(err)
	}
	msg, err := c.Authenticate(challenge)
	if err != nil {
		b.Fatal(err)
	}
	nt := NTOWFv1(specPassword)
	find := func(string, string) ([16]byte, bool) { return nt, true }
	b.ReportAllocs()
	for b.Loop() {
		again := *s
		if _, err := again.Check(msg, find); err != nil {
			b.Fatal(err)
		}
	}
}
