package integration

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// unthrottled is a site for what has wrong passwords on its way to something else.
var unthrottled = throttledBy("throttle off")

// throttledBy is a site that tells whom it sees, with words for its throttle.
func throttledBy(words string) string {
	return strings.Replace(whoami, "insecure_basic\n", "insecure_basic\n"+words+"\n", 1)
}

// belowTheThreshold are words that keep to less than three wrong passwords, which the
// site does by itself where the directory can tell when the domain locks an account.
func belowTheThreshold() string {
	if _, tells := any((*caddyldap.Directory)(nil)).(identity.AccountFinder); tells {
		return ""
	}
	return "throttle {\nattempts 2\n}"
}

// client is an HTTP client at an address of its own, with one connection a request.
func clientFrom(address string) *http.Client {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	return &http.Client{
		Timeout:   30 * time.Second,
		Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true},
	}
}

// askFrom sends a name and a password by Basic and gives the answer's status and
// Retry-After.
func askFrom(t *testing.T, address, url, user, password string) (status int, retry string) {
	t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	request.SetBasicAuth(user, password)
	request.Header.Set("X-Real-Ip", "203.0.113.9") // believed from trusted proxies alone
	response, err := clientFrom(address).Do(request)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer response.Body.Close()
	return response.StatusCode, response.Header.Get("Retry-After")
}

// guessByNTLM sends a Type 3 that no password has made, from an address.
func guessByNTLM(t *testing.T, address, base, user, domainName string) (status int) {
	t.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}, Timeout: 5 * time.Second}
	conn, err := dialer.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Error(err)
		return 0
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	negotiate, _ := messages(t)
	reader := newResponseReader(conn)
	ask := func(message []byte) *http.Response {
		header := "NTLM " + base64.StdEncoding.EncodeToString(message)
		if _, err := fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: %s\r\n\r\n", header); err != nil {
			t.Error(err)
		}
		return reader.next(t)
	}
	first := ask(negotiate)
	challenge := challengeOf(t, first)
	if challenge == nil {
		return first.StatusCode
	}
	return ask(v2Type3(challenge, user, domainName)).StatusCode
}

// spellingsOfFragile are names that lead to one account, which three wrong passwords lock.
var spellingsOfFragile = [20]string{
	"fragile", "FRAGILE", "Fragile", "fRAGILE", `EXAMPLE\fragile`, `example\FRAGILE`, `Example\Fragile`, `example.test\fragile`, `EXAMPLE.TEST\fragile`,
	"fragile@example.test", "FRAGILE@EXAMPLE.TEST", "Fragile@Example.Test", "fragile@EXAMPLE", "fragile@example", "FraGile", "fragilE",
	`EXAMPLE\FRAGILE`, `eXAMPLE\fragile`, "fragile@eXample.test", "FRAGILE@example",
}

// TestThrottleKeepsAccountsUnlocked: threats F-10 and F-11. 200 wrong passwords at once,
// in many spellings, by Basic and NTLM, from many addresses, leave an account unlocked
// whose third one locks it, and its owner gets in where he did before.
func TestThrottleKeepsAccountsUnlocked(t *testing.T) {
	unlockAfter(t, "fragile")
	if err := domain.Unlock("fragile"); err != nil {
		t.Fatal(err)
	}
	account := lab.Account("svc-web")
	s := start(t, siteConfig{Body: throttledBy(belowTheThreshold()), LDAP: "base_dn " + domain.BaseDN + "\nservice_account " + account.UPN + " " + account.Password})
	const owner = "127.0.0.9"
	right := lab.Account("fragile").Password
	if status, _ := askFrom(t, owner, s.HTTP+"/", "fragile", right); status != 200 {
		t.Fatalf("its owner: got %d, reason %s", status, s.reason(t))
	}
	var statuses [600]atomic.Int64
	var all sync.WaitGroup
	for i := range 200 {
		address, name := fmt.Sprintf("127.0.1.%d", i%40+1), spellingsOfFragile[i%len(spellingsOfFragile)]
		all.Go(func() {
			if i%4 == 0 {
				parts := identity.ParseName(name)
				statuses[guessByNTLM(t, address, s.HTTP, parts.User, parts.Domain)].Add(1)
				return
			}
			status, _ := askFrom(t, address, s.HTTP+"/", name, fmt.Sprint("wrong", i))
			statuses[status].Add(1)
		})
	}
	all.Wait()
	t.Logf("%d were told 401, %d 429, %d 503", statuses[401].Load(), statuses[429].Load(), statuses[503].Load())
	if statuses[200].Load() > 0 || statuses[429].Load() == 0 || statuses[503].Load() > 0 {
		t.Errorf("got %d let in and %d refused", statuses[200].Load(), statuses[429].Load())
	}
	if got := badPasswords(t, "fragile"); got < 1 || got > 2 {
		t.Errorf("the controllers count %d, want 2 at most", got)
	}
	if status, retry := askFrom(t, "127.0.1.99", s.HTTP+"/", "fragile", right); status != 429 || retry == "" {
		t.Errorf("the right password of a stranger: got %d, Retry-After %q", status, retry)
	}
	for _, scheme := range []string{"--basic", "--ntlm"} {
		if got := curl(t, scheme, "--interface", owner, "-u", "fragile:"+right, s.HTTP+"/"); got.Status != 200 {
			t.Errorf("its owner, %s: got %d, reason %s", scheme, got.Status, s.reason(t))
		}
	}
	if got := badPasswords(t, "fragile"); got > 2 {
		t.Errorf("the controllers count %d", got)
	}
}

// TestThrottleWaits: features E5 to E8. Each wrong password doubles the wait, the right
// one is refused during it and after it resets; the wrong ones before are told 401 and
// ask nobody.
func TestThrottleWaits(t *testing.T) {
	unlockAfter(t, "fragile")
	if err := domain.Unlock("fragile"); err != nil {
		t.Fatal(err)
	}
	s := start(t, siteConfig{Body: throttledBy("throttle {\nattempts 10\nbackoff 2s 1m\n}")})
	right := lab.Account("fragile").Password
	asked := 0
	for i, want := range []struct {
		password string
		status   int
		retry    int
		asks     bool
	}{
		{"wrong 1", 401, 0, true}, {right, 429, 2, false}, {"wrong 1", 401, 0, false}, {"wrong 2", 401, 0, true},
		{right, 429, 4, false}, {right, 200, 0, true}, {"wrong 3", 401, 0, true}, {right, 429, 2, false}, {right, 200, 0, true},
	} {
		began := time.Now()
		status, retry := askFrom(t, "127.0.0.1", s.HTTP+"/", "fragile", want.password)
		if status != want.status {
			t.Fatalf("%d: got %d, reason %s, want %d", i, status, s.reason(t), want.status)
		}
		if took := time.Since(began); status == 429 && took > time.Second {
			t.Errorf("%d: refused after %v: somebody sleeps", i, took)
		}
		seconds, _ := strconv.Atoi(retry)
		if seconds > want.retry || seconds < want.retry-1 {
			t.Errorf("%d: got Retry-After %q, want %d", i, retry, want.retry)
		}
		switch {
		case status == 200:
			asked = 0
		case want.asks:
			asked++
		}
		if got := badPasswords(t, "fragile"); got != asked {
			t.Errorf("%d: the controllers count %d, want %d", i, got, asked)
		}
		time.Sleep(time.Duration(seconds)*time.Second + 50*time.Millisecond)
	}
}

// TestThrottleCountsNoFailures: while both controllers are down nothing is counted, and
// then the right password goes in at once.
func TestThrottleCountsNoFailures(t *testing.T) {
	s := start(t, siteConfig{Body: whoami})
	stop(t, 1)
	stop(t, 2)
	for i := range 6 {
		if status, _ := askFrom(t, "127.0.0.1", s.HTTP+"/", "bob", fmt.Sprint("wrong", i)); status != 503 {
			t.Errorf("got %d, want 503", status)
		}
	}
	startDC(t, 1)
	startDC(t, 2)
	for back := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		status, _ := askFrom(t, "127.0.0.1", s.HTTP+"/", "bob", lab.Account("bob").Password)
		if status == 200 {
			return
		}
		if status == 429 || time.Since(back) > 20*time.Second {
			t.Fatalf("got %d, reason %s", status, s.reason(t))
		}
	}
}

// TestThrottleOverReloadsAndSites: threats F-10. What one site counts counts at the
// other, and after a reload that changes the site.
func TestThrottleOverReloadsAndSites(t *testing.T) {
	s, caddyfile := write(t, siteConfig{Body: whoami})
	load(t, caddyfile)
	carol := lab.Account("carol").Password
	if status, _ := askFrom(t, "127.0.0.1", s.HTTP+"/", "carol", "wrong 1"); status != 401 {
		t.Fatalf("got %d", status)
	}
	if got := curl(t, "--basic", "-u", "carol:"+carol, s.HTTPS+"/"); got.Status != 429 {
		t.Errorf("at the other site: got %d, want 429", got.Status)
	}
	time.Sleep(1100 * time.Millisecond)
	if status, _ := askFrom(t, "127.0.0.1", s.HTTP+"/", "carol", "wrong 2"); status != 401 {
		t.Fatalf("got %d", status)
	}
	load(t, bytes.ReplaceAll(caddyfile, []byte("\tinsecure_basic\n"), []byte("\tinsecure_basic\n\t\trealm other\n")))
	if status, retry := askFrom(t, "127.0.0.1", s.HTTP+"/", "carol", carol); status != 429 || retry == "" {
		t.Errorf("after a reload: got %d, Retry-After %q, want 429", status, retry)
	}
	time.Sleep(2100 * time.Millisecond)
	if status, _ := askFrom(t, "127.0.0.1", s.HTTP+"/", "carol", "wrong 2"); status != 401 || s.hint(t) == "" {
		t.Errorf("the same wrong one after a reload: got %d", status)
	}
	if status, _ := askFrom(t, "127.0.0.1", s.HTTP+"/", "carol", carol); status != 200 {
		t.Errorf("after the wait: got %d, reason %s", status, s.reason(t))
	}
}

// TestThrottleOff: wrong passwords go to the controllers as they come.
func TestThrottleOff(t *testing.T) {
	s := start(t, siteConfig{Body: unthrottled})
	for range 6 {
		if status, _ := askFrom(t, "127.0.0.1", s.HTTP+"/", "bob", "wrong"); status != 401 {
			t.Errorf("got %d, want 401", status)
		}
	}
	if status, _ := askFrom(t, "127.0.0.1", s.HTTP+"/", "bob", lab.Account("bob").Password); status != 200 {
		t.Errorf("got %d, want 200", status)
	}
}
