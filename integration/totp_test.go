package integration

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const factorSecret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"

// oathtool makes a code, some steps of 30 seconds from now, by OATH Toolkit.
func oathtool(t *testing.T, secret string, steps int) string {
	t.Helper()
	at := time.Now().UTC().Add(time.Duration(steps) * 30 * time.Second)
	out, err := exec.Command("oathtool", "--totp=SHA1", "--base32", "--now", at.Format("2006-01-02 15:04:05 UTC"), secret).CombinedOutput()
	if err != nil {
		t.Fatalf("oathtool: %v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// settledStep waits until a step has 20 seconds to go, so that a test's codes stay what
// they are.
func settledStep(t *testing.T) {
	t.Helper()
	if past := time.Now().Unix() % 30; past > 10 {
		time.Sleep(time.Duration(30-past) * time.Second)
	}
}

// grantReading runs the line of samba-tool in docs/second_factor.md as it stands there.
func grantReading(t *testing.T) {
	t.Helper()
	line := regexp.MustCompile(`(?m)^samba-tool dsacl set .*`).FindString(read(t, "../docs/second_factor.md"))
	sid, err := domain.Attribute(1, "svc-web", "objectSid")
	if err != nil || len(sid) != 1 || line == "" {
		t.Fatalf("got %q, %v, line %q", sid, err, line)
	}
	line = strings.ReplaceAll(strings.ReplaceAll(line, "DC=example,DC=com", domain.BaseDN), "SID)", sid[0]+")")
	samba(t, append(strings.Fields(line)[1:], "-H", "ldap://"+domain.Host(1), "-U", "Administrator%"+domain.AdminPassword)...)
}

// enrol writes somebody's URI; none of them, or several, too.
func enrol(t *testing.T, dn string, uris ...string) {
	t.Helper()
	change := "replace: unixUserPassword\n"
	for _, uri := range uris {
		change += "unixUserPassword: " + uri + "\n"
	}
	modify(t, dn, strings.TrimSuffix(change, "\n"))
	t.Cleanup(func() { modify(t, dn, "replace: unixUserPassword") })
}

const (
	aliceEntry = "CN=Alice Adams,OU=Staff,DC=example,DC=test"
	bobDN      = "CN=Bob Brown,OU=Staff,DC=example,DC=test"
)

// TestSecondFactor: a confidential attribute of a real domain, by the rights that the
// page gives: curl with the code behind the password, once; the same code 50 times at
// once; schemes that carry none; guesses.
func TestSecondFactor(t *testing.T) {
	grantReading(t)
	uri := "otpauth://totp/EXAMPLE:alice?secret=" + factorSecret + "&issuer=EXAMPLE"
	enrol(t, aliceEntry, uri)
	const service = `service_account EXAMPLE\svc-web Secr3t-svc-web`
	s := start(t, siteConfig{Servers: domain.LDAPS(1), LDAP: service + "\nverify bind\nverify relay\nverify keytab " + domain.HTTPKeytab(), Body: `
	windows_auth EXAMPLE {
		schemes negotiate ntlm basic
		insecure_basic
		throttle off
		totp {
			attribute unixUserPassword
			require valid-user
			exempt kerberos
		}
	}
	respond "{http.auth.user.id} {http.auth.user.attr.unixUserPassword}"
`})
	const asAlice = "alice {http.auth.user.attr.unixUserPassword}" // which is nobody's to fill in
	get := func(user, password string) answer { return curl(t, "-u", user+":"+password, s.HTTP+"/") }
	want := func(what string, got answer, status int, reason string) {
		t.Helper()
		if got.Status != status || status == 401 && s.reason(t) != reason {
			t.Errorf("%s: got %d %q, want %d %s", what, got.Status, got.Body, status, reason)
		}
		if status == 200 && got.Body != asAlice {
			t.Errorf("%s: got %q, want alice and nothing of her secret", what, got.Body)
		}
	}
	settledStep(t)
	code := oathtool(t, factorSecret, 0)
	want("no code", get("alice", "Secr3t-alice"), 401, "second_factor")
	want("a wrong password", get("alice", "wrong"+code), 401, "bad_credentials")
	want("a code of the step before last", get("alice", "Secr3t-alice"+oathtool(t, factorSecret, -2)), 401, "second_factor")
	want("a code", get("alice", "Secr3t-alice"+code), 200, "")
	want("the same", get("alice", "Secr3t-alice"+code), 401, "second_factor")
	want("in another spelling", get("alice@"+domain.DNSDomain, "Secr3t-alice"+code), 401, "second_factor")
	want("an older one", get("alice", "Secr3t-alice"+oathtool(t, factorSecret, -1)), 401, "second_factor")
	want("by NTLM", curl(t, "--ntlm", "-u", "alice:Secr3t-alice", s.HTTP+"/"), 401, "second_factor")
	want("nobody enrolled", get("bob", "Secr3t-bob"), 401, "second_factor")
	if hint := s.hint(t); !strings.Contains(hint, "let the service account read it") {
		t.Errorf("got hint %q", hint)
	}
	if status, body, _ := curlWith(t, ticketsOf(t, "alice", ""), s.HTTPS+"/"); status != 200 || body != asAlice {
		t.Errorf("by ticket: got %d %q, want 200 and alice", status, body)
	}
	fiftyAtOnce(t, s, "Secr3t-alice"+oathtool(t, factorSecret, 1))
	enrol(t, bobDN, uri) // of whose codes none is spent
	for i := range 5 {
		want(fmt.Sprint("guess ", i), get("bob", "Secr3t-bob"+wrongCode(t)), 401, "second_factor")
	}
	want("a right one after too many", get("bob", "Secr3t-bob"+oathtool(t, factorSecret, 0)), 401, "second_factor")
	if cause := s.refusal(t).text("error"); !strings.Contains(cause, "too many wrong codes") {
		t.Errorf("got %q, want too many wrong codes", cause)
	}
	if log := s.logText(t); strings.Contains(log, factorSecret) || strings.Contains(log, "Secr3t-alice") {
		t.Error("the log shows a secret")
	}
}

// wrongCode is none of the codes around now.
func wrongCode(t *testing.T) string {
	t.Helper()
	var right []string
	for step := -2; step <= 2; step++ {
		right = append(right, oathtool(t, factorSecret, step))
	}
	for i := 0; ; i++ {
		if code := fmt.Sprintf("%06d", i); !slices.Contains(right, code) {
			return code
		}
	}
}

// fiftyAtOnce sends one credential on 50 connections, which are open before.
func fiftyAtOnce(t *testing.T, s *site, password string) {
	t.Helper()
	var accepted, refused atomic.Int64
	var ready, done sync.WaitGroup
	begin := make(chan struct{})
	for range 50 {
		ready.Add(1)
		done.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			send := func(authorization string) int {
				r, err := http.NewRequest("GET", s.HTTP+"/", nil)
				if err != nil {
					t.Error(err)
					return 0
				}
				if authorization != "" {
					r.Header.Set("Authorization", authorization)
				}
				response, err := client.Do(r)
				if err != nil {
					t.Error(err)
					return 0
				}
				_ = response.Body.Close()
				return response.StatusCode
			}
			send("")
			ready.Done()
			<-begin
			switch send("Basic " + base64.StdEncoding.EncodeToString([]byte("alice:"+password))) {
			case 200:
				accepted.Add(1)
			case 401:
				refused.Add(1)
			}
		})
	}
	ready.Wait()
	close(begin)
	done.Wait()
	if accepted.Load() != 1 || refused.Load() != 49 {
		t.Errorf("one code 50 times at once: got %d accepted and %d refused, want 1 and 49", accepted.Load(), refused.Load())
	}
}

// TestDemoSecondFactor: the demo prints a URI and a code that works, once.
func TestDemoSecondFactor(t *testing.T) {
	d := startDemo(t)
	printed := regexp.MustCompile(`'grace:(Secr3t-grace\d{6})'`).FindStringSubmatch(d.output.String())
	if printed == nil || !strings.Contains(d.output.String(), "otpauth://totp/EXAMPLE:grace?secret=") {
		t.Fatalf("got\n%s\nwant a URI and a code in it", d.output)
	}
	for _, step := range []struct {
		password string
		want     int
	}{{"Secr3t-grace", 401}, {printed[1], 200}, {printed[1], 401}} {
		if got := curl(t, "--basic", "-u", "grace:"+step.password, d.Secure+"/"); got.Status != step.want {
			t.Errorf("got %d, want %d", got.Status, step.want)
		}
	}
	if got := curl(t, "--basic", "-u", "grace:Secr3t-grace", d.Site+"/"); got.Status != 403 {
		t.Errorf("where no code is asked for: got %d, want 403", got.Status)
	}
	if got := d.output.String(); strings.Contains(got[:strings.Index(got, "Ctrl-C")], "WARN") {
		t.Errorf("the demo begins with a warning:\n%s", got)
	}
	for _, scheme := range []string{"--ntlm", "--anyauth"} {
		if got := curl(t, scheme, "-u", "grace:Secr3t-grace", d.Secure+"/"); got.Status != 401 {
			t.Errorf("%s: got %d, want 401", scheme, got.Status)
		}
	}
}
