package integration

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/go-ntlmssp"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
)

// rush is a crowd at a site that logs in and logs in again, by NTLM of go-ntlmssp and by
// Basic, each time on a new connection and every third time with a wrong password.
type rush struct {
	site         *site
	right, wrong atomic.Int32 // answers that were due

	mu      sync.Mutex
	slowest time.Duration
	errors  []string // answers that were not due
}

// surround has a crowd of eight log in before, while and after something happens, which
// then has to have left nothing for them to notice but a delay of three seconds at most.
func surround(t *testing.T, s *site, happens func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r := &rush{site: s}
	var crowd sync.WaitGroup
	for i := range 8 {
		crowd.Go(func() {
			for n := i; ctx.Err() == nil; n++ {
				r.logIn(n)
			}
		})
	}
	await := func(more int32) {
		for right, wrong := r.right.Load()+more, r.wrong.Load()+more/2; ctx.Err() == nil && !r.failed(); time.Sleep(5 * time.Millisecond) {
			if r.right.Load() >= right && r.wrong.Load() >= wrong {
				return
			}
		}
	}
	await(20)
	happens()
	await(60)
	cancel()
	crowd.Wait()
	t.Logf("%d let in, %d refused, the slowest took %v", r.right.Load(), r.wrong.Load(), r.slowest)
	for _, text := range r.errors {
		t.Error(text)
	}
	if r.right.Load() < 80 || r.slowest > 3*time.Second {
		t.Errorf("%d were let in, the slowest took %v, want 80 and 3 s", r.right.Load(), r.slowest)
	}
}

func (r *rush) failed() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.errors) > 0 }

// logIn is the n-th.
func (r *rush) logIn(n int) {
	sam := []string{"alice", "bob", "carol", "dave"}[n%4]
	password, want := lab.Account(sam).Password, http.StatusOK
	if n%3 == 0 {
		password, want = "wrong", http.StatusUnauthorized
	}
	transport := new(http.Transport)
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	if n%2 == 0 {
		client.Transport = ntlmssp.Negotiator{RoundTripper: transport}
	}
	request, err := http.NewRequest(http.MethodGet, r.site.HTTP+"/", nil)
	if err != nil {
		panic(err)
	}
	request.SetBasicAuth(`EXAMPLE\`+sam, password)
	began := time.Now()
	status, body := obtain(client, request)
	took := time.Since(began)

	r.mu.Lock()
	defer r.mu.Unlock()
	r.slowest = max(r.slowest, took)
	switch {
	case status != want || status == http.StatusOK && !strings.HasPrefix(body, sam+"|"):
		r.errors = append(r.errors, fmt.Sprintf("%s, the password %q: got %d %s after %v, want %d", sam, password, status, body, took, want))
	case want == http.StatusOK:
		r.right.Add(1)
	default:
		r.wrong.Add(1)
	}
}

func obtain(client *http.Client, request *http.Request) (status int, body string) {
	response, err := client.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(text)
}
