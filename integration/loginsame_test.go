package integration

import (
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// drawn are the parts of the page that are drawn anew each time.
var drawn = regexp.MustCompile(`nonce="[^"]*"|name="token" value="[^"]*"|id="name" name="name" type="text" value="[^"]*"`)

// TestTheFormTellsNobodyApart: unknown and known names are answered with one status, one
// page and one time, over 2,000 samples of each (threats F-09). They are asked in turns,
// so that what else the machine does meets both alike, and the middle of each counts;
// where a log-in takes no more than a few milliseconds one of them may lie between the
// two.
func TestTheFormTellsNobodyApart(t *testing.T) {
	server := openLDAP(t)
	s := start(t, siteConfig{
		Servers: server.LDAPS, CA: server.CA, LDAP: serviceWords + "\nverify bind",
		Body: "\twindows_auth EXAMPLE {\n\t\tsession\n\t\tlogin\n\t\tthrottle off\n\t}\n\trespond ok\n",
	})
	client, token := formClient(t, s)
	first := ""
	ask := func(user string) time.Duration {
		form := url.Values{"name": {user}, "password": {"wrong"}, "token": {token}}
		began := time.Now()
		response, err := client.PostForm(s.HTTPS+"/.auth/login", form)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		took := time.Since(began)
		response.Body.Close()
		if err != nil || response.StatusCode != http.StatusUnauthorized {
			t.Fatalf("%s: got %d, %v", user, response.StatusCode, err)
		}
		response.Header.Del("Date")
		response.Header.Del("Content-Length") // with the name that was typed
		response.Header.Del("Content-Security-Policy")
		var header strings.Builder
		if err := response.Header.Write(&header); err != nil {
			t.Fatal(err)
		}
		got := header.String() + drawn.ReplaceAllString(string(body), "")
		if first == "" {
			first = got
		}
		if got != first {
			t.Fatalf("%s: got\n%s\nwant, as for others,\n%s", user, got, first)
		}
		return took
	}
	for range 64 { // as many as are remembered
		ask("anna")
	}
	unknown := [...]string{"nobody", "twin", `OTHER\nobody`, "Anna Auer"}
	var known, others []time.Duration
	for i := range 2000 {
		known, others = append(known, ask("anna")), append(others, ask(unknown[i%len(unknown)]))
	}
	a, b := median(known), median(others)
	t.Logf("known %v, unknown %v", a, b)
	if far := (a - b).Abs(); far > time.Millisecond && far > a/10 {
		t.Errorf("known %v, unknown %v in the middle", a, b)
	}
}
