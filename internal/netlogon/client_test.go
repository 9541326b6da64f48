package netlogon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/dcerpc"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
)

func newClient(t *testing.T, dc *controller, channels, calls int) *Client {
	t.Helper()
	c, err := NewClient(dc.config(t), channels, calls)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestClientReopens: a channel that breaks is replaced once a log-in, and one that
// does not break serves the next. want are the outcomes of log-ins one after
// another, opened and asked how often the controller saw anything of them.
func TestClientReopens(t *testing.T) {
	first := func(then func(answer []byte) []byte) func(int, []byte) []byte {
		done := false
		return func(n int, answer []byte) []byte {
			if n == 0 || done {
				return answer
			}
			done = true
			return then(answer)
		}
	}
	answers := func(list ...[]byte) func(int, uint16) []byte {
		return func(n int, _ uint16) []byte { return list[min(n, len(list)-1)] }
	}
	fault := func(status uint32, times int) func(uint16, int) uint32 {
		return func(opnum uint16, n int) uint32 {
			if opnum == samLogonEx.opnum && n < times {
				return status
			}
			return 0
		}
	}
	denied, wrong := no(6, ntstatus.AccessDenied), no(6, ntstatus.WrongPassword)
	fine := func(err error) bool { return err == nil }
	for name, c := range map[string]struct {
		dc            script
		want          []func(error) bool
		sealed, asked int
	}{
		"all is well":          {script{}, []func(error) bool{fine, fine, fine}, 1, 3},
		"a wrong password":     {script{decide: answers(wrong, wrong, yes())}, []func(error) bool{status(ntstatus.WrongPassword), status(ntstatus.WrongPassword), fine}, 1, 3},
		"a guest":              {script{decide: answers(with(yes(), atUserFlags, 1), yes())}, []func(error) bool{is(ErrGuest), fine}, 1, 2},
		"denied once":          {script{decide: answers(denied, yes())}, []func(error) bool{fine, fine}, 2, 3},
		"denied for ever":      {script{decide: answers(denied)}, []func(error) bool{status(ntstatus.AccessDenied), status(ntstatus.AccessDenied)}, 4, 4},
		"connection lost":      {script{mangle: first(func([]byte) []byte { return nil })}, []func(error) bool{fine, fine}, 2, 3},
		"a wrong signature":    {script{mangle: first(func(a []byte) []byte { a[60] ^= 1; return a })}, []func(error) bool{fine, fine}, 2, 3},
		"a fault once":         {script{fault: fault(dcerpc.FaultSecurity, 1)}, []func(error) bool{fine, fine}, 2, 3},
		"a fault for ever":     {script{fault: fault(dcerpc.FaultSecurity, 99)}, []func(error) bool{faulty(dcerpc.FaultSecurity), faulty(dcerpc.FaultSecurity)}, 4, 4},
		"no such call":         {script{fault: fault(dcerpc.FaultOperation, 99)}, []func(error) bool{faulty(dcerpc.FaultOperation)}, 1, 1},
		"an answer of rubbish": {script{decide: answers(yes()[:99], yes())}, []func(error) bool{is(ErrMalformed), fine}, 2, 2},
	} {
		t.Run(name, func(t *testing.T) {
			dc := &controller{script: c.dc}
			client := newClient(t, dc, 1, 0)
			for i, want := range c.want {
				if v, err := client.LogOn(t.Context(), someone()); !want(err) || (v == nil) != (err != nil) {
					t.Errorf("log-in %d: got %v, %v", i+1, v, err)
				}
			}
			if got, want := dc.seen(), (seen{2 * c.sealed, c.sealed, c.asked}); got != want {
				t.Errorf("the controller has seen %+v, want %+v", got, want)
			}
		})
	}
}

// TestClientTellsTheChannelsFault: a channel that cannot be opened is no verdict on
// the user.
func TestClientTellsTheChannelsFault(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		want   func(error) bool
	}{
		"wrong password": {func(c *Config) { c.Secret = func() ([]byte, error) { return []byte("wrong"), nil } }, status(ntstatus.AccessDenied)},
		"no password":    {func(c *Config) { c.Secret = func() ([]byte, error) { return nil, errors.New("no such file") } }, is(ErrSecret)},
		"empty password": {func(c *Config) { c.Secret = func() ([]byte, error) { return nil, nil } }, is(ErrSecret)},
		"no controller": {func(c *Config) {
			c.Connect = func(context.Context) (dcerpc.Stream, error) { return nil, net.ErrClosed }
		}, is(net.ErrClosed)},
	} {
		config := new(controller).config(t)
		c.change(&config)
		client, err := NewClient(config, 1, 1)
		if err != nil {
			t.Fatal(err)
		}
		v, err := client.LogOn(t.Context(), someone())
		var channel *ChannelError
		if v != nil || !errors.As(err, &channel) || !c.want(err) || !strings.Contains(err.Error(), "dc1.example.test") {
			t.Errorf("%s: got %v, %v", name, v, err)
		}
		_ = client.Close()
	}
}

// TestRotation: the password is read for each channel, and once more where the
// controller refuses what was read.
func TestRotation(t *testing.T) {
	dc := new(controller)
	config := dc.config(t)
	var read []string
	secrets := []string{"former", password}
	config.Secret = func() ([]byte, error) {
		secret := secrets[min(len(read), len(secrets)-1)]
		read = append(read, secret)
		return []byte(secret), nil
	}
	c, err := NewClient(config, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.LogOn(t.Context(), someone()); err != nil || len(read) != 2 {
		t.Errorf("got %v after reading %v, want the second to serve", err, read)
	}
	// The same one twice is not tried twice.
	read, secrets = nil, []string{"former"}
	dc.mu.Lock()
	dc.decide = func(int, uint16) []byte { return no(6, ntstatus.AccessDenied) }
	before := dc.opened
	dc.mu.Unlock()
	if _, err := c.LogOn(t.Context(), someone()); !status(ntstatus.AccessDenied)(err) || len(read) != 2 || dc.seen().opened != before+1 {
		t.Errorf("got %v after reading %v and %d connections, want one", err, read, dc.seen().opened-before)
	}
}

// TestLevels: an older controller's answers are read, their session keys decrypted,
// and the better form is not asked for again. A fault, which anybody on the way can
// make, takes no form away.
func TestLevels(t *testing.T) {
	for level := range map[uint16]bool{2: true, 3: true} {
		dc := new(controller)
		var asked []uint16
		dc.decide = func(_ int, want uint16) []byte {
			asked = append(asked, want)
			if want > level {
				return no(want, ntstatus.InvalidInfoClass)
			}
			answer := append([]byte(nil), recorded()["NetrLogonSamLogonEx "+string('0'+rune(level))].answer...)
			newStream(dc.key, nil).encrypt(answer[atSessionKey : atSessionKey+16])
			return answer
		}
		c := newClient(t, dc, 1, 1)
		for range 2 {
			v, err := c.LogOn(t.Context(), someone())
			if err != nil || v.Level != int(level) || v.UserSessionKey != ntlm.Key(unhex("000102030405060708090a0b0c0d0e0f")) {
				t.Fatalf("level %d: got %v, %v", level, v, err)
			}
		}
		if want := map[uint16]string{3: "[6 3 3]", 2: "[6 3 2 2]"}[level]; fmt.Sprint(asked) != want {
			t.Errorf("level %d: asked for %v, want %s", level, asked, want)
		}
	}
	dc := &controller{script: script{fault: onCall(samLogonEx, dcerpc.FaultInvalidTag)}}
	if _, err := newClient(t, dc, 1, 1).LogOn(t.Context(), someone()); !faulty(dcerpc.FaultInvalidTag)(err) || dc.seen().asked != 2 {
		t.Errorf("got %v after %d questions, want the fault after two of the same level", err, dc.seen().asked)
	}
}

// TestCrowd: many at once share the channels, which are opened one after another.
func TestCrowd(t *testing.T) {
	dc := new(controller)
	c := newClient(t, dc, 3, 0)
	var group sync.WaitGroup
	for range 60 {
		group.Go(func() {
			if v, err := c.LogOn(t.Context(), someone()); err != nil || v.EffectiveName != "müller" {
				t.Errorf("got %v, %v", v, err)
			}
		})
	}
	group.Wait()
	dc.mu.Lock()
	overlap := dc.overlap
	dc.mu.Unlock()
	if got := dc.seen(); overlap || got.sealed > 3 || got.asked != 60 {
		t.Errorf("got %+v, two handshakes at once: %v; want at most 3 channels, none at once, 60 questions", got, overlap)
	}
}

// TestBounds: nobody waits longer than allowed, nor in a longer queue.
func TestBounds(t *testing.T) {
	dc := &controller{script: script{stall: func(int) bool { return true }}}
	c := newClient(t, dc, 1, 2)
	ctx, cancel := context.WithCancel(t.Context())
	errs := make(chan error)
	for range 2 {
		go func() {
			_, err := c.LogOn(ctx, someone())
			errs <- err
		}()
	}
	for len(c.calls) < 2 {
		time.Sleep(time.Millisecond)
	}
	if _, err := c.LogOn(t.Context(), someone()); !errors.Is(err, ErrBusy) {
		t.Errorf("the third: got %v, want %v", err, ErrBusy)
	}
	cancel()
	for range 2 {
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
	}
}

// TestCrowdBeforeADeadController: an opening that fails is the answer to all who
// waited for it, and the next log-in tries anew.
func TestCrowdBeforeADeadController(t *testing.T) {
	config := new(controller).config(t)
	answer := config.Connect
	tried, release := 0, make(chan struct{})
	config.Connect = func(ctx context.Context) (dcerpc.Stream, error) { // one after another
		if tried++; tried > 1 {
			return answer(ctx)
		}
		<-release
		return nil, net.ErrClosed
	}
	c, err := NewClient(config, 5, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	errs := make(chan error)
	for range 5 {
		go func() {
			_, err := c.LogOn(t.Context(), someone())
			errs <- err
		}()
	}
	for len(c.permits) < 5 {
		time.Sleep(time.Millisecond)
	}
	if got := c.Running(); got != 5 {
		t.Errorf("got %d log-ins that run, want 5", got)
	}
	close(release)
	for range 5 {
		if err := <-errs; !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v, want %v", err, net.ErrClosed)
		}
	}
	if tried != 1 {
		t.Errorf("tried %d times, want 1", tried)
	}
	if _, err := c.LogOn(t.Context(), someone()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestOpened: each try to open a channel is told once, with what became of it, and no
// log-in over an open one is.
func TestOpened(t *testing.T) {
	config := new(controller).config(t)
	secret := "wrong"
	config.Secret = func() ([]byte, error) { return []byte(secret), nil }
	var told []bool
	config.Opened = func(ctx context.Context, err error) { told = append(told, ctx.Err() == nil && err == nil) }
	c, err := NewClient(config, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, then := range []string{password, password, password} {
		_, _ = c.LogOn(t.Context(), someone())
		secret = then
	}
	if got, want := fmt.Sprint(told), "[false true]"; got != want || c.Running() != 0 {
		t.Errorf("got %s, and %d log-ins that run, want %s", got, c.Running(), want)
	}
}

// TestClose ends what is under way, waits for it, and lets nothing begin.
func TestClose(t *testing.T) {
	dc := &controller{script: script{stall: func(n int) bool { return n > 0 }}}
	c := newClient(t, dc, 2, 0)
	if _, err := c.LogOn(t.Context(), someone()); err != nil {
		t.Fatal(err)
	}
	errs := make(chan error, 1)
	go func() {
		_, err := c.LogOn(context.Background(), someone())
		errs <- err
	}()
	for dc.seen().asked < 2 {
		time.Sleep(time.Millisecond)
	}
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if running := len(c.calls) + len(c.permits); running != 0 {
		t.Errorf("Close does not wait for what it ends")
	}
	select {
	case err := <-errs:
		if !errors.Is(err, ErrClosed) {
			t.Errorf("got %v, want %v", err, ErrClosed)
		}
	case <-time.After(5 * time.Second):
		t.Error("Close did not end the log-in")
	}
	if _, err := c.begin(); !errors.Is(err, ErrClosed) {
		t.Errorf("afterwards got %v, want %v", err, ErrClosed)
	}
}

// TestCloseMeanwhile: a channel that comes back after Close is closed too.
func TestCloseMeanwhile(t *testing.T) {
	c := newClient(t, new(controller), 1, 1)
	ch, err := c.channel(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c.giveBack(ch, nil)
	if _, err := ch.LogOn(t.Context(), someone()); err == nil || len(c.idle) != 0 {
		t.Errorf("got %v and %d idle channels, want a closed one and none", err, len(c.idle))
	}
}

// TestManyGroups: as many as may be come whole, in several fragments.
func TestManyGroups(t *testing.T) {
	dc := &controller{script: script{decide: func(int, uint16) []byte { return crowd(maxGroups) }}}
	v, err := newClient(t, dc, 1, 1).LogOn(t.Context(), someone())
	if err != nil || len(v.GroupIDs) != maxGroups || len(v.Groups()) != maxGroups+3 {
		t.Errorf("got %v, %v, want %d groups", v, err, maxGroups)
	}
}

// TestStrangers: a group of another domain comes whole as well.
func TestStrangers(t *testing.T) {
	dc := &controller{script: script{decide: func(int, uint16) []byte { return strangers(500) }}}
	v, err := newClient(t, dc, 1, 1).LogOn(t.Context(), someone())
	if err != nil || len(v.ExtraSIDs) != 500 || v.ExtraSIDs[499].SID.String() != "S-1-5-21-1111111111-2222222222-3333333333-1130" {
		t.Errorf("got %v, %v, want 500 groups of one SID", v, err)
	}
}

// TestHeadersNotSigned: a controller that signs no headers serves all the same.
func TestHeadersNotSigned(t *testing.T) {
	dc := &controller{script: script{bare: true}}
	c := newClient(t, dc, 1, 1)
	for range 2 {
		if v, err := c.LogOn(t.Context(), someone()); err != nil || v.EffectiveName != "müller" {
			t.Errorf("got %v, %v", v, err)
		}
	}
}

// TestSecretsAreHidden: no verb prints a key.
func TestSecretsAreHidden(t *testing.T) {
	dc := new(controller)
	c := newClient(t, dc, 1, 1)
	v, err := c.LogOn(t.Context(), someone())
	if err != nil {
		t.Fatal(err)
	}
	dc.mu.Lock()
	key, ch := dc.key, c.idle[0]
	dc.mu.Unlock()
	secrets := []string{ // the channel's key, the user's, the password and the response, as verbs print them
		fmt.Sprintf("%x", key[:4]), strings.Trim(fmt.Sprint(key[:4]), "[]"),
		"00010203", "0 1 2 3 4 5", "0x0, 0x1, 0x2", password, "6e6e6e6e", "110 110 110",
	}
	s := session{key: key}
	for _, what := range []any{c, ch, *v, v, someone(), *someone(), s, &s, newSealer(key, nil), &provider{sealer: newSealer(key, nil)}, v.UserSessionKey} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
			got := fmt.Sprintf(verb, what)
			for _, secret := range secrets {
				if strings.Contains(got, secret) {
					t.Errorf("%T with %s prints %s", what, verb, got)
				}
			}
		}
	}
}

// TestStatuses: each that a caller may tell apart has its name and number, and an
// unknown one its number.
func TestStatuses(t *testing.T) {
	for number, name := range map[ntstatus.Status]string{
		0xC000006D: "STATUS_LOGON_FAILURE", 0xC0000064: "STATUS_NO_SUCH_USER", 0xC000006A: "STATUS_WRONG_PASSWORD",
		0xC0000234: "STATUS_ACCOUNT_LOCKED_OUT", 0xC0000072: "STATUS_ACCOUNT_DISABLED", 0xC0000193: "STATUS_ACCOUNT_EXPIRED",
		0xC0000071: "STATUS_PASSWORD_EXPIRED", 0xC0000224: "STATUS_PASSWORD_MUST_CHANGE", 0xC000006F: "STATUS_INVALID_LOGON_HOURS",
		0xC0000070: "STATUS_INVALID_WORKSTATION", 0xC000006E: "STATUS_ACCOUNT_RESTRICTION", 0xC0000418: "STATUS_NTLM_BLOCKED",
		0xC0000022: "STATUS_ACCESS_DENIED", 0xC000018B: "STATUS_NO_TRUST_SAM_ACCOUNT", 0xC0000133: "STATUS_TIME_DIFFERENCE_AT_DC",
		0xC0000388: "STATUS_DOWNGRADE_DETECTED", 0xC000005E: "STATUS_NO_LOGON_SERVERS", 0xC0000192: "STATUS_NETLOGON_NOT_STARTED",
		0xC0001234: "NTSTATUS",
	} {
		dc := &controller{script: script{decide: func(int, uint16) []byte { return no(6, number) }}}
		_, err := newClient(t, dc, 1, 1).LogOn(t.Context(), someone())
		if want := fmt.Sprintf("0x%08X", uint32(number)); !status(number)(err) || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s and %s", err, name, want)
		}
	}
}
