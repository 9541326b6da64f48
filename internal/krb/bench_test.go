package krb

import (
	"fmt"
	"testing"
)

// BenchmarkAccept is what a request costs, without anything around it, where each
// brings another ticket. BenchmarkAcceptAgain has one ticket for all.
func BenchmarkAccept(b *testing.B) { accepts(b, func(*forge) {}) }

func BenchmarkAcceptAgain(b *testing.B) { accepts(b, again) }

func accepts(b *testing.B, change func(*forge)) {
	for _, etype := range []int32{etypeAES256SHA1, etypeAES128SHA1, etypeAES256SHA2} {
		for _, size := range []int{1 << 10, 8 << 10} {
			b.Run(fmt.Sprintf("%s/%d", Etype(etype), size), func(b *testing.B) {
				long := aKey(etype, 0x11)
				f, a := newForge(noon, long), acceptorOf(noon, long)
				f.PAC(b, make([]byte, size))
				change(f)
				tokens := make([][]byte, 2000)
				for i := range tokens {
					f.Sent.Cusec = i
					tokens[i] = f.Token(b)
				}
				b.ReportAllocs()
				b.ResetTimer()
				for i := range b.N {
					if i%len(tokens) == 0 {
						a.Replays = NewReplays()
						a.Keytab.opened = openings{}
					}
					if _, _, err := a.Accept(tokens[i%len(tokens)]); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
