package integration

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	ntlmssp "github.com/Azure/go-ntlmssp"
	"go.uber.org/goleak"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
	"github.com/caddy-ntlm/caddy-ntlm/internal/dcerpc"
	"github.com/caddy-ntlm/caddy-ntlm/internal/faultproxy"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/netlogon"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
	"github.com/caddy-ntlm/caddy-ntlm/internal/spnego"
)

// machine is a configuration for the lab's machine account at controller n.
func machine(n int) netlogon.Config {
	return netlogon.Config{
		Server: domain.Host(n), Domain: domain.Domain, Account: "WEB01$",
		Secret:  func() ([]byte, error) { return []byte(lab.Account("WEB01$").Password), nil },
		Connect: netlogon.TCP(domain.Addr(n), nil),
	}
}

// channels opens a client, which is closed with the test.
func channels(t testing.TB, config netlogon.Config, n int) *netlogon.Client {
	t.Helper()
	c, err := netlogon.NewClient(config, n, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return c
}

// handshake is a whole NTLM exchange: the three messages, and the third as a log-in.
type handshake struct {
	negotiate, challenge, authenticate []byte

	message *ntlm.Authenticate
	logon   *netlogon.Logon
}

// challenger is the server's side of ours, a machine of that NetBIOS name: the
// controllers compare it with the channel's.
func challenger(name string) *ntlm.Server {
	return &ntlm.Server{NetBIOSDomain: domain.Domain, NetBIOSName: name, DNSDomain: domain.DNSDomain, DNSName: name + "." + domain.DNSDomain, Now: time.Now}
}

// read makes a log-in of the three messages.
func (h *handshake) read(t testing.TB) {
	t.Helper()
	challenge, err := ntlm.ParseChallenge(h.challenge)
	if err != nil {
		t.Fatal(err)
	}
	if h.message, err = ntlm.ParseAuthenticate(h.authenticate); err != nil {
		t.Fatal(err)
	}
	h.logon = &netlogon.Logon{
		Domain: h.message.Domain, User: h.message.User, Workstation: h.message.Workstation,
		Challenge: challenge.ServerChallenge, NTResponse: h.message.NTResponse,
	}
}

// byGoNTLMSSP lets go-ntlmssp answer a challenge of ours.
func byGoNTLMSSP(t testing.TB, user, password string) *handshake {
	t.Helper()
	return to(t, "WEB01", user, password)
}

// to is that at a machine.
func to(t testing.TB, machine, user, password string) *handshake {
	t.Helper()
	h := new(handshake)
	var err error
	if h.negotiate, err = ntlmssp.NewNegotiateMessage("", "DESK"); err != nil {
		t.Fatal(err)
	}
	if h.challenge, err = challenger(machine).Challenge(h.negotiate); err != nil {
		t.Fatal(err)
	}
	if h.authenticate, err = ntlmssp.NewAuthenticateMessage(h.challenge, user, password, &ntlmssp.AuthenticateMessageOptions{WorkstationName: "DESK"}); err != nil {
		t.Fatal(err)
	}
	h.read(t)
	return h
}

// byCurl lets curl with gss-ntlmssp answer, inside SPNEGO; it sends a message
// integrity code.
func byCurl(t *testing.T, user, password string) *handshake {
	t.Helper()
	users := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(users, []byte(domain.Domain+":"+user+":"+password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NTLM_USER_FILE", users)
	t.Setenv("KRB5_CONFIG", os.DevNull)
	h, acceptor := new(handshake), spnego.NewAcceptor(spnego.Mechanism{OID: spnego.NTLMSSP})
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, offered := strings.CutPrefix(r.Header.Get("Authorization"), "Negotiate ")
		token, err := base64.StdEncoding.DecodeString(text)
		var reply []byte
		switch {
		case !offered:
		case err != nil:
		case h.negotiate == nil:
			if h.negotiate, err = inside(acceptor, token); err != nil {
				break
			}
			if h.challenge, err = challenger("WEB01").Challenge(h.negotiate); err == nil {
				reply, err = acceptor.Continue(h.challenge)
			}
		default:
			if h.authenticate, err = inside(acceptor, token); err == nil {
				return
			}
		}
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("WWW-Authenticate", strings.TrimSpace("Negotiate "+base64.StdEncoding.EncodeToString(reply)))
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer site.Close()
	curl(t, "--negotiate", "-u", ":", site.URL+"/")
	if h.authenticate == nil {
		t.Fatal("curl sent no Type 3")
	}
	h.read(t)
	return h
}

// inside is the NTLM message in a token of SPNEGO's.
func inside(acceptor *spnego.Acceptor, token []byte) ([]byte, error) {
	turn, err := acceptor.Step(token)
	if err == nil && turn.Need != spnego.Run {
		err = fmt.Errorf("%v is needed, and no NTLM came", turn.Need)
	}
	return turn.Token, err
}

// TestNetlogon logs in whom the controllers know, by an independent client's
// responses: the answer names the account, its SID and its groups, and the session
// key is the one that the password gives.
func TestNetlogon(t *testing.T) {
	running := goleak.IgnoreCurrent()
	for n := 1; n <= 2; n++ {
		c, err := netlogon.NewClient(machine(n), 1, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []struct {
			sam, domain string
			groups      []string // besides the primary one
			upn         string
		}{
			{"alice", "EXAMPLE", []string{"Web Users", "Sales_ EMEA (West)"}, "alice@example.test"},
			{"ALICE", "EXAMPLE", []string{"Web Users"}, "alice@example.test"},
			{"alice", "example.test", nil, "alice@example.test"},
			{"carol", "EXAMPLE", []string{"Nest A", "Nest B", "Nest C", "Cycle X", "Local Team"}, "carol@example.test"},
			{"dave", "EXAMPLE", []string{"Primary Team"}, "dave@example.test"},
			{"müller", "EXAMPLE", []string{"Führung"}, "müller@example.test"},
			{"frank", "EXAMPLE", nil, "frank@example.test"},
			{"WEB01$", "EXAMPLE", nil, "WEB01$@example.test"},
		} {
			t.Run(fmt.Sprintf("dc%d %s of %s", n, want.sam, want.domain), func(t *testing.T) {
				sam := strings.ToLower(want.sam)
				if strings.HasSuffix(sam, "$") {
					sam = want.sam
				}
				account := lab.Account(sam)
				h := byGoNTLMSSP(t, want.domain+`\`+want.sam, account.Password)
				v, err := c.LogOn(t.Context(), h.logon)
				if err != nil {
					t.Fatal(err)
				}
				sid, err := domain.SID(sam)
				if err != nil {
					t.Fatal(err)
				}
				if v.EffectiveName != sam || v.SID().String() != sid || v.LogonDomainName != domain.Domain || v.Level != 6 {
					t.Errorf("got %v at level %d, want %s %s", v, v.Level, sam, sid)
				}
				if v.UPN != want.upn || v.DNSLogonDomainName != domain.DNSDomain || v.LogonServer != fmt.Sprintf("DC%d", n) {
					t.Errorf("got %q, %q, decided by %q, want %q", v.UPN, v.DNSLogonDomainName, v.LogonServer, want.upn)
				}
				for _, group := range want.groups {
					sid, err := domain.SID(group)
					if err != nil {
						t.Fatal(err)
					}
					if !slices.ContainsFunc(v.Groups(), func(s identity.SID) bool { return s.String() == sid }) {
						t.Errorf("%s is not in %v, want %s %s", sam, v.Groups(), group, sid)
					}
				}
				checkKey(t, v, h, account.Password)
			})
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := goleak.Find(running); err != nil {
		t.Errorf("after Close: %v", err)
	}
}

// checkKey compares the session key with the one that the password gives.
func checkKey(t *testing.T, v *netlogon.Validation, h *handshake, password string) {
	t.Helper()
	response, err := h.message.V2()
	if err != nil {
		t.Fatal(err)
	}
	want := ntlm.SessionBaseKey(ntlm.NTOWFv2(h.message.User, h.message.Domain, ntlm.NTOWFv1(password)), response.NTProofStr)
	if v.UserSessionKey != want {
		t.Errorf("the session key is not the one that the password gives")
	}
}

// TestNetlogonMIC: the session key that the controller gives is the one that
// curl with gss-ntlmssp made its message integrity code with, and no other is.
func TestNetlogonMIC(t *testing.T) {
	c := channels(t, machine(1), 1)
	h := byCurl(t, "alice", lab.Account("alice").Password)
	v, err := c.LogOn(t.Context(), h.logon)
	if err != nil {
		t.Fatal(err)
	}
	response, err := h.message.V2()
	if err != nil {
		t.Fatal(err)
	}
	if !response.PromisesMIC() {
		t.Fatal("curl sends no message integrity code: this test shows nothing")
	}
	if _, err := h.message.VerifyMIC(response, v.UserSessionKey, h.negotiate, h.challenge); err != nil {
		t.Errorf("the MIC by the controller's key: %v", err)
	}
	v.UserSessionKey[3] ^= 1
	if _, err := h.message.VerifyMIC(response, v.UserSessionKey, h.negotiate, h.challenge); !errors.Is(err, ntlm.ErrMIC) {
		t.Errorf("by another key got %v, want %v", err, ntlm.ErrMIC)
	}
}

// TestNetlogonRefusals: each no has its number, and the channel serves the next.
func TestNetlogonRefusals(t *testing.T) {
	newUser(t, "protected", "Secr3t-protected")
	membership(t, "addmembers", "Protected Users", "protected")
	var opened atomic.Int32
	config := machine(1)
	connect := config.Connect
	config.Connect = counting(connect, &opened)
	c := channels(t, config, 1)
	for name, want := range map[string]struct {
		user, password string
		status         ntstatus.Status
	}{
		"wrong":         {`EXAMPLE\alice`, "wrong", ntstatus.WrongPassword},
		"unknown":       {`EXAMPLE\nobody`, "wrong", ntstatus.NoSuchUser},
		"other domain":  {`OTHER\alice`, "Secr3t-alice", ntstatus.NoSuchUser},
		"locked":        {`EXAMPLE\locked`, "Secr3t-locked", ntstatus.AccountLockedOut},
		"disabled":      {`EXAMPLE\disabled`, "Secr3t-disabled", ntstatus.AccountDisabled},
		"expired":       {`EXAMPLE\expired`, "Secr3t-expired", ntstatus.AccountExpired},
		"pwexpired":     {`EXAMPLE\pwexpired`, "Secr3t-pwexpired", ntstatus.PasswordExpired},
		"must change":   {`EXAMPLE\mustchange`, "Secr3t-mustchange", ntstatus.PasswordMustChange},
		"hours":         {`EXAMPLE\hours`, "Secr3t-hours", ntstatus.InvalidLogonHours},
		"workstation":   {`EXAMPLE\elsewhere`, "Secr3t-elsewhere", ntstatus.InvalidWorkstation},
		"protected":     {`EXAMPLE\protected`, "Secr3t-protected", ntstatus.AccountRestriction},
		"wrong machine": {`EXAMPLE\WEB01$`, "wrong", ntstatus.WrongPassword},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := c.LogOn(t.Context(), byGoNTLMSSP(t, want.user, want.password).logon)
			var status *netlogon.StatusError
			if v != nil || !errors.As(err, &status) || status.Status != want.status {
				t.Errorf("got %v, %v, want %v", v, err, want.status)
			}
		})
	}
	t.Run("another challenge", func(t *testing.T) {
		h := byGoNTLMSSP(t, `EXAMPLE\alice`, "Secr3t-alice")
		h.logon.Challenge[0] ^= 1
		var status *netlogon.StatusError
		if v, err := c.LogOn(t.Context(), h.logon); v != nil || !errors.As(err, &status) || status.Status != ntstatus.WrongPassword {
			t.Errorf("got %v, %v, want %v", v, err, ntstatus.WrongPassword)
		}
	})
	if _, err := c.LogOn(t.Context(), byGoNTLMSSP(t, `EXAMPLE\bob`, "Secr3t-bob").logon); err != nil {
		t.Errorf("after all of them bob: %v", err)
	}
	if got := opened.Load(); got != 2 {
		t.Errorf("got %d connections, want 2: one to negotiate and one channel for all", got)
	}
}

// connector opens a stream to a controller's Netlogon.
type connector = func(context.Context) (dcerpc.Stream, error)

func counting(connect connector, count *atomic.Int32) connector {
	return func(ctx context.Context) (dcerpc.Stream, error) {
		count.Add(1)
		return connect(ctx)
	}
}

// TestNetlogonMachine: what is wrong with the machine account is told as such.
func TestNetlogonMachine(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*netlogon.Config)
		want   error
		status ntstatus.Status
	}{
		"wrong password": {func(c *netlogon.Config) { c.Secret = func() ([]byte, error) { return []byte("wrong"), nil } }, nil, ntstatus.AccessDenied},
		"unknown":        {func(c *netlogon.Config) { c.Account = "NOBODY$" }, nil, ntstatus.NoTrustSAMAccount},
		"no password":    {func(c *netlogon.Config) { c.Secret = func() ([]byte, error) { return nil, errors.New("no such file") } }, netlogon.ErrSecret, 0},
		"nobody listens": {func(c *netlogon.Config) { c.Connect = netlogon.TCP("127.0.0.1:1", nil) }, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			config := machine(1)
			c.change(&config)
			v, err := channels(t, config, 1).LogOn(t.Context(), byGoNTLMSSP(t, `EXAMPLE\alice`, "Secr3t-alice").logon)
			var channel *netlogon.ChannelError
			if v != nil || !errors.As(err, &channel) || c.want != nil && !errors.Is(err, c.want) {
				t.Fatalf("got %v, %v, want a ChannelError", v, err)
			}
			var status *netlogon.StatusError
			if errors.As(err, &status) != (c.status != 0) || status != nil && (status.Status != c.status || !strings.Contains(err.Error(), status.Status.Cure())) {
				t.Errorf("got %v, want %v and the cure", err, c.status)
			}
		})
	}
}

// TestNetlogonManyGroups: hundreds and thousands of groups come whole, the latter in
// several fragments.
func TestNetlogonManyGroups(t *testing.T) {
	do(t, "making a heap of groups", func() error { return domain.Heap(1) })
	for _, c := range []struct {
		sam          string
		n, atLeast   int
		first, group string
	}{
		{"many", 2, 301, "bulk-001", "bulk-300"},
		{"heavy", 1, 2062, "heap-0001", "chain-60"},
	} {
		v, err := channels(t, machine(c.n), 1).LogOn(t.Context(), byGoNTLMSSP(t, `EXAMPLE\`+c.sam, "Secr3t-"+c.sam).logon)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(v.Groups()); got < c.atLeast {
			t.Errorf("%s: got %d groups, want %d", c.sam, got, c.atLeast)
		}
		for _, group := range []string{c.first, c.group} {
			sid, err := domain.SID(group)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(v.Groups(), func(s identity.SID) bool { return s.String() == sid }) {
				t.Errorf("%s is not in %s", c.sam, group)
			}
		}
	}
}

// TestNetlogonRotation: a machine password that is changed while channels are open
// is read anew, and nobody has to restart anything.
func TestNetlogonRotation(t *testing.T) {
	if err := domain.SambaTool(1, "computer", "create", "TURN01"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = domain.SambaTool(1, "computer", "delete", "TURN01") })
	setPassword(t, "TURN01$", "Secr3t-turn-1")
	var mu sync.Mutex
	secret, reads := "Secr3t-turn-1", 0
	config := machine(1)
	config.Account = "TURN01$"
	config.Secret = func() ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		reads++
		return []byte(secret), nil
	}
	var live []net.Conn
	config.Connect = netlogon.TCP(domain.Addr(1), func(ctx context.Context, network, address string) (net.Conn, error) {
		nc, err := new(net.Dialer).DialContext(ctx, network, address)
		live = append(live, nc)
		return nc, err
	})
	c := channels(t, config, 1)
	logOn := func() error {
		_, err := c.LogOn(t.Context(), to(t, "TURN01", `EXAMPLE\alice`, "Secr3t-alice").logon)
		return err
	}
	cut := func() {
		for _, nc := range live {
			_ = nc.Close()
		}
		live = nil
	}
	if err := logOn(); err != nil {
		t.Fatal(err)
	}
	cut()
	if err := logOn(); err != nil {
		t.Errorf("after the connection was cut: %v", err)
	}
	setPassword(t, "TURN01$", "Secr3t-turn-2")
	cut()
	if err := logOn(); err == nil || !strings.Contains(err.Error(), "STATUS_ACCESS_DENIED") {
		t.Errorf("with the former password got %v, want STATUS_ACCESS_DENIED", err)
	}
	mu.Lock()
	secret, reads = "Secr3t-turn-2", 0
	mu.Unlock()
	if err := logOn(); err != nil || reads != 1 {
		t.Errorf("with the new password got %v after %d reads, want 1", err, reads)
	}
}

// TestNetlogonRestart: a controller that was restarted costs no log-in but those
// while it was down.
func TestNetlogonRestart(t *testing.T) {
	c := channels(t, machine(2), 2)
	for range 3 {
		if _, err := c.LogOn(t.Context(), byGoNTLMSSP(t, `EXAMPLE\bob`, "Secr3t-bob").logon); err != nil {
			t.Fatal(err)
		}
	}
	do(t, "stopping dc2", func() error { return domain.Stop(2) })
	if _, err := c.LogOn(t.Context(), byGoNTLMSSP(t, `EXAMPLE\bob`, "Secr3t-bob").logon); err == nil {
		t.Error("got a log-in from a controller that is down")
	}
	do(t, "starting dc2", func() error { return domain.Start(2) })
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		_, err := c.LogOn(t.Context(), byGoNTLMSSP(t, `EXAMPLE\bob`, "Secr3t-bob").logon)
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("after the restart: %v", err)
		}
	}
}

// TestNetlogonFrozen: a controller that hangs costs what the caller allows, and
// serves again when it goes on.
func TestNetlogonFrozen(t *testing.T) {
	c := channels(t, machine(2), 1)
	logOn := func(allowed time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), allowed)
		defer cancel()
		_, err := c.LogOn(ctx, byGoNTLMSSP(t, `EXAMPLE\bob`, "Secr3t-bob").logon)
		return err
	}
	if err := logOn(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	do(t, "freezing dc2", func() error { return domain.Freeze(2) })
	for range 2 { // on the open channel, and on a new one
		began := time.Now()
		if err := logOn(300 * time.Millisecond); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 2*time.Second {
			t.Errorf("frozen: got %v after %v, want %v", err, time.Since(began), context.DeadlineExceeded)
		}
	}
	do(t, "thawing dc2", func() error { return domain.Thaw(2) })
	if err := logOn(10 * time.Second); err != nil {
		t.Errorf("thawed: %v", err)
	}
}

// TestNetlogonFaults: whatever a network does to the answers of a real controller,
// on the open channel and while one is opened, nobody gets in by it, and afterwards
// all is well.
func TestNetlogonFaults(t *testing.T) {
	config := machine(1)
	proxies := make(map[string]*faultproxy.Proxy)
	var mu sync.Mutex
	how := faultproxy.None
	set := func(fault faultproxy.Fault) {
		mu.Lock()
		defer mu.Unlock()
		how = fault
		for _, proxy := range proxies {
			proxy.Set(fault)
		}
	}
	config.Connect = netlogon.TCP(domain.Addr(1), func(ctx context.Context, network, address string) (net.Conn, error) {
		mu.Lock()
		proxy := proxies[address]
		if proxy == nil {
			proxy = faultproxy.New(t, address)
			proxy.Set(how)
			proxies[address] = proxy
		}
		mu.Unlock()
		return new(net.Dialer).DialContext(ctx, network, proxy.Addr())
	})
	c := channels(t, config, 1)
	for _, fault := range faultproxy.Faults() {
		t.Run(string(fault), func(t *testing.T) {
			for _, bad := range []bool{false, true, true, false} {
				allowed := 10 * time.Second
				if set(faultproxy.None); bad {
					set(fault)
					allowed = 500 * time.Millisecond
				}
				ctx, cancel := context.WithTimeout(t.Context(), allowed)
				v, err := c.LogOn(ctx, byGoNTLMSSP(t, `EXAMPLE\alice`, "Secr3t-alice").logon)
				cancel()
				if (err != nil) != bad || (v == nil) != bad {
					t.Errorf("broken %v: got %v, %v", bad, v, err)
				}
				var status *netlogon.StatusError
				if errors.As(err, &status) {
					t.Errorf("got the verdict %v, and none came", err)
				}
			}
		})
	}
}

// TestNetlogonCrowd: many at once, over as many channels as there may be, each with
// their own answer.
func TestNetlogonCrowd(t *testing.T) {
	var opened atomic.Int32
	config := machine(1)
	config.Connect = counting(config.Connect, &opened)
	c := channels(t, config, 3)
	var group sync.WaitGroup
	for i := range 60 {
		sam := []string{"alice", "bob", "carol", "dave"}[i%4]
		password := "Secr3t-" + sam
		if i%5 == 0 {
			password = "wrong"
		}
		h := byGoNTLMSSP(t, `EXAMPLE\`+sam, password)
		group.Go(func() {
			v, err := c.LogOn(t.Context(), h.logon)
			switch {
			case i%5 == 0 && err == nil:
				t.Errorf("%s with a wrong password is %v", sam, v)
			case i%5 != 0 && (err != nil || v.EffectiveName != sam):
				t.Errorf("%s got %v, %v", sam, v, err)
			}
		})
	}
	group.Wait()
	if got := opened.Load(); got > 6 {
		t.Errorf("got %d connections, want two each for three channels", got)
	}
}

// BenchmarkNetlogon is log-ins a second by one channel and by two.
func BenchmarkNetlogon(b *testing.B) {
	for _, n := range []int{1, 2, 4} {
		b.Run(fmt.Sprintf("%d channels", n), func(b *testing.B) {
			c := channels(b, machine(1), n)
			h := byGoNTLMSSP(b, `EXAMPLE\alice`, "Secr3t-alice")
			b.SetParallelism(8)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := c.LogOn(context.Background(), h.logon); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "log-ins/s")
		})
	}
}
