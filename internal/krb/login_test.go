package krb

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/caddy-ntlm/caddy-ntlm/internal/kdctest"
)

const webService = "HTTP/web.example.test"

var webKey = aKey(etypeAES256SHA1, 0x11)

// aKDC knows alice and the web service.
func aKDC() *kdctest.KDC {
	return &kdctest.KDC{
		Realm: "EXAMPLE.TEST", Version: 3,
		Users:    map[string]string{"alice": "Secr3t-alice", "mallory": "Secr3t-mallory"},
		Services: map[string][]byte{webService: webKey.KeyValue},
	}
}

// loginAt logs alice in by her password.
func loginAt(kdcs ...string) *Login {
	return &Login{
		User: "alice", Password: "Secr3t-alice", Realm: "EXAMPLE.TEST", Service: webService, Centres: new(Centres), KDCs: kdcs,
		Acceptor: &Acceptor{
			Keytab: keytabOf("EXAMPLE.TEST", "svc-web", map[int]types.EncryptionKey{3: webKey}), Services: []string{webService},
			Replays: NewReplays(), Now: time.Now,
		},
	}
}

// TestLogin: the ticket names whom the password is of, each time again, and the
// password is sent once.
func TestLogin(t *testing.T) {
	for name, change := range map[string]func(*kdctest.KDC, *Login){
		"plain":                func(*kdctest.KDC, *Login) {},
		"another letter":       func(_ *kdctest.KDC, l *Login) { l.User = "ALICE" },
		"enterprise":           func(_ *kdctest.KDC, l *Login) { l.User, l.Enterprise = "alice@example.test", true },
		"iterations":           func(k *kdctest.KDC, _ *Login) { k.Iterations = 8192 },
		"no preauthentication": func(k *kdctest.KDC, _ *Login) { k.Lax = true },
	} {
		t.Run(name, func(t *testing.T) {
			k := aKDC()
			l := loginAt("")
			change(k, l)
			k.Start(t)
			l.KDCs = []string{k.Addr}
			for range 2 {
				ticket, kdc, err := l.Prove(t.Context())
				if err != nil || ticket.Client() != "alice@EXAMPLE.TEST" || ticket.Service != webService || kdc != k.Addr {
					t.Fatalf("got %v of %s, %v", ticket, kdc, err)
				}
			}
			if k.Tried() != 2 || k.Answered() != 6 {
				t.Errorf("two log-ins: got %d passwords sent, %d questions; want 2, 6", k.Tried(), k.Answered())
			}
		})
	}
}

// TestLoginRefused: a wrong password is sent once, whether or not the KDC asks
// for one first, and an unknown user's never.
func TestLoginRefused(t *testing.T) {
	data := func(status string) []byte { raw, _ := hex.DecodeString(status); return raw }
	locked := binary.LittleEndian.AppendUint32(nil, 0xC0000234)
	inside := append([]byte{0xa1, 3, 2, 1, 3, 0xa2, 14, 4, 12}, append(locked, make([]byte, 8)...)...)
	windows := append([]byte{0x30, byte(len(inside))}, inside...)
	samba := append([]byte{0x30, byte(len(windows))}, windows...)
	always := func(code int32, data []byte) func(*kdctest.KDC, *Login) {
		return func(k *kdctest.KDC, _ *Login) { k.Refuse = func(string, string) (int32, []byte) { return code, data } }
	}
	for name, c := range map[string]struct {
		change func(*kdctest.KDC, *Login)
		code   int32
		status uint32
		tried  int
	}{
		"wrong":                       {func(_ *kdctest.KDC, l *Login) { l.Password = "wrong" }, CodePreauthFailed, 0, 1},
		"wrong, no preauthentication": {func(k *kdctest.KDC, l *Login) { k.Lax = true; l.Password = "wrong" }, CodePreauthFailed, 0, 1},
		"unknown":                     {func(_ *kdctest.KDC, l *Login) { l.User = "nobody" }, CodeClientUnknown, 0, 0},
		"locked, Windows":             {always(CodeClientRevoked, windows), CodeClientRevoked, 0xC0000234, 0},
		"locked, Samba":               {always(CodeClientRevoked, samba), CodeClientRevoked, 0xC0000234, 0},
		"revoked":                     {always(CodeClientRevoked, nil), CodeClientRevoked, 0, 0},
		"revoked, odd data":           {always(CodeClientRevoked, data("30ff")), CodeClientRevoked, 0, 0},
		"no such service":             {func(_ *kdctest.KDC, l *Login) { l.Service = "HTTP/other.example.test" }, CodeServiceUnknown, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			k, l := aKDC(), loginAt("")
			c.change(k, l)
			k.Start(t)
			other := aKDC().Start(t)
			l.KDCs = []string{k.Addr, other.Addr}
			ticket, _, err := l.Prove(t.Context())
			r, ok := errors.AsType[*Refusal](err)
			if !ok || ticket != nil || r.Code != c.code || r.Status != c.status || r.KDC != k.Addr || !errors.Is(err, ErrRefused) {
				t.Fatalf("got %v, %v, want code %d, status %#x", ticket, err, c.code, c.status)
			}
			if k.Tried() != c.tried || other.Answered() != 0 {
				t.Errorf("got %d passwords sent and %d questions to another KDC, want %d and none", k.Tried(), other.Answered(), c.tried)
			}
			if r.Judged() != (c.code == CodePreauthFailed) {
				t.Errorf("judged: got %v", r.Judged())
			}
		})
	}
}

// TestLoginProvesTheKDC: threats part 7. Each KDC here knows the password that was
// typed, and says yes.
func TestLoginProvesTheKDC(t *testing.T) {
	spoofed := aKey(etypeAES256SHA1, 0x66).KeyValue
	for name, c := range map[string]struct {
		change func(*kdctest.KDC, *Login)
		want   error
	}{
		"without the service's key": {func(k *kdctest.KDC, _ *Login) { k.Services[webService] = spoofed }, ErrForged},
		"with an older key":         {func(k *kdctest.KDC, _ *Login) { k.Services[webService] = spoofed; k.Version = 9 }, ErrNoKey},
		"with somebody's genuine ticket": {func(k *kdctest.KDC, _ *Login) {
			k.Ticket = func(p *messages.EncTicketPart) { p.Key = aKey(etypeAES256SHA1, 0x45) }
		}, ErrForged},
		"of another client": {func(k *kdctest.KDC, _ *Login) {
			k.Ticket = func(p *messages.EncTicketPart) { p.CName.NameString = []string{"admin"} }
		}, ErrOtherClient},
		"of another realm": {func(k *kdctest.KDC, _ *Login) { k.Ticket = func(p *messages.EncTicketPart) { p.CRealm = "EVIL.TEST" } }, ErrRealm},
		"of yesterday": {func(k *kdctest.KDC, _ *Login) {
			k.Ticket = func(p *messages.EncTicketPart) { p.EndTime = time.Now().Add(-time.Hour) }
		}, ErrExpired},
		"of a log-in of this morning": {func(k *kdctest.KDC, _ *Login) {
			k.Ticket = func(p *messages.EncTicketPart) { p.AuthTime = time.Now().Add(-time.Hour) }
		}, ErrExpired},
		"of a log-in to come": {func(k *kdctest.KDC, _ *Login) {
			k.Ticket = func(p *messages.EncTicketPart) { p.AuthTime = time.Now().Add(time.Hour) }
		}, ErrExpired},
		"with a session of RC4": {func(k *kdctest.KDC, _ *Login) {
			k.Granted = func(p *messages.EncTicketPart) { p.Key = aKey(etypeRC4, 0x45) }
		}, ErrUnproven},
		"with a key of few iterations": {func(k *kdctest.KDC, _ *Login) { k.Iterations = 1 }, ErrUnproven},
		"with a key of a day's work":   {func(k *kdctest.KDC, _ *Login) { k.Iterations = 1 << 31 }, ErrUnproven},
		"without the user's key":       {func(k *kdctest.KDC, l *Login) { l.Password = "wrong"; k.Gullible = true }, ErrUnproven},
	} {
		t.Run(name, func(t *testing.T) {
			k, l := aKDC(), loginAt("")
			c.change(k, l)
			k.Start(t)
			l.KDCs = []string{k.Addr}
			ticket, _, err := l.Prove(t.Context())
			if ticket != nil || !errors.Is(err, c.want) || !errors.Is(err, ErrUnproven) {
				t.Errorf("got %v, %v, want %v", ticket, err, c.want)
			}
		})
	}
}

// TestLoginWithoutKDC: those that are down, hang, cut, or cannot serve are passed
// over, and the one that answered is asked first afterwards. A password that was
// sent is sent to no other.
func TestLoginWithoutKDC(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	busy := aKDC()
	busy.Refuse = func(string, string) (int32, []byte) { return CodeServiceUnavailable, nil }
	cut, good := aKDC(), aKDC().Start(t)
	cut.Answer = func([]byte) []byte { return nil }
	busy.Start(t)
	cut.Start(t)
	dead := closed.Addr().String()
	l := loginAt(dead, busy.Addr, cut.Addr, good.Addr)
	for range 2 {
		if _, kdc, err := l.Prove(t.Context()); err != nil || kdc != good.Addr {
			t.Errorf("got %s, %v, want %s", kdc, err, good.Addr)
		}
	}
	if busy.Answered() != 1 || cut.Answered() != 1 {
		t.Errorf("got %d and %d questions to those that do not serve, want 1", busy.Answered(), cut.Answered())
	}
	for name, kdcs := range map[string][]string{"none": nil, "dead": {dead}, "all": {dead, busy.Addr, cut.Addr}} {
		if _, _, err := loginAt(kdcs...).Prove(t.Context()); !errors.Is(err, ErrUnreachable) {
			t.Errorf("%s: got %v, want %v", name, err, ErrUnreachable)
		}
	}
	// One that dies with the password in its hands.
	dying := aKDC()
	dying.Answer = func(answer []byte) []byte {
		if dying.Tried() > 0 {
			return nil
		}
		return answer
	}
	dying.Start(t)
	before := good.Answered()
	if _, _, err := loginAt(dying.Addr, good.Addr).Prove(t.Context()); !errors.Is(err, ErrUnreachable) || dying.Tried() != 1 || good.Answered() != before {
		t.Errorf("got %v, %d and %d more, want %v, 1 and none", err, dying.Tried(), good.Answered()-before, ErrUnreachable)
	}
}

// TestLoginIsBounded: a KDC that says nothing keeps nobody longer than the
// context lasts.
func TestLoginIsBounded(t *testing.T) {
	quiet, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer quiet.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, _, err := loginAt(quiet.Addr().String()).Prove(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 2*time.Second {
		t.Errorf("got %v after %s", err, time.Since(began))
	}
}

// TestLoginOfOddAnswers: nothing that a KDC sends is a panic or a yes.
func TestLoginOfOddAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		answer func([]byte) []byte
		want   error
	}{
		"text":  {func([]byte) []byte { return []byte("HTTP/1.1 400 Bad Request\r\n\r\n") }, ErrMalformed},
		"error": {func([]byte) []byte { return []byte{tagKRBError, 0} }, ErrMalformed},
		"short": {func(a []byte) []byte { return a[:len(a)/2] }, ErrMalformed},
		"ends":  {func(a []byte) []byte { return a[:len(a)-1] }, ErrMalformed},
	} {
		k := aKDC()
		k.Answer = c.answer
		k.Start(t)
		if ticket, _, err := loginAt(k.Addr).Prove(t.Context()); ticket != nil || !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, %v, want %v", name, ticket, err, c.want)
		}
	}
}

// TestKDCsIn: port 88 where a krb5.conf names none, also of IPv6, and none of
// another realm.
func TestKDCsIn(t *testing.T) {
	conf := "[libdefaults]\n dns_lookup_kdc = false\n[realms]\n EXAMPLE.TEST = {\n  kdc = dc1.example.test\n  kdc = dc2.example.test:1088\n" +
		"  kdc = 2001:db8::1\n  kdc = [2001:db8::2]\n  kdc = [2001:db8::3]:1088\n }\n OTHER.TEST = {\n  kdc = other.test\n }\n"
	want := []string{"dc1.example.test:88", "dc2.example.test:1088", "[2001:db8::1]:88", "[2001:db8::2]:88", "[2001:db8::3]:1088"}
	if got, err := KDCsIn(t.Context(), conf, "EXAMPLE.TEST"); err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if got, err := KDCsIn(t.Context(), conf, "NONE.TEST"); !errors.Is(err, ErrUnreachable) {
		t.Errorf("none: got %q, %v, want %v", got, err, ErrUnreachable)
	}
}

// TestAnswersAreBounded: one byte more than there may be is not read.
func TestAnswersAreBounded(t *testing.T) {
	for size, want := range map[int]error{maxAnswer: nil, maxAnswer + 1: ErrMalformed} {
		k := aKDC()
		k.Answer = func([]byte) []byte { return make([]byte, size) }
		k.Start(t)
		request, err := loginAt().asReq()
		if err != nil {
			t.Fatal(err)
		}
		raw, err := request.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if answer, err := exchange(t.Context(), k.Addr, raw); !errors.Is(err, want) || err == nil && len(answer) != size {
			t.Errorf("%d: got %d bytes, %v, want %v", size, len(answer), err, want)
		}
	}
}

func TestLoginRedacted(t *testing.T) {
	l := loginAt("")
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if text := fmt.Sprintf(format, *l); strings.Contains(text, "Secr3t") {
			t.Errorf("%s shows the password: %s", format, text)
		}
	}
}

// TestLoginOfRecordedAnswers: who has recorded one log-in cannot play it again as
// another's answer.
func TestLoginOfRecordedAnswers(t *testing.T) {
	for name, tag := range map[string]byte{"AS-REP": 0x6b, "TGS-REP": 0x6d} {
		k, recorded := aKDC(), []byte(nil)
		k.Answer = func(answer []byte) []byte {
			if answer[0] != tag {
				return answer
			}
			if recorded == nil {
				recorded = answer
			}
			return recorded
		}
		k.Start(t)
		if _, _, err := loginAt(k.Addr).Prove(t.Context()); err != nil {
			t.Fatal(err)
		}
		if ticket, _, err := loginAt(k.Addr).Prove(t.Context()); ticket != nil || !errors.Is(err, ErrUnproven) {
			t.Errorf("%s: got %v, %v, want %v", name, ticket, err, ErrUnproven)
		}
	}
}
