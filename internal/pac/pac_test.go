package pac

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// recorded is what Samba's own reader (python3-samba, samba.dcerpc.krb5pac) finds in
// a certificate of Samba's KDC; testdata/README.md tells how they were made.
type recorded struct {
	Name, Display, Domain, Client, UPN, DNS, Requestor, Server string
	DomainSID                                                  string `json:"domain_sid"`
	RID, Primary, Control                                      uint32
	Groups, Resource                                           []uint32
	Extra                                                      []string
	UPNSAM                                                     string `json:"upn_sam"`
	UPNSID                                                     string `json:"upn_sid"`
	ServerType                                                 int32  `json:"server_type"`
	LogonTime                                                  uint64 `json:"logon_time"`
}

func vectors(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/*.pac")
	if err != nil || len(files) == 0 {
		t.Fatalf("got %v, %v", files, err)
	}
	found := make(map[string][]byte)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found[strings.TrimSuffix(filepath.Base(file), ".pac")] = raw
	}
	return found
}

func TestParse(t *testing.T) {
	for name, raw := range vectors(t) {
		t.Run(name, func(t *testing.T) {
			var want recorded
			text, err := os.ReadFile("testdata/" + name + ".json")
			if err == nil {
				err = json.Unmarshal(text, &want)
			}
			if err != nil {
				t.Fatal(err)
			}
			p, err := Parse(raw)
			if err != nil {
				t.Fatal(err)
			}
			l := p.Logon
			if l.Name != want.Name || l.Display != want.Display || l.Domain != want.Domain || l.UserRID != want.RID || l.Primary != want.Primary || l.Control != want.Control || l.DomainSID.String() != want.DomainSID {
				t.Errorf("got %+v, want %+v", l, want)
			}
			if p.Client.Name != want.Client || !p.Client.At.Equal(filetime(want.LogonTime)) || p.UPN.Name != want.UPN || p.UPN.DNS != want.DNS || p.UPN.SAM != want.UPNSAM || p.UPN.SID.String() != want.UPNSID {
				t.Errorf("got %+v %+v", p.Client, p.UPN)
			}
			if p.Server.Type != want.ServerType || hex.EncodeToString(p.Server.Sum) != want.Server {
				t.Errorf("got signature %d %x", p.Server.Type, p.Server.Sum)
			}
			all := slices.Clone(want.Extra)
			for _, rid := range want.Groups {
				all = append(all, below(l.DomainSID, rid).String())
			}
			var got []string
			for _, sid := range l.Groups() {
				got = append(got, sid.String())
			}
			slices.Sort(all)
			slices.Sort(got)
			if !slices.Equal(got, all) {
				t.Errorf("got the groups %v, want %v", got, all)
			}
			var extra []string
			for _, sid := range l.Extra() {
				extra = append(extra, sid.String())
			}
			if !slices.Equal(extra, want.Extra) {
				t.Errorf("got the extra SIDs %v, want %v", extra, want.Extra)
			}
			if err := p.CheckClient(want.Name, p.Client.At); err != nil {
				t.Error(err)
			}
			if p.CheckClient("mallory", p.Client.At) == nil || p.CheckClient(want.Name, p.Client.At.Add(time.Hour)) == nil {
				t.Error("it is of the ticket of somebody else, or of another time")
			}
			if signed := p.Signed(); len(signed) != len(raw) || bytes.Equal(signed, raw) || bytes.Contains(signed, p.Server.Sum) {
				t.Error("what is signed holds the signature")
			}
		})
	}
}

// made is a certificate of buffers.
func made(buffers ...[]byte) []byte {
	kinds := []uint32{typeLogon, typeClient, typeServer, typeKDC, typeRequestor, typeUPN}
	raw := binary.LittleEndian.AppendUint32(nil, uint32(len(buffers)))
	raw = binary.LittleEndian.AppendUint32(raw, 0)
	at := 8 + 16*len(buffers)
	var body []byte
	for i, b := range buffers {
		raw = binary.LittleEndian.AppendUint32(raw, kinds[i])
		raw = binary.LittleEndian.AppendUint32(raw, uint32(len(b)))
		raw = binary.LittleEndian.AppendUint64(raw, uint64(at+len(body)))
		body = append(body, b...)
		body = append(body, make([]byte, -len(body)&7)...)
	}
	return append(raw, body...)
}

// part is a buffer of a certificate.
func part(t testing.TB, raw []byte, kind uint32) []byte {
	t.Helper()
	p := &PAC{raw: raw}
	if err := p.split(); err != nil {
		t.Fatal(err)
	}
	for _, b := range p.buffers {
		if b.kind == kind {
			return raw[b.from:b.to]
		}
	}
	t.Fatalf("no buffer of type %d", kind)
	return nil
}

func changed(raw []byte, at int, value ...byte) []byte {
	return slices.Concat(raw[:at], value, raw[at+len(value):])
}

// TestParseRefuses: threats C-05. Hostile lengths, places and counts, two of one
// buffer, two that disagree, and nobody.
func TestParseRefuses(t *testing.T) {
	good := vectors(t)["alice"]
	logon, client := part(t, good, typeLogon), part(t, good, typeClient)
	other, err := identity.ParseSID("S-1-5-21-1-2-3-4")
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"nothing":               nil,
		"no buffer":             make([]byte, 8),
		"version 1":             changed(good, 4, 1),
		"too many buffers":      changed(good, 0, 0xff, 0xff, 0xff, 0xff),
		"33 buffers":            changed(good, 0, 33),
		"a place outside":       changed(good, 16, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f),
		"a place at -8":         changed(good, 16, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
		"a place in the head":   changed(good, 16, 8),
		"an odd place":          changed(good, 16, good[16]+1),
		"a length too long":     changed(good, 12, 0xff, 0xff, 0xff, 0x7f),
		"two of one type":       changed(good, 24, good[8]),
		"a signature of CRC":    made(logon, client, []byte{1, 0, 0, 0, 1, 2, 3, 4}),
		"a signature too short": made(logon, client, []byte{16, 0, 0, 0, 1, 2, 3, 4}),
		"of somebody else":      made(logon, client, part(t, good, typeServer), part(t, good, typeKDC), other.Bytes()),
		"a name of odd length":  made(logon, changed(client, 8, client[8]-1)),
		"a name too long":       made(logon, changed(client, 8, 0xff, 0xff)),
		"half of a pair":        made(logon, changed(client, 10, 0x00, 0xd8)),
		"the guest":             made(changed(logon, 20+48+48+4, 0xf5, 0x01, 0, 0)),
		"user 0 of many groups": made(changed(logon, 20+48+48+12, 0xff, 0xff, 0xff, 0xff)),
		"no groups behind them": made(changed(logon, 20+48+48+16, 0, 0, 0, 0)),
	} {
		if p, err := Parse(bad); !errors.Is(err, ErrMalformed) || p != nil {
			t.Errorf("%s: got %v, %v", name, p, err)
		}
	}
	for n := range good { // cut anywhere
		if _, err := Parse(good[:n]); err == nil {
			t.Fatalf("cut to %d bytes: taken", n)
		}
	}
	if p, err := Parse(made(logon, client)); err != nil || p.CheckClient("alice", p.Client.At) != nil || p.Server != nil {
		t.Errorf("the builder's own: got %v, %v", p, err)
	}
}

// TestGroupsThatDoNotCount: not enabled, or for denying alone; and lists that the
// flags say nothing of.
func TestGroupsThatDoNotCount(t *testing.T) {
	domain, err := identity.ParseSID("S-1-5-21-1-2-3")
	if err != nil {
		t.Fatal(err)
	}
	l := &Logon{
		DomainSID: domain, UserRID: 1000, Primary: 513, of: domain,
		groups:   []membership{{513, 7}, {1001, 7}, {1002, 3}, {1003, 0x17}, {1000, 7}},
		extra:    []sidAndAttributes{{identity.SIDEveryone, 7}, {identity.SIDAnonymous, 0}},
		resource: []membership{{1004, 0x20000007}},
	}
	var got []string
	for _, sid := range l.Groups() {
		got = append(got, strings.TrimPrefix(sid.String(), "S-1-5-21-1-2-3-"))
	}
	if want := []string{"513", "1001", "S-1-1-0", "1004"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func FuzzParse(f *testing.F) {
	for _, raw := range vectors(f) {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := Parse(raw)
		if (err == nil) != (p != nil) || err != nil && !errors.Is(err, ErrMalformed) {
			t.Fatalf("got %v, %v", p, err)
		}
		if p == nil {
			return
		}
		if len(p.Signed()) != len(raw) {
			t.Error("what is signed has another length")
		}
		if p.Logon != nil && (p.Logon.SID().IsNobody() || 8*len(p.Logon.Groups()) > len(raw)+8) {
			t.Errorf("%s in %d groups out of %d bytes", p.Logon.SID(), len(p.Logon.Groups()), len(raw))
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for name, raw := range vectors(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p, err := Parse(raw)
				if err != nil {
					b.Fatal(err)
				}
				p.Signed()
				p.Logon.Groups()
			}
		})
	}
}

// ndrString is the head of a string, and its text.
func ndrString(text string) (head, body []byte) {
	n := uint16(len(text))
	head = binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(nil, 2*n), 2*n)
	head = append(head, 4, 0, 2, 0)
	body = binary.LittleEndian.AppendUint32(nil, uint32(n))
	body = binary.LittleEndian.AppendUint32(body, 0)
	body = binary.LittleEndian.AppendUint32(body, uint32(n))
	for _, c := range []byte(text) {
		body = append(body, c, 0)
	}
	return head, append(body, make([]byte, -len(body)&3)...)
}

// TestDelegation: threats C-06, a S4U_DELEGATION_INFO by the book.
func TestDelegation(t *testing.T) {
	target, targetText := ndrString("HTTP/web.example.test")
	first, firstText := ndrString("HTTP/app@EXAMPLE.TEST")
	second, secondText := ndrString("HTTP/gate@EXAMPLE.TEST")
	two := []byte{2, 0, 0, 0}
	body := slices.Concat([]byte{0, 0, 2, 0}, target, two, []byte{8, 0, 2, 0}, targetText, two, first, second, firstText, secondText)
	raw := slices.Concat([]byte{1, 0x10, 8, 0, 0xcc, 0xcc, 0xcc, 0xcc}, binary.LittleEndian.AppendUint32(nil, uint32(len(body))), make([]byte, 4), body)
	d, err := parseDelegation(raw)
	if err != nil || d.Target != "HTTP/web.example.test" || !slices.Equal(d.Through, []string{"HTTP/app@EXAMPLE.TEST", "HTTP/gate@EXAMPLE.TEST"}) {
		t.Fatalf("got %+v, %v", d, err)
	}
	for n := range raw {
		if _, err := parseDelegation(raw[:n]); err == nil {
			t.Errorf("cut to %d bytes: taken", n)
		}
	}
	if _, err := parseDelegation(changed(raw, 16+12, 3)); err == nil {
		t.Error("another number of services than there are: taken")
	}
}
