package caddyldap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-ntlm/caddy-ntlm/internal/dcerpc"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/netlogon"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
)

// bench is what a test's controllers do: alice has her password, and each may fail
// by itself. Real controllers are asked in integration.
type bench struct {
	mu     sync.Mutex
	fails  map[string]error // by host
	hangs  map[string]bool
	asked  []string // hosts, one a log-in
	itself []string // the same, of the machine account
	names  []string // of the same log-ins
	change func(*netlogon.Validation)
	self   func(*netlogon.Validation) // of the machine's own log-in
}

type seat struct {
	*bench
	host string
}

func (s seat) Close() error { return nil }

func (s seat) Running() int { return 0 }

// LogOn answers as a controller does, by the NT hash of the password.
func (s seat) LogOn(ctx context.Context, l *netlogon.Logon) (*netlogon.Validation, error) {
	s.mu.Lock()
	err, hangs, change := s.fails[s.host], s.hangs[s.host], s.change
	machine := strings.HasSuffix(l.User, "$")
	if machine {
		s.itself = append(s.itself, s.host)
	} else {
		s.asked = append(s.asked, s.host)
		s.names = append(s.names, l.Domain+`\`+l.User)
	}
	s.mu.Unlock()
	switch {
	case hangs:
		<-ctx.Done()
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, err
	}
	user, password := "alice", "Secr3t-alice"
	if machine {
		user, password, change = l.User, "Secr3t-"+strings.ToLower(strings.TrimSuffix(l.User, "$")), s.self
	}
	hash := ntlm.NTOWFv2(l.User, l.Domain, ntlm.NTOWFv1(password))
	proof := ntlm.NTProofStr(hash, l.Challenge, l.NTResponse[16:])
	if string(proof[:]) != string(l.NTResponse[:16]) {
		return nil, verdict(ntstatus.WrongPassword)
	}
	domain, _ := identity.ParseSID("S-1-5-21-1-2-3")
	v := &netlogon.Validation{
		Level:         6,
		EffectiveName: user, LogonDomainName: "EXAMPLE", DNSLogonDomainName: "example.test", FullName: "Alice Adams",
		LogonDomainID: domain, UserID: 1104, PrimaryGroupID: 513, UserSessionKey: ntlm.SessionBaseKey(hash, proof),
	}
	if change != nil {
		change(v)
	}
	return v, nil
}

// took is whom was asked since the last time.
func (b *bench) took() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	hosts := strings.Join(b.asked, " ")
	b.asked = nil
	return hosts
}

// tookItself is whom was asked about the machine account since the last time.
func (b *bench) tookItself() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	hosts := strings.Join(b.itself, " ")
	b.itself = nil
	return hosts
}

func (b *bench) set(host string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fails[host] = err
}

func verdict(s ntstatus.Status) error { return &netlogon.StatusError{Call: "a test", Status: s} }

// channelless is a controller to which no channel could be opened.
func channelless(err error) error { return &netlogon.ChannelError{Server: "a test", Err: err} }

// memberServer is a directory of two controllers whose verifier is netlogon, and its clock.
func memberServer(t *testing.T, b *bench) (d *Directory, forward func(time.Duration)) {
	t.Helper()
	d, _, forward = loggedMemberServer(t, b)
	return d, forward
}

// loggedMemberServer is that and its log.
func loggedMemberServer(t *testing.T, b *bench) (d *Directory, logs *observer.ObservedLogs, forward func(time.Duration)) {
	t.Helper()
	b.fails, b.hangs = make(map[string]error), make(map[string]bool)
	raw, err := json.Marshal(map[string]string{"verifier": "netlogon", "account": "WEB01$", "secret": "Secr3t-web01"})
	if err != nil {
		t.Fatal(err)
	}
	d, logs = open(t, &Directory{
		Server:    []Server{{URL: "ldaps://dc1.example.test"}, {URL: "ldaps://dc2.example.test"}},
		DNSDomain: "example.test", VerifyRaw: []json.RawMessage{raw},
	}, "EXAMPLE")
	m := d.verifiers[0].(*Netlogon).machine
	m.judges = func(c netlogon.Config) (judge, error) { return seat{b, strings.SplitN(c.Server, ".", 2)[0]}, nil }
	var mu sync.Mutex
	now := time.Now()
	d.now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	return d, logs, func(by time.Duration) { mu.Lock(); defer mu.Unlock(); now = now.Add(by) }
}

func alice() *ntlm.Client {
	return &ntlm.Client{User: "alice", Domain: "EXAMPLE", Workstation: "DESK", Password: "Secr3t-alice", Flags: ntlm.NegotiateSign}
}

// TestNetlogonLogsIn: by both ways, and the identity is the controller's.
func TestNetlogonLogsIn(t *testing.T) {
	d, _ := memberServer(t, new(bench))
	for name, in := range map[string]func() (*identity.Identity, error){
		"NTLM":   func() (*identity.Identity, error) { return logInNTLM(t, d, alice()) },
		"Basic":  func() (*identity.Identity, error) { return logIn(t, d, "alice", "Secr3t-alice") },
		"domain": func() (*identity.Identity, error) { return logIn(t, d, `example.test\alice`, "Secr3t-alice") },
	} {
		id, err := in()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if id.SAM != "alice" || id.SID.String() != "S-1-5-21-1-2-3-1104" || id.DisplayName != "Alice Adams" || id.UPN != "alice@example.test" || id.Verifier != "netlogon" {
			t.Errorf("%s: got %+v", name, id)
		}
	}
	if _, err := logIn(t, d, "alice", "wrong"); identity.KindOf(err) != identity.KindBadCredentials {
		t.Errorf("a wrong password: got %v, want %v", err, identity.KindBadCredentials)
	}
	if _, err := logIn(t, d, "alice", " "); identity.KindOf(err) != identity.KindEmptyPassword {
		t.Errorf("a blank one: got %v, want %v", err, identity.KindEmptyPassword)
	}
}

// TestNetlogonSwapped: an error about words the wrong way round does not show the secret.
func TestNetlogonSwapped(t *testing.T) {
	n := &Netlogon{Account: `hush@\hush`, Secret: "WEB01$"}
	if err := n.CheckStatic(); err == nil || strings.Contains(err.Error(), "hush") || !strings.Contains(err.Error(), "stands first") {
		t.Errorf("got %v, want it to say what stands first", err)
	}
}

// TestNetlogonChallenge: threats B-02, B-17. Each is another, good for one answer,
// and tells configured names alone; nobody is asked for it.
func TestNetlogonChallenge(t *testing.T) {
	b := new(bench)
	d, _ := memberServer(t, b)
	seen := make(map[[8]byte]bool)
	for range 100 {
		x, err := d.NTLMVerifier().StartNTLM(t.Context(), alice().Negotiate(), nil)
		if err != nil {
			t.Fatal(err)
		}
		c, err := ntlm.ParseChallenge(x.Challenge())
		if err != nil {
			t.Fatal(err)
		}
		if _, stamped := c.TargetInfo.Timestamp(); seen[c.ServerChallenge] || !stamped ||
			c.TargetInfo.NbComputerName() != "WEB01" || c.TargetInfo.NbDomainName() != "EXAMPLE" || c.TargetInfo.DNSComputerName() != "web01.example.test" || len(c.TargetInfo) != 5 {
			t.Fatalf("got % x again, or %v", c.ServerChallenge, c.TargetInfo)
		}
		seen[c.ServerChallenge] = true
		_ = x.Close()
		if _, err := x.Finish(t.Context(), nil); identity.KindOf(err) != identity.KindState {
			t.Fatalf("after Close: got %v, want %v", err, identity.KindState)
		}
	}
	for size, want := range map[int]identity.Kind{maxNegotiate: 0, maxNegotiate + 1: identity.KindOversize} {
		first := alice().Negotiate()
		x, err := d.NTLMVerifier().StartNTLM(t.Context(), append(first, make([]byte, size-len(first))...), nil)
		if identity.KindOf(err) != want {
			t.Errorf("a Type 1 of %d bytes: got %v, want %v", size, err, want)
		}
		if err == nil {
			_ = x.Close()
		}
	}
	x, third := answered(t, d, alice())
	if got := b.took(); got != "" {
		t.Errorf("%s was asked before there was an answer", got)
	}
	if _, err := x.Finish(t.Context(), third); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Finish(t.Context(), third); identity.KindOf(err) != identity.KindState {
		t.Errorf("a second time: got %v, want %v", err, identity.KindState)
	}
	other, _ := answered(t, d, alice())
	if _, err := other.Finish(t.Context(), third); identity.KindOf(err) != identity.KindBadCredentials {
		t.Errorf("to another challenge: got %v, want %v", err, identity.KindBadCredentials)
	}
}

// TestNetlogonMIC: threats B-16. What was changed on the way opens nothing, whatever
// the controller says; what cannot be right it is not asked about.
func TestNetlogonMIC(t *testing.T) {
	b := new(bench)
	d, _ := memberServer(t, b)
	for name, c := range map[string]struct {
		change func([]byte)
		asked  string
	}{
		"another code": {func(m []byte) { m[72] ^= 1 }, "dc1"},
		"of zeros":     {func(m []byte) { clear(m[72:88]) }, "dc1"},
		"its key":      {func(m []byte) { m[len(m)-1] ^= 1 }, "dc1"},
	} {
		x, third := answered(t, d, alice())
		c.change(third)
		b.took()
		if p, err := x.Finish(t.Context(), third); p != nil || identity.KindOf(err) != identity.KindBadToken || !errors.Is(err, ntlm.ErrMIC) || b.took() != c.asked {
			t.Errorf("%s: got %v, %v, want %v", name, p, err, ntlm.ErrMIC)
		}
	}
	b.change = func(v *netlogon.Validation) { v.UserSessionKey[0] ^= 1 }
	if _, err := logIn(t, d, "alice", "Secr3t-alice"); !errors.Is(err, ntlm.ErrMIC) {
		t.Errorf("another key by the controller: got %v, want %v", err, ntlm.ErrMIC)
	}
}

// TestNetlogonSigns: threats B-14. What is signed with the session key of the log-in is
// the client's own; who asked for no signing signs nothing.
func TestNetlogonSigns(t *testing.T) {
	d, _ := memberServer(t, new(bench))
	for name, flags := range map[string]ntlm.Flags{"signing": ntlm.NegotiateSign, "sealing": ntlm.NegotiateSeal, "neither": 0} {
		client := alice()
		client.Flags = flags
		x, third := answered(t, d, client)
		signs := x.(identity.SigningExchange)
		if signs.Signs() {
			t.Errorf("%s: signs before the log-in", name)
		}
		if _, err := x.Finish(t.Context(), third); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := signs.Signs(); got != (flags != 0) {
			t.Errorf("%s: got %v that it signs", name, got)
		}
		if flags == 0 {
			continue
		}
		m, err := ntlm.ParseAuthenticate(third)
		if err != nil {
			t.Fatal(err)
		}
		to, err := ntlm.NewChannel(m.Flags, client.SessionKey(), ntlm.ClientToServer)
		if err != nil {
			t.Fatal(err)
		}
		mic := to.Sign([]byte("a list"))
		if err := signs.VerifyMIC([]byte("a list"), mic[:]); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := signs.VerifyMIC([]byte("b list"), mic[:]); err == nil {
			t.Errorf("%s: takes another's signature", name)
		}
		back, err := signs.GetMIC([]byte("a list"))
		if err != nil {
			t.Fatal(err)
		}
		from, err := ntlm.NewChannel(m.Flags, client.SessionKey(), ntlm.ServerToClient)
		if err != nil {
			t.Fatal(err)
		}
		if err := from.Verify([]byte("a list"), back); err != nil {
			t.Errorf("%s: the client refuses ours: %v", name, err)
		}
	}
}

// TestNetlogonHoldsToTheChannel: threats B-13.
func TestNetlogonHoldsToTheChannel(t *testing.T) {
	b := new(bench)
	d, _ := memberServer(t, b)
	client, own := alice(), [16]byte{1}
	for name, c := range map[string]struct {
		bound *[16]byte
		want  identity.Kind
	}{"its own": {&own, 0}, "another": {&[16]byte{2}, identity.KindProtection}, "none": {nil, identity.KindProtection}} {
		client.ChannelBinding = c.bound
		x, err := d.NTLMVerifier().StartNTLM(t.Context(), client.Negotiate(), &identity.Channel{Bindings: [][16]byte{own}, Required: true})
		if err != nil {
			t.Fatal(err)
		}
		third, err := client.Authenticate(x.Challenge())
		if err != nil {
			t.Fatal(err)
		}
		b.took()
		p, err := x.Finish(t.Context(), third)
		if (err == nil) != (c.want == 0) || err != nil && (identity.KindOf(err) != c.want || b.took() != "") {
			t.Errorf("%s: got %v, want %v, and nobody asked", name, err, c.want)
		}
		if err == nil && (p.Meant().Binding == nil || *p.Meant().Binding != own) {
			t.Errorf("%s: the log-in keeps %v of what its client meant", name, p.Meant())
		}
	}
}

// TestNetlogonWhoseDomain: a user of a trusted domain, whom the controller lets in,
// is not the one of this domain with the same name.
func TestNetlogonWhoseDomain(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*netlogon.Validation)
		typed  string
		want   identity.Kind
	}{
		"another NetBIOS name": {func(v *netlogon.Validation) { v.LogonDomainName = "OTHER" }, "alice", identity.KindRealm},
		"another DNS name":     {func(v *netlogon.Validation) { v.DNSLogonDomainName = "other.test" }, "alice", identity.KindRealm},
		"of the older form":    {func(v *netlogon.Validation) { v.DNSLogonDomainName = "" }, "alice", 0},
		"claims another":       {nil, `OTHER\alice`, identity.KindMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			d, _ := memberServer(t, &bench{change: c.change})
			if _, err := logIn(t, d, c.typed, "Secr3t-alice"); (err == nil) != (c.want == 0) || err != nil && identity.KindOf(err) != c.want {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

// TestNetlogonFailover: threats E-01, E-02. Who is asked, when one opens no channel,
// both do not, and they come back.
func TestNetlogonFailover(t *testing.T) {
	b := new(bench)
	d, forward := memberServer(t, b)
	refused := channelless(verdict(ntstatus.AccessDenied))
	for _, c := range []struct {
		name  string
		do    func()
		asked string
		want  identity.Kind
	}{
		{"both serve", func() {}, "dc1", 0},
		{"the first refuses", func() { b.set("dc1", refused) }, "dc1 dc2", 0},
		{"it is aside", func() {}, "dc2", 0},
		{"it is due again", func() { forward(firstBackoff) }, "dc1 dc2", 0},
		{"aside for longer", func() { forward(firstBackoff) }, "dc2", 0},
		{"the second too", func() { b.set("dc2", refused) }, "dc2", identity.KindSecureChannel},
		{"nobody is asked so soon", func() {}, "dc1 dc2", identity.KindSecureChannel},
		{"and the last answer is given", func() {}, "", identity.KindSecureChannel},
		{"the second is back", func() { b.set("dc2", nil); forward(sweepPause) }, "dc1 dc2", 0},
		{"a verdict is no failure", func() { b.set("dc2", verdict(ntstatus.AccountDisabled)) }, "dc2", identity.KindDisabled},
		{"nor one of a trusted domain", func() { b.set("dc2", verdict(ntstatus.NoLogonServers)) }, "dc2", identity.KindUnavailable},
		{"which serves all others", func() { b.set("dc2", nil) }, "dc2", 0},
	} {
		c.do()
		_, err := logIn(t, d, "alice", "Secr3t-alice")
		if asked := b.took(); asked != c.asked || (err == nil) != (c.want == 0) || err != nil && identity.KindOf(err) != c.want {
			t.Errorf("%s: asked %q, got %v, want %q, %v", c.name, asked, err, c.asked, c.want)
		}
	}
}

// TestNetlogonKinds: what each failure becomes, and that what the administrator can
// mend has its cure.
func TestNetlogonKinds(t *testing.T) {
	for name, c := range map[string]struct {
		err     error
		want    identity.Kind
		cure    bool
		decided bool
	}{
		"wrong password":       {verdict(ntstatus.WrongPassword), identity.KindBadCredentials, false, true},
		"unknown":              {verdict(ntstatus.NoSuchUser), identity.KindBadCredentials, false, true},
		"locked":               {verdict(ntstatus.AccountLockedOut), identity.KindLocked, false, true},
		"Protected Users":      {verdict(ntstatus.AccountRestriction), identity.KindRestricted, false, true},
		"must change":          {verdict(ntstatus.PasswordMustChange), identity.KindMustChange, false, true},
		"guest":                {netlogon.ErrGuest, identity.KindGuestMapped, true, true},
		"nobody":               {netlogon.ErrNobody, identity.KindMismatch, false, true},
		"LM":                   {netlogon.ErrLMKey, identity.KindNTLMv1, true, true},
		"NTLM is blocked":      {verdict(ntstatus.NTLMBlocked), identity.KindNTLMBlocked, true, true},
		"machine password":     {channelless(verdict(ntstatus.AccessDenied)), identity.KindSecureChannel, true, false},
		"unknown machine":      {channelless(verdict(ntstatus.NoTrustSAMAccount)), identity.KindSecureChannel, true, false},
		"clock":                {channelless(verdict(ntstatus.TimeDifferenceAtDC)), identity.KindClock, true, false},
		"downgrade":            {channelless(verdict(ntstatus.DowngradeDetected)), identity.KindSecureChannel, true, false},
		"an impostor":          {channelless(netlogon.ErrServerCredential), identity.KindSecureChannel, true, false},
		"no AES":               {channelless(netlogon.ErrNoAES), identity.KindSecureChannel, true, false},
		"no secret":            {channelless(netlogon.ErrSecret), identity.KindSecureChannel, true, false},
		"no Netlogon":          {channelless(dcerpc.ErrNoEndpoint), identity.KindUnavailable, true, false},
		"too slow":             {channelless(context.DeadlineExceeded), identity.KindTimeout, true, false},
		"RPC is refused":       {channelless(&dcerpc.Fault{Status: dcerpc.FaultAccessDenied}), identity.KindUnavailable, true, false},
		"no token":             {channelless(netlogon.ErrToken), identity.KindProtocol, true, false},
		"rubbish":              {channelless(netlogon.ErrMalformed), identity.KindProtocol, true, false},
		"changed on the way":   {netlogon.ErrSignature, identity.KindSecureChannel, true, false},
		"repeated":             {netlogon.ErrSequence, identity.KindSecureChannel, true, false},
		"a fault":              {&dcerpc.Fault{Status: dcerpc.FaultBadStubData}, identity.KindUnavailable, true, false},
		"no session key":       {netlogon.ErrNoSessionKey, identity.KindProtocol, false, false},
		"no logon servers":     {verdict(ntstatus.NoLogonServers), identity.KindUnavailable, true, false},
		"more than it takes":   {netlogon.ErrBusy, identity.KindBusy, true, true},
		"a verdict of no name": {verdict(0xC0001234), identity.KindProtocol, false, true},
		"a name of no sort":    {verdict(ntstatus.InvalidParameter), identity.KindBadCredentials, false, true},
		"selective":            {verdict(ntstatus.AuthenticationFirewallFailed), identity.KindRestricted, false, true},
	} {
		got := explainNetlogon("dc1:135", "WEB01$", c.err)
		answers := strings.Contains(c.err.Error(), "RPC fault") || got.Kind == identity.KindProtocol || got.Kind == identity.KindSecureChannel
		if answers && got.Hint == hintNetlogonPorts {
			t.Errorf("%s: got the hint %q of a controller that does not answer", name, got.Hint)
		}
		if got.Kind != c.want || (got.Hint != "") != c.cure || decided(got) != c.decided {
			t.Errorf("%s: got %v, hint %q, decided %v, want %v, %v, %v", name, got, got.Hint, decided(got), c.want, c.cure, c.decided)
		}
	}
}

// TestMachineIsShared: one machine an account and domain, over reloads; its password
// is the one of the newest configuration that runs.
func TestMachineIsShared(t *testing.T) {
	first, next := &secretSource{"a test", "one"}, &secretSource{"a test", "two"}
	a, err := enlist("SHARED$", "EXAMPLE", first)
	if err != nil {
		t.Fatal(err)
	}
	b, err := enlist("shared$", "example", next)
	if err != nil || a != b {
		t.Fatalf("got two machines of one account, %v", err)
	}
	want := func(text string) {
		t.Helper()
		if secret, err := a.secret(); string(secret) != text || (err == nil) != (text != "") {
			t.Errorf("got %q, %v, want %q", secret, err, text)
		}
	}
	want("two")
	for _, c := range []struct {
		leaves *secretSource
		want   string
	}{{next, "one"}, {first, ""}} {
		if err := a.dismiss(c.leaves); err != nil {
			t.Fatal(err)
		}
		want(c.want)
	}
	if a.life.Err() == nil {
		t.Error("the machine goes on after its last configuration")
	}
}

// TestNetlogonSecretIsNotInTheKey: the directory's key helps nobody to guess it.
func TestNetlogonSecretIsNotInTheKey(t *testing.T) {
	var keys []string
	for _, secret := range []string{"one", "two"} {
		d := &Directory{VerifyRaw: []json.RawMessage{json.RawMessage(`{"verifier":"netlogon","account":"WEB01$","secret":"` + secret + `"}`)}}
		if err := d.setKey(); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, d.key)
	}
	if keys[0] != keys[1] {
		t.Errorf("got %q, want one key", keys)
	}
}

// TestControllersOfOtherDaysGo: who discovers servers may have others each day. What nobody
// names any more is not kept, nor its connections.
func TestControllersOfOtherDaysGo(t *testing.T) {
	b := &bench{fails: map[string]error{}, hangs: map[string]bool{}}
	d, forward := memberServer(t, b)
	m := d.netlogon().machine
	named := d.servers.all()
	if _, err := m.controllersOf(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	for day := range 30 {
		u, err := ParseServer(fmt.Sprintf("ldaps://dc-of-day-%d.example.test", day))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.controller(t.Context(), d, &server{url: u}); err != nil {
			t.Fatal(err)
		}
		forward(unnamedFor)
		if _, err := m.controllersOf(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if got, want := len(m.controllers), len(named)+2; got > want {
		t.Errorf("got %d controllers, want %d at most", got, want)
	}
}
