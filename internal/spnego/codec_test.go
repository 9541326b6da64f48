package spnego

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func flags(f ContextFlags) *ContextFlags { return &f }

const pleaseIgnore = "not_defined_in_RFC4178@please_ignore"

// TestParseInit holds tokens of other implementations against their fields.
func TestParseInit(t *testing.T) {
	for _, c := range []struct {
		name, token string
		want        *NegTokenInit
	}{
		{"the list of Windows browsers",
			"603e 0606 2b0601050502 a034 3032 a030 302e" +
				"0609 2a864882f712010202 0609 2a864886f712010202" +
				"060a 2b06010401823702021e 060a 2b06010401823702020a",
			&NegTokenInit{MechTypes: NewMechTypeList(MSKerberos, Kerberos, NegoEx, NTLMSSP)}},
		{"NegTokenInit2 of Windows, [MS-SPNG] 2.2.1",
			"6076 0606 2b0601050502 a06c 306a a03c 303a 060a 2b06010401823702021e" +
				"0609 2a864882f712010202 0609 2a864886f712010202 060a 2a864886f71201020203" +
				"060a 2b06010401823702020a a32a 3028 a026 1b24" + hex.EncodeToString([]byte(pleaseIgnore)),
			&NegTokenInit{
				MechTypes: NewMechTypeList(NegoEx, MSKerberos, Kerberos, UserToUser, NTLMSSP),
				Hints:     &NegHints{HintName: pleaseIgnore},
			}},
		{"all fields, as in RFC 4178",
			"602f 0606 2b0601050502 a025 3023 a00d 300b 0609 2a864886f712010202" +
				"a107 0305 00 7e000000 a204 0402 aabb a303 0401 cc",
			&NegTokenInit{
				MechTypes: NewMechTypeList(Kerberos), ReqFlags: flags(0x7e000000),
				MechToken: []byte{0xaa, 0xbb}, MechListMIC: []byte{0xcc},
			}},
		{"flags trimmed",
			"6021 0606 2b0601050502 a017 3015 a00d 300b 0609 2a864886f712010202 a104 0302 0437",
			&NegTokenInit{MechTypes: NewMechTypeList(Kerberos), ReqFlags: flags(0x30000000)}},
		{"hints and MIC, [MS-SPNG]",
			"6026 0606 2b0601050502 a01c 301a a00d 300b 0609 2a864886f712010202 a302 3000 a405 0403 aabbcc",
			&NegTokenInit{
				MechTypes: NewMechTypeList(Kerberos), Hints: &NegHints{}, MechListMIC: []byte{0xaa, 0xbb, 0xcc},
			}},
		{"a field of a later version",
			"6020 0606 2b0601050502 a016 3014 a00d 300b 0609 2a864886f712010202 a903 0401 cc",
			&NegTokenInit{MechTypes: NewMechTypeList(Kerberos)}},
		{"no list, as [MS-SPNG] allows", "600c 0606 2b0601050502 a002 3000", &NegTokenInit{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseInit(unhex(t, c.token))
			if (err != nil) != (c.want == nil) || c.want != nil && !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, %v, want %+v", got, err, c.want)
			}
		})
	}
}

func TestParseResp(t *testing.T) {
	for _, c := range []struct {
		name, token string
		want        *NegTokenResp
	}{
		{"MIT selects Kerberos under Microsoft's identifier",
			"a114 3012 a003 0a0100 a10b 0609 2a864882f712010202",
			&NegTokenResp{NegState: AcceptCompleted, SupportedMech: MSKerberos}},
		{"Windows Server 2025 asks for a mechListMIC",
			"a11b 3019 a003 0a0101 a312 0410 01000000 49c217f5398d2467 00000000",
			&NegTokenResp{NegState: AcceptIncomplete, MechListMIC: unhex(t, "0100000049c217f5398d246700000000")}},
		{"reject", "a107 3005 a003 0a0102", &NegTokenResp{NegState: Rejected}},
		{"request-mic", "a107 3005 a003 0a0103", &NegTokenResp{NegState: RequestMIC}},
		{"nothing", "a102 3000", &NegTokenResp{}},
		{"an empty token is there", "a106 3004 a202 0400", &NegTokenResp{ResponseToken: []byte{}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := unhex(t, c.token)
			got, err := ParseResp(b)
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Fatalf("got %+v, %v, want %+v", got, err, c.want)
			}
			if again, err := got.Marshal(); err != nil || !bytes.Equal(again, b) {
				t.Errorf("got %x, %v, want %x", again, err, b)
			}
		})
	}
}

// wrap writes an element with a length of size bytes.
func wrap(tag byte, size int, value []byte) []byte {
	out := []byte{tag, 0x80 | byte(size)}
	for i := size - 1; i >= 0; i-- {
		out = append(out, byte(uint64(len(value))>>(8*i)))
	}
	return append(out, value...)
}

// TestLongLengths: a length may take more bytes than it needs, and the bytes
// that a MIC covers stay as they came.
func TestLongLengths(t *testing.T) {
	for size := 1; size <= 8; size++ {
		list := wrap(0x30, size, wrap(0x06, size, []byte(Kerberos)))
		seq := wrap(0x30, size, wrap(0xa0, size, list))
		token := wrap(0x60, size, append(wrap(0x06, size, []byte(SPNEGO)), wrap(0xa0, size, seq)...))
		got, err := ParseInit(token)
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if !bytes.Equal(got.MechTypes.DER(), list) {
			t.Errorf("%d bytes: got %x, want %x", size, got.MechTypes.DER(), list)
		}
		again, err := got.Marshal()
		if err != nil || !bytes.Contains(again, list) {
			t.Errorf("%d bytes: got %x, %v, want %x in it", size, again, err, list)
		}
	}
}

func TestKindOf(t *testing.T) {
	for _, c := range []struct {
		name  string
		token []byte
		want  Kind
	}{
		{"nothing", nil, KindUnknown},
		{"NTLM", []byte("NTLMSSP\x00\x01"), KindNTLMSSP},
		{"NTLM without its zero", []byte("NTLMSSP"), KindUnknown},
		{"MIT's raw token", readFlow(t, "mit_raw_kerberos")[0].token, KindKerberos},
		{"MIT's SPNEGO", readFlow(t, "mit_kerberos")[0].token, KindInit},
		{"MIT's answer", readFlow(t, "mit_kerberos")[1].token, KindResp},
		{"Java's SPNEGO", readFlow(t, "java_kerberos")[0].token, KindInit},
		{"another mechanism", unhex(t, "600c 060a 2b06010401823702021e"), KindUnknown},
		{"user-to-user", unhex(t, "600c 060a 2a864886f71201020203"), KindUnknown},
		{"cut", readFlow(t, "mit_kerberos")[0].token[:100], KindUnknown},
	} {
		if got := KindOf(c.token); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

func TestOIDNames(t *testing.T) {
	for o, want := range map[OID]string{
		SPNEGO:     "1.3.6.1.5.5.2",
		Kerberos:   "1.2.840.113554.1.2.2",
		MSKerberos: "1.2.840.48018.1.2.2",
		UserToUser: "1.2.840.113554.1.2.2.3",
		NTLMSSP:    "1.3.6.1.4.1.311.2.2.10",
		NegoEx:     "1.3.6.1.4.1.311.2.2.30",
		"\x88\x37": "2.999",
		"":         "oid:",
		"\x2a\x80": "oid:2a80",
		"\x2a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f": "oid:2affffffffffffffffff7f",
	} {
		if got := o.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
