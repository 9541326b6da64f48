package integration

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDemoLines: every line that the demo prints for a shell works as it stands there.
func TestDemoLines(t *testing.T) {
	d := startDemo(t)
	printed := regexp.MustCompile(`(?m)^  ((?:curl|key=|for|LDAPTLS_REQCERT|/).*)$`).FindAllStringSubmatch(d.output.String(), -1)
	wanted := []struct{ part, want string }{
		{"curl --ntlm  -u 'alice", `EXAMPLE\\alice.*ntlm, decided by relay`},
		{"curl --basic -u 'alice", `EXAMPLE\\alice.*basic, decided by bind`},
		{"key=$(curl", `^$`},
		{"/.auth/whoami", `"name":"Alice Archer","id":"alice".*"scheme":"form"`},
		{"/windows_auth/sessions", `"user":"EXAMPLE\\\\alice"`},
		{"/.auth/logout", `^$`},
		{"curl -k --basic -u 'grace", `EXAMPLE\\grace`},
		{"windows-auth demo --code", `^\d{6}$`},
		{"ldapsearch", `displayName: Carol Cole`},
		{"for i in 1 2 3", `^401 \n429 \d+\n429 \d+$`}, // alice waits now
		{"/windows_auth/throttle", `^204$`},
	}
	if len(printed) != len(wanted) {
		t.Errorf("got %d lines, want %d: %q", len(printed), len(wanted), printed)
	}
	script := "" // the key is one line's, and another's
	for _, c := range wanted {
		i := slices.IndexFunc(printed, func(line []string) bool { return strings.Contains(line[1], c.part) })
		if i < 0 {
			t.Errorf("the demo has no line with %s:\n%s", c.part, d.output)
			continue
		}
		line := printed[i][1]
		if strings.HasPrefix(line, "key=") {
			script = line + "\n"
		}
		run := line
		if strings.Contains(line, "$key") {
			run = script + line
		}
		shell := exec.Command("sh", "-c", run)
		shell.Env = append(os.Environ(), "no_proxy=*")
		out, err := shell.Output()
		if got := strings.TrimSpace(string(out)); err != nil || !regexp.MustCompile("(?s)"+c.want).MatchString(got) {
			t.Errorf("%s\ngot %v and\n%s\nwant %s", line, err, got, c.want)
		}
	}
}

// TestDemoKey: a key is worth nothing after its log-out, and a refusal says why in words.
func TestDemoKey(t *testing.T) {
	d := startDemo(t)
	logIn := func(body string) answer {
		return curl(t, "-H", "Content-Type: application/json", "-d", body, d.Secure+"/.auth/login")
	}
	got := logIn(`{"name":"alice","password":"Secr3t-alice"}`)
	key := regexp.MustCompile(`"key":"([^"]{43,})"`).FindStringSubmatch(got.Body)
	if got.Status != 200 || key == nil {
		t.Fatalf("got %d %s, want a key", got.Status, got.Body)
	}
	bearer := "Authorization: Bearer " + key[1]
	for _, c := range []struct {
		args []string
		want int
	}{
		{[]string{d.Secure + "/"}, 200},
		{[]string{d.Secure + "/hr"}, 403},
		{[]string{"-X", "POST", d.Secure + "/.auth/logout"}, 204},
		{[]string{d.Secure + "/.auth/whoami"}, 401},
	} {
		if got := curl(t, append([]string{"-H", bearer}, c.args...)...); got.Status != c.want {
			t.Errorf("%v: got %d, want %d\n%s", c.args, got.Status, c.want, got.Body)
		}
	}
	for body, want := range map[string]string{
		`{"name":"oldpass","password":"Secr3t-oldpass"}`:                 "password_expired",
		`{"name":"grace","password":"Secr3t-grace"}`:                     "Check the user name, the password and the code.",
		`{"name":"grace","password":"Secr3t-grace","code":"not a code"}`: "Check the user name, the password and the code.",
	} {
		if got := logIn(body); got.Status != 401 || !strings.Contains(got.Body, want) {
			t.Errorf("%s: got %d %s, want 401 and %s", body, got.Status, got.Body, want)
		}
	}
	code := d.code(t)
	if got := logIn(`{"name":"grace","password":"Secr3t-grace","code":"` + code + `"}`); got.Status != 200 {
		t.Errorf("grace with her code: got %d %s, want 200", got.Status, got.Body)
	}
}

// code is that of grace, as the demo's own line tells it.
func (d *demonstration) code(t *testing.T) string {
	t.Helper()
	settledStep(t)
	out, err := exec.Command(d.process.Path, "windows-auth", "demo", "--code").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// TestChromiumOnTheDemo: what a newcomer does at the one address that the demo names.
func TestChromiumOnTheDemo(t *testing.T) {
	d := startDemo(t)
	ctx, asked := loginBrowser(t, nil)
	if status, _ := visit(t, ctx, d.Secure+"/"); status != 401 || shownPage(t, ctx).Heading != "Sign in" {
		t.Fatalf("got %d %+v, want the page", status, shownPage(t, ctx))
	}
	if status := fillIn(t, ctx, "alice", "Secr3t-alice"); status != 200 {
		t.Errorf("got %d, want 200", status)
	}
	if got := shownPage(t, ctx); got.Heading != "Welcome, Alice Archer" || !strings.Contains(got.Text, "log out") || got.Path != "/" {
		t.Errorf("got %+v, want her page, and a way out", got)
	}
	if status, text := visit(t, ctx, d.Secure+"/.auth/whoami"); status != 200 || !strings.Contains(text, `"id":"alice"`) {
		t.Errorf("got %d %s, want who she is", status, text)
	}
	if status, _ := visit(t, ctx, d.Secure+"/hr"); status != 403 || shownPage(t, ctx).Heading != "No access" {
		t.Errorf("got %d %+v, want no access and another log-in", status, shownPage(t, ctx))
	}
	visit(t, ctx, d.Secure+"/.auth/logout")
	if status := press(t, ctx); status != 200 || shownPage(t, ctx).Heading != "You are signed out" {
		t.Errorf("got %d %+v, want to be signed out", status, shownPage(t, ctx))
	}
	// grace with her code, typed as she reads it.
	visit(t, ctx, d.Secure+"/")
	code := d.code(t)
	if status := fillInCode(t, ctx, "grace", "Secr3t-grace", code[:3]+" "+code[3:]); status != 200 || shownPage(t, ctx).Heading != "Welcome, Grace Gray" {
		t.Errorf("got %d %+v, want grace", status, shownPage(t, ctx))
	}
	// A guesser waits, and reads it in words.
	visit(t, ctx, d.Secure+"/.auth/login")
	if status := fillIn(t, ctx, "bob", "wrong1"); status != 401 {
		t.Errorf("got %d, want 401", status)
	}
	if status := fillIn(t, ctx, "bob", "Secr3t-bob"); status != 429 || !strings.HasPrefix(shownPage(t, ctx).Reason, "Too many attempts.") {
		t.Errorf("got %d %+v, want 429 in words", status, shownPage(t, ctx))
	}
	if asked.Load() != 0 {
		t.Errorf("got %d prompts, want none", asked.Load())
	}
}
