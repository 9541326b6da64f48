package diag

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/caddy-ntlm/caddy-ntlm/internal/krb"
	"github.com/caddy-ntlm/caddy-ntlm/internal/krbforge"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/spnego"
)

// decoded is what decode says, its errors and hints included, and its exit code.
func decoded(d *tokenDecode, text string) (out string, code int) {
	var b strings.Builder
	err := d.run([]string{text}, strings.NewReader(""), &b)
	_ = report(&b, err)
	if err != nil {
		code = exitCode(err)
	}
	return b.String(), code
}

// decodeCase is a token and what is said of it, pieces between bars.
type decodeCase struct {
	text string
	code int
	want string
}

func (c decodeCase) check(t *testing.T, name string, d *tokenDecode) {
	t.Helper()
	out, code := decoded(d, c.text)
	if code != c.code {
		t.Errorf("%s: got exit code %d, want %d\n%s", name, code, c.code, out)
	}
	for _, want := range strings.Split(c.want, "|") {
		if !strings.Contains(out, want) {
			t.Errorf("%s: got\n%s\nwant %q in it", name, out, want)
		}
	}
}

func b64(raw []byte) string { return base64.StdEncoding.EncodeToString(raw) }

// TestDecodeHeader: what people paste, and what is no token.
func TestDecodeHeader(t *testing.T) {
	const type1 = "TlRMTVNTUAABAAAAB4IIogAAAAAAAAAAAAAAAAAAAAAKAO5CAAAADw==" // Windows 10's, in many bug reports
	const is = "NTLM NEGOTIATE_MESSAGE (Type 1)|flags      UNICODE|OEM|EXTENDED_SESSIONSECURITY|version    10.0.17134"
	for name, c := range map[string]decodeCase{
		"the token":           {type1, 0, is},
		"with its scheme":     {"NTLM " + type1, 0, is},
		"another scheme":      {"negotiate " + type1, 0, is},
		"the header":          {"Authorization: Negotiate " + type1, 0, is},
		"of curl -v":          {"> Authorization: NTLM " + type1 + "\r\n", 0, is},
		"in lines":            {type1[:20] + "\n  " + type1[20:], 0, is},
		"in quotes":           {`"NTLM ` + type1 + `"`, 0, is},
		"without its padding": {strings.TrimRight(type1, "="), 0, is},
		"a bare challenge":    {"WWW-Authenticate: Negotiate", 2, "Negotiate alone, without a token: a server's first challenge"},
		"nothing":             {" ", 2, "no token|hint: give the base64 text"},
		"a field alone":       {"Authorization:", 2, "no token"},
		"cut":                 {type1[:30], 2, "message ends|hint: is it whole?"},
		"cut in a letter":     {type1[:29], 2, "not base64|hint: is it whole"},
		"no base64":           {"Negotiate ***", 2, "not base64"},
		"something else":      {"aGVsbG8=", 2, "5 bytes that are neither NTLM, SPNEGO nor Kerberos"},
		"a book":              {strings.Repeat("A", maxHeader+1), 2, "no header is that long"},
		"a password":          {"Basic YWxpY2U6U2VjcjN0LWFsaWNl", 0, "name       alice|not shown"},
		"a key":               {"Authorization: Bearer JYJ7U_s8JL4pBOqxnHbE_hg3o8iZL2zmK89-RUdUwBQ", 2, "keys of sessions|/windows_auth/sessions"},
		"a password alone":    {"Basic U2VjcjN0LWFsaWNl", 2, "no colon between"},
		"no such type":        {b64([]byte("NTLMSSP\x00\x07\x00\x00\x00")), 2, "unknown message type 7"},
	} {
		c.check(t, name, new(tokenDecode))
		if out, _ := decoded(new(tokenDecode), c.text); strings.Contains(out, "Secr3t") || strings.Contains(out, "U2VjcjN0") {
			t.Errorf("%s: it shows the password:\n%s", name, out)
		}
	}
	var out strings.Builder
	if err := new(tokenDecode).run(nil, strings.NewReader("Authorization: NTLM "+type1+"\n"), &out); err != nil || !strings.Contains(out.String(), "NEGOTIATE_MESSAGE") {
		t.Errorf("standard input: got %v\n%s", err, out.String())
	}
}

// TestDecodeNTLM: names, times and bindings are told, and nothing that a password can
// be guessed from.
func TestDecodeNTLM(t *testing.T) {
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	server := &ntlm.Server{NetBIOSDomain: "EXAMPLE", NetBIOSName: "DC1", DNSDomain: "example.test", DNSName: "dc1.example.test", Now: func() time.Time { return at }}
	client := &ntlm.Client{Domain: "EXAMPLE", User: "alice\x1b[2J", Workstation: "PC7", Password: "Secr3t-alice", ChannelBinding: &[16]byte{1}, TargetName: "HTTP/web.example.test"}
	challenge, err := server.Challenge(client.Negotiate())
	if err != nil {
		t.Fatal(err)
	}
	authenticate, err := client.Authenticate(challenge)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := ntlm.ParseAuthenticate(authenticate)
	if err != nil {
		t.Fatal(err)
	}
	old, err := (&ntlm.Authenticate{Flags: ntlm.NegotiateUnicode, User: "bob", LMResponse: make([]byte, 24), NTResponse: make([]byte, 24)}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	nobody, err := (&ntlm.Authenticate{Flags: ntlm.NegotiateUnicode, LMResponse: []byte{0}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := (&spnego.NegTokenResp{NegState: spnego.AcceptIncomplete, SupportedMech: spnego.NTLMSSP, ResponseToken: challenge}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]decodeCase{
		"Type 2":    {"NTLM " + b64(challenge), 0, "CHALLENGE_MESSAGE (Type 2)|domain     EXAMPLE|computer   DC1|DNS name   dc1.example.test|DNS domain example.test|clock      2026-11-25 12:00:00 UTC"},
		"in SPNEGO": {"Negotiate " + b64(wrapped), 0, "SPNEGO NegTokenResp, an answer|state      accept-incomplete|chosen     NTLMSSP|  NTLM CHALLENGE_MESSAGE"},
		"Type 3":    {"NTLM " + b64(authenticate), 0, `AUTHENTICATE_MESSAGE (Type 3)|user       alice\x1b[2J|domain     EXAMPLE|computer   PC7|response   NTLMv2|service    HTTP/web.example.test|clock      2026-11-25 12:00:00 UTC|binding    sent|MIC        there is one`},
		"NTLMv1":    {"NTLM " + b64(old), 0, "user       bob|response   NTLMv1, which is never accepted"},
		"nobody":    {"NTLM " + b64(nobody), 0, "an anonymous log-in, which is never accepted"},
	} {
		c.check(t, name, new(tokenDecode))
		out, _ := decoded(new(tokenDecode), c.text)
		for what, secret := range map[string][]byte{"the challenge": challenge[24:32], "the response": parsed.NTResponse[:8], "the MIC": parsed.MIC[:8]} {
			if strings.Contains(out, hex.EncodeToString(secret)) || strings.Contains(out, string(secret)) {
				t.Errorf("%s: it shows %s:\n%s", name, what, out)
			}
		}
	}
	client = &ntlm.Client{User: "alice", Password: "x"}
	server = &ntlm.Server{NetBIOSDomain: "EXAMPLE"}
	challenge, err = server.Challenge(client.Negotiate())
	if err != nil {
		t.Fatal(err)
	}
	if authenticate, err = client.Authenticate(challenge); err != nil {
		t.Fatal(err)
	}
	decodeCase{b64(authenticate), 0, "binding    none|MIC        none"}.check(t, "no binding", new(tokenDecode))
}

// TestDecodeRecorded: every token that curl, MIT, Samba and Java have sent each other
// is read, and the first of each tells of its mechanisms.
func TestDecodeRecorded(t *testing.T) {
	files, err := filepath.Glob("../internal/spnego/testdata/flows/*.txt")
	if err != nil || len(files) < 10 {
		t.Fatalf("got %v, %v", files, err)
	}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for n := 0; lines.Scan(); n++ {
			_, text, _ := strings.Cut(lines.Text(), " ")
			raw, err := hex.DecodeString(strings.TrimSpace(text))
			if err != nil {
				t.Fatal(err)
			}
			out, code := decoded(new(tokenDecode), b64(raw))
			if code != 0 {
				t.Errorf("%s, token %d: got exit code %d\n%s", file, n, code, out)
			}
			kerberos := strings.Contains(file, "mit_kerberos.txt") || strings.Contains(file, "samba_both_kerberos")
			if want := "Kerberos AP-REQ"; n == 0 && kerberos && (!strings.Contains(out, want) || !strings.Contains(out, "realm      EXAMPLE.TEST")) {
				t.Errorf("%s: got\n%s\nwant %q in it", file, out, want)
			}
		}
	}
}

// logonBuffer is the first buffer of the certificate that Samba's KDC gave alice.
func logonBuffer(t testing.TB) krbforge.Buffer {
	t.Helper()
	raw, err := os.ReadFile("../internal/pac/testdata/alice.pac")
	if err != nil {
		t.Fatal(err)
	}
	const kind = 1 // [MS-PAC] 2.4
	for at := 8; ; at += 16 {
		if binary.LittleEndian.Uint32(raw[at:]) == kind {
			size, offset := binary.LittleEndian.Uint32(raw[at+4:]), binary.LittleEndian.Uint64(raw[at+8:])
			return krbforge.Buffer{Kind: kind, Data: raw[offset : offset+uint64(size)]}
		}
	}
}

// TestDecodeTicket: with the keytab the ticket opens, whatever a site would say of it,
// and a lie in it is told.
func TestDecodeTicket(t *testing.T) {
	long := krbforge.Key(18, 0x11)
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	path := filepath.Join(t.TempDir(), "http.keytab")
	if err := os.WriteFile(path, krbforge.Keytab("EXAMPLE.TEST", "HTTP/web.example.test", 3, long), 0o600); err != nil {
		t.Fatal(err)
	}
	made := func(change func(*krbforge.Forge)) string {
		f := krbforge.New(now, long, "EXAMPLE.TEST", "HTTP/web.example.test", "alice")
		change(f)
		token, err := (&spnego.NegTokenInit{MechTypes: spnego.NewMechTypeList(spnego.MSKerberos, spnego.Kerberos, spnego.NegoEx, spnego.NTLMSSP), MechToken: f.Token(t)}).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		return "Negotiate " + b64(token)
	}
	with := &tokenDecode{keytab: path}
	open := "SPNEGO NegTokenInit|mechanisms Microsoft Kerberos, Kerberos, NegoEx, NTLMSSP|  Kerberos AP-REQ|service    HTTP/web.example.test|realm      EXAMPLE.TEST|ticket     aes256-cts-hmac-sha1-96 (18), under the service's key, version (kvno) 3|session    aes256-cts-hmac-sha1-96 (18)|options    mutual"
	inside := open + "|opened by  HTTP/web.example.test@EXAMPLE.TEST, version 3|client     alice@EXAMPLE.TEST|log-in     2026-11-25 11:00:00 UTC|good       from 2026-11-25 11:59:00 UTC until 2026-11-25 21:00:00 UTC|sent at    2026-11-25 12:00:00 UTC"
	for name, c := range map[string]struct {
		d *tokenDecode
		decodeCase
	}{
		"without a keytab": {new(tokenDecode), decodeCase{made(func(*krbforge.Forge) {}), 0, open + "|sealed     client, times and PAC: --keytab"}},
		"plain":            {with, decodeCase{made(func(*krbforge.Forge) {}), 0, inside + "|binding    none|delegation the client hands on no ticket|PAC        none"}},
		"flags, a binding and a ticket": {with, decodeCase{made(func(f *krbforge.Forge) {
			f.Part.Flags.Bytes = []byte{0x40, 0x84, 0, 0}
			f.Sent.Cksum.Checksum[4], f.Sent.Cksum.Checksum[20] = 1, 1
		}), 0, inside + "|flags      forwardable renewable ok-as-delegate|binding    sent|delegation the client hands its own ticket-granting ticket on"}},
		"a PAC": {with, decodeCase{made(func(f *krbforge.Forge) {
			f.PAC(t, krbforge.Signed(t, long, logonBuffer(t), f.ClientInfo(), krbforge.Delegation("HTTP/web.example.test", "HTTP/gate@EXAMPLE.TEST")))
		}), 0, inside + `|user       EXAMPLE\alice|SID        S-1-5-21-1111111111-2222222222-3333333333-1103|groups     4 SIDs|extra SIDs S-1-18-1|delegation [HTTP/gate@EXAMPLE.TEST] got the ticket for the user, for HTTP/web.example.test|signature  right`}},
		"a PAC that the client made": {with, decodeCase{made(func(f *krbforge.Forge) { f.PAC(t, krbforge.Signed(t, f.Part.Key, f.ClientInfo())) }), 1, inside + "|error: the PAC is not to be believed: its signature is wrong"}},
		"another's PAC": {with, decodeCase{made(func(f *krbforge.Forge) {
			f.PAC(t, krbforge.Signed(t, long, krbforge.ClientInfo("bob", f.Part.AuthTime)))
		}), 1, `of the ticket of "bob"`}},
		"a PAC that is none": {with, decodeCase{made(func(f *krbforge.Forge) { f.PAC(t, []byte("pac")) }), 1, inside + "|malformed PAC"}},
		"two PACs":           {with, decodeCase{made(func(f *krbforge.Forge) { f.PAC(t, []byte("a"), []byte("b")) }), 1, inside + "|two of them in one ticket"}},
		"another's name": {with, decodeCase{made(func(f *krbforge.Forge) { f.Sent.CName.NameString = []string{"ad\x1bmin"} }), 0,
			`claimed    ad\x1bmin@EXAMPLE.TEST: the client calls itself another than its ticket does`}},
		"another's key": {with, decodeCase{made(func(f *krbforge.Forge) { f.Long = krbforge.Key(18, 0x12) }), 1,
			open + "|error: no key in " + path + " opens it|it has HTTP/web.example.test@EXAMPLE.TEST version 3 aes256-cts-hmac-sha1-96|hint: is it the keytab of the account that has HTTP/web.example.test (setspn -Q"}},
		"another enctype":     {with, decodeCase{made(func(f *krbforge.Forge) { f.Long = krbforge.Key(17, 0x11) }), 1, "the keytab has no such key: version 3 of aes128-cts-hmac-sha1-96"}},
		"user to user":        {new(tokenDecode), decodeCase{made(func(f *krbforge.Forge) { f.Options = []byte{0x40, 0, 0, 0} }), 0, "user-to-user: no keytab opens it"}},
		"a name of hostility": {new(tokenDecode), decodeCase{made(func(f *krbforge.Forge) { f.Service = "HTTP/\x1b[2J\n\u202eweb" }), 0, `service    HTTP/\x1b[2J\x0a\u202eweb`}},
		"a broken authenticator": {with, decodeCase{made(func(f *krbforge.Forge) {
			f.Request = func(r *messages.APReq) { r.EncryptedAuthenticator.Cipher[30] ^= 1 }
		}), 1, "client     alice@EXAMPLE.TEST|the session key does not open the authenticator"}},
		"no keytab":     {&tokenDecode{keytab: path + "x"}, decodeCase{"", 2, "error: keytab " + path + "x is not there|hint: mend the path, or write " + path + "x"}},
		"not a keytab":  {&tokenDecode{keytab: "decode.go"}, decodeCase{"", 2, "not a keytab, which begins with 05 02|hint: klist -ekt decode.go"}},
		"cut in SPNEGO": {new(tokenDecode), decodeCase{made(func(*krbforge.Forge) {})[:400], 2, "malformed SPNEGO token|hint: is it whole?"}},
	} {
		c.check(t, name, c.d)
		if out, _ := decoded(c.d, c.text); strings.Contains(out, "\x11\x11\x11") || strings.Contains(out, "111111111111111111") || strings.Contains(out, strings.Repeat("U", 8)) {
			t.Errorf("%s: it shows a key:\n%s", name, out)
		}
	}
}

// TestDecodeAnswers: what a service sends back.
func TestDecodeAnswers(t *testing.T) {
	refusal := messages.NewKRBError(types.NewPrincipalName(2, "HTTP/web"), "EXAMPLE.TEST", 37, "too \x1bskewed")
	raw, err := refusal.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	inner := append([]byte("\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x03\x00"), raw...)
	if len(inner) >= 128 {
		t.Fatalf("%d bytes, whose length takes more than one", len(inner))
	}
	framed := append([]byte{0x60, byte(len(inner))}, inner...)
	resp, err := (&spnego.NegTokenResp{NegState: spnego.Rejected, ResponseToken: framed, MechListMIC: []byte("x")}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	decodeCase{b64(resp), 0, `state      reject|signed     the list|Kerberos KRB-ERROR|error      37 too \x1bskewed|service    HTTP/web@EXAMPLE.TEST`}.check(t, "KRB-ERROR", new(tokenDecode))
	odd, err := (&spnego.NegTokenInit{MechTypes: spnego.NewMechTypeList(spnego.NegoEx), MechToken: []byte("NEGOEXTS")}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	decodeCase{b64(odd), 0, "mechanisms NegoEx|token      8 bytes of NegoEx, which is not read here"}.check(t, "NegoEx", new(tokenDecode))
}

// TestDecodeMutated: whatever is pasted, nothing panics, what is written is plain text,
// and a failure has its hint. The parsers have fuzz tests of their own; Go's fuzzer
// gets nowhere in a program that has all of Caddy in it.
func TestDecodeMutated(t *testing.T) {
	long := krbforge.Key(18, 0x11)
	forged := krbforge.New(time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC), long, "EXAMPLE.TEST", "HTTP/web.example.test", "alice")
	forged.PAC(t, krbforge.Signed(t, long, logonBuffer(t), forged.ClientInfo()))
	client, server := &ntlm.Client{User: "alice", Password: "x", TargetName: "HTTP/web"}, &ntlm.Server{NetBIOSDomain: "EXAMPLE", Now: time.Now}
	type1 := client.Negotiate()
	type2, err := server.Challenge(type1)
	if err != nil {
		t.Fatal(err)
	}
	type3, err := client.Authenticate(type2)
	if err != nil {
		t.Fatal(err)
	}
	raw := forged.Token(t)
	wrapped, err := (&spnego.NegTokenInit{MechTypes: spnego.NewMechTypeList(spnego.Kerberos), MechToken: raw}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	table, err := krb.ParseKeytab(krbforge.Keytab("EXAMPLE.TEST", "HTTP/web.example.test", 3, long))
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	seeds := [][]byte{raw, wrapped, type1, type2, type3, []byte("Authorization: Negotiate : < > Basic YTpi")}
	for range 5000 {
		token := bytes.Clone(seeds[random.IntN(len(seeds))])
		for range 1 + random.IntN(4) {
			switch at := random.IntN(len(token)); random.IntN(4) {
			case 0:
				token = token[:max(at, 1)]
			case 1:
				token = slices.Insert(token, at, byte(random.Uint32()))
			default:
				token[min(at, random.IntN(200))%len(token)] = byte(random.Uint32()) // heads more often than what is sealed
			}
		}
		for _, text := range []string{b64(token), string(token)} {
			var out strings.Builder
			err := (&decoder{out: &out, keytab: table, path: "http.keytab"}).header(text)
			if a, ok := errors.AsType[*advice](err); err != nil && (!ok || a.hint == "") {
				t.Errorf("no hint: %v", err)
			}
			_ = report(&out, err)
			if got := out.String(); !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f }) {
				t.Errorf("%x: got %q, want plain text", token, got)
			}
		}
	}
}
