package caddyntlm

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// forwardUser is the usual line.
var forwardUser = []Forward{{Header: "X-Remote-User", Value: "{http.auth.user.id}"}}

// headersAndTrailers answers with all headers and trailers that look like
// X-Remote-User to somebody, and with Connection.
func headersAndTrailers(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return err
	}
	for where, header := range map[string]http.Header{"header": r.Header, "trailer": r.Trailer} {
		for _, name := range slices.Sorted(maps.Keys(header)) {
			if strings.Contains(strings.ToLower(name), "remote") || name == "Connection" || strings.HasPrefix(name, "X-Other") {
				_, _ = fmt.Fprintf(w, "%s %s=%q\n", where, name, header[name])
			}
		}
	}
	return nil
}

func newForwardingDoor(t *testing.T, lines []Forward) *door {
	return newDoor(t, func(d *door) {
		d.Forward = lines
		d.inner = append(d.inner, middleware(headersAndTrailers))
	})
}

func (a answer) wantText(t *testing.T, want string) {
	t.Helper()
	if a.StatusCode != http.StatusOK || a.text != want {
		t.Errorf("got %d\n%s\nwant 200\n%s", a.StatusCode, a.text, want)
	}
}

const aliceAlone = "header X-Remote-User=[\"alice\"]\n"

// whatever spelling a client finds, the application reads one name.
func TestForwardedHeaderIsOurs(t *testing.T) {
	d := newForwardingDoor(t, forwardUser)
	c := d.dial(t)
	c.login("alice", "secret-a").wantText(t, aliceAlone)
	for name, test := range map[string]struct {
		headers []string
		want    string
	}{
		"as it is":        {[]string{"X-Remote-User: root"}, aliceAlone},
		"lower case":      {[]string{"x-remote-user: root"}, aliceAlone},
		"twice":           {[]string{"X-Remote-User: root", "X-REMOTE-USER: admin"}, aliceAlone},
		"empty":           {[]string{"X-Remote-User:"}, aliceAlone},
		"underscores":     {[]string{"X_Remote_User: root"}, aliceAlone},
		"one underscore":  {[]string{"X-Remote_User: root"}, aliceAlone},
		"dots":            {[]string{"X.Remote.User: root"}, aliceAlone},
		"other marks":     {[]string{"X~Remote'User: root"}, aliceAlone},
		"in Connection":   {[]string{"Connection: X-Remote-User"}, aliceAlone},
		"among others":    {[]string{"Connection: keep-alive, x-remote-user ,X-Other"}, "header Connection=[\"keep-alive, X-Other\"]\n" + aliceAlone},
		"two Connections": {[]string{"Connection: keep-alive", "Connection: X_Remote_User"}, "header Connection=[\"keep-alive\"]\n" + aliceAlone},
		"longer name":     {[]string{"X-Remote-User-2: x", "X-Remote: y"}, "header X-Remote=[\"y\"]\n" + aliceAlone + "header X-Remote-User-2=[\"x\"]\n"},
	} {
		t.Run(name, func(t *testing.T) {
			stripped := d.logs.FilterMessage("header of the client removed").Len()
			c.t = t
			c.get(test.headers...).wantText(t, test.want)
			if got := d.logs.FilterMessage("header of the client removed").Len() > stripped; got != (name != "longer name") {
				t.Errorf("got header_stripped %v", got)
			}
		})
	}
}

// net/http refuses a name with a space, but another module may hand one on.
func TestForwardStripsNamesWithSpaces(t *testing.T) {
	d := prepareDoor(t, func(d *door) { d.Forward = forwardUser })
	r, err := http.NewRequest("GET", "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"X-Remote-User ": {"root"}, " x_remote_user": {"root"}, "Connection": {" X-Remote-User "}, "Accept": {"a"}}
	v := &visit{door: d.Handler, r: r}
	v.strip(d.forwarding.names)
	if len(r.Header) != 1 || r.Header.Get("Accept") != "a" {
		t.Errorf("got %v", r.Header)
	}
}

// trailers arrive after the headers were judged.
func TestForwardStripsTrailers(t *testing.T) {
	d := newForwardingDoor(t, forwardUser)
	c := d.dial(t)
	c.login("alice", "secret-a").wantText(t, aliceAlone)
	for name, test := range map[string]struct{ announced, trailers, want string }{
		"announced":            {"Trailer: X-Remote-User", "X-Remote-User: root", ""},
		"among others":         {"Trailer: X-Other, x-remote-user", "X-Other: b\r\nx-remote-user: root", "trailer X-Other=[\"b\"]\n"},
		"another announced":    {"Trailer: X-Other", "X-Other: b\r\nX_Remote_User: root\r\nX-Remote-User: root", "trailer X-Other=[\"b\"]\n"},
		"none announced":       {"X-Plain: a", "X-Remote-User: root", ""},
		"announced, not there": {"Trailer: X-Remote-User", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if test.trailers != "" {
				test.trailers += "\r\n"
			}
			c.t = t
			c.write("POST / HTTP/1.1\r\nHost: site.example.com\r\nTransfer-Encoding: chunked\r\n" + test.announced +
				"\r\n\r\n4\r\nbody\r\n0\r\n" + test.trailers + "\r\n")
			got := c.receive("POST")
			if lines := strings.Split(got.text, "\n"); got.StatusCode != 200 || !sameLines(lines, strings.Split(aliceAlone+test.want, "\n")) {
				t.Errorf("got %d\n%s\nwant\n%s", got.StatusCode, got.text, aliceAlone+test.want)
			}
		})
	}
}

func sameLines(a, b []string) bool {
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// A client that is refused has its copies removed too: an error page may be
// another application.
func TestForwardStripsBeforeARefusal(t *testing.T) {
	d := newForwardingDoor(t, forwardUser)
	d.dial(t).get("X-Remote-User: root").want(t, 401, both...)
	if got := d.logs.FilterMessage("header of the client removed").Len(); got != 1 {
		t.Errorf("got %d headers removed, want 1", got)
	}
}

// What the directory does not know, or what no header can carry, leaves none.
func TestForwardAbsentValues(t *testing.T) {
	const shown = "{http.auth.user.display_name}"
	display := func(text string) func(*identity.Account) {
		return func(a *identity.Account) { a.DisplayName = text }
	}
	mail := func(text string) func(*identity.Account) {
		return func(a *identity.Account) { a.Mail = text }
	}
	for name, test := range map[string]struct {
		value  string
		change func(*identity.Account)
		want   string
		unfit  bool
	}{
		"text":                {"by windows_auth", nil, "by windows_auth", false},
		"several":             {"{http.auth.user.sam}@{http.auth.user.domain}", nil, "alice@EXAMPLE", false},
		"groups":              {"{http.auth.user.groups}", nil, "HR,Users", false},
		"empty":               {"{http.auth.user.mail}", mail(""), "", false},
		"blank":               {"{http.auth.user.mail}", mail(" "), "", false},
		"one of them empty":   {"{http.auth.user.sam} <{http.auth.user.mail}>", mail(""), "", false},
		"no such variable":    {"{http.vars.unset}", nil, "", false},
		"outside ASCII":       {shown, display("Jürgen Żółw 😀"), "Jürgen Żółw 😀", false},
		"braces are not read": {shown, display("{http.auth.user.sid}"), "{http.auth.user.sid}", false},
		"a header inside":     {shown, display("a\r\nX-Remote-User: root"), "", true},
		"line feed":           {shown, display("a\nb"), "", true},
		"nul":                 {shown, display("a\x00b"), "", true},
		"next line, U+0085":   {shown, display("a\u0085b"), "", true},
		"no UTF-8":            {shown, display("a\xffb"), "", true},
	} {
		t.Run(name, func(t *testing.T) {
			d := newForwardingDoor(t, []Forward{{Header: "X-Remote-User", Value: test.value}})
			if test.change != nil {
				d.dir.resolve = func(id *identity.Identity) error { test.change(&id.Account); return nil }
			}
			want := ""
			if test.want != "" {
				want = fmt.Sprintf("header X-Remote-User=[%q]\n", test.want)
			}
			d.dial(t).get(basic("alice", "secret-a"), "X-Remote-User: root").wantText(t, want)
			if got := d.logs.FilterMessage("forwarded header left out").Len(); (got == 1) != test.unfit {
				t.Errorf("got %d warnings, want one: %v", got, test.unfit)
			}
		})
	}
}

func TestForwardMistakes(t *testing.T) {
	for name, test := range map[string]struct {
		lines []Forward
		want  string
	}{
		"Host":                {[]Forward{{"host", "x"}}, "meaning of its own"},
		"Content-Length":      {[]Forward{{"Content_Length", "x"}}, "meaning of its own"},
		"Connection":          {[]Forward{{"Connection", "x"}}, "meaning of its own"},
		"Authorization":       {[]Forward{{"authorization", "x"}}, "meaning of its own"},
		"X-Forwarded-For":     {[]Forward{{"X-Forwarded-For", "x"}}, "meaning of its own"},
		"Proxy":               {[]Forward{{"Proxy", "x"}}, "meaning of its own"},
		"Sec-WebSocket-Key":   {[]Forward{{"Sec-WebSocket-Key", "x"}}, "meaning of its own"},
		"space":               {[]Forward{{"X Remote", "x"}}, "not the name of a header"},
		"colon":               {[]Forward{{"X:", "x"}}, "not the name of a header"},
		"empty name":          {[]Forward{{"", "x"}}, "not the name of a header"},
		"letters":             {[]Forward{{"X-Üser", "x"}}, "not the name of a header"},
		"no value":            {[]Forward{{"X-User", " "}}, "no value"},
		"line end":            {[]Forward{{"X-User", "a\r\nb"}}, "control character"},
		"twice":               {[]Forward{{"X-User", "x"}, {"x_user", "y"}}, "stands twice"},
		"unknown placeholder": {[]Forward{{"X-User", "{http.auth.user.name}"}}, "{http.auth.user.name} does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := CheckForward(test.lines); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	if err := CheckForward([]Forward{{"REMOTE_USER", "{http.auth.user.id}"}, {"X-Forwarded-User", "a {http.request.host}"}}); err != nil {
		t.Error(err)
	}
}

// An outer windows_auth may forward under a name that a proxy could have sent,
// which must not end the log-in of the connection at the inner one.
func TestForwardIsNoProxy(t *testing.T) {
	inner := prepareDoor(t, nil)
	d := newDoor(t, func(d *door) {
		d.Forward = []Forward{{"X-Forwarded-User", "{http.auth.user.id}"}}
		d.inner = append(d.inner, inner.Handler)
	})
	c := d.dial(t)
	c.login("alice", "secret-a").wantUser(t, "alice")
	c.get().wantUser(t, "alice")
	c.get("X-Forwarded-User: root").want(t, 401, basicChallenge)
}

func FuzzHeaderNames(f *testing.F) {
	for _, seed := range []string{"X-Remote-User", "x_remote.user", " X-Remote-User", "X-Remote-User-", ""} {
		f.Add(seed)
	}
	names := newHeaderNames("X-Remote-User")
	f.Fuzz(func(t *testing.T, name string) {
		if got, want := names.has(name), fold(name) == "x-remote-user"; got != want {
			t.Errorf("%q: got %v, want %v", name, got, want)
		}
	})
}
