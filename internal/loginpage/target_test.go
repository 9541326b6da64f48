package loginpage

import (
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
)

const testBase = "/.auth"

func TestTargetLeadsWhereItSays(t *testing.T) {
	for next, want := range map[string]string{
		"/":                                    "/",
		"/a":                                   "/a",
		"/a/b.html?x=1&y=2#there":              "/a/b.html?x=1&y=2#there",
		"/a//b":                                "/a//b",
		"/proxy/https://example.com/x":         "/proxy/https://example.com/x",
		"/?next=https://example.com//a":        "/?next=https://example.com//a",
		"/search?q=a\\b":                       "/search?q=a%5Cb",
		"/search?q=%0d%0a":                     "/search?q=%0d%0a", // whose parameter it is, who has to mind it
		"/bücher":                              "/b%C3%BCcher",
		"/b%C3%BCcher?größe=1":                 "/b%C3%BCcher?gr%C3%B6%C3%9Fe=1",
		"/a b":                                 "/a%20b",
		"/100%25":                              "/100%25",
		"/a..b/...":                            "/a..b/...",
		"/.well-known/x":                       "/.well-known/x",
		"/.authority":                          "/.authority",
		"/a/.auth/logout":                      "/a/.auth/logout",
		"/a;v=1/b":                             "/a;v=1/b",
		"/@evil.example.com":                   "/@evil.example.com",
		"/:80/":                                "/:80/",
		"/a?":                                  "/a?",
		"/#":                                   "/#",
		"/" + strings.Repeat("a", MaxTarget-1): "/" + strings.Repeat("a", MaxTarget-1),
	} {
		if got := Target(next, testBase, "/start"); got != want {
			t.Errorf("Target(%q): got %q, want %q", next, got, want)
		}
	}
}

// hostileFile holds targets that lead nowhere but to the fallback, a quoted string a line.
// The tests with a browser read it too.
const hostileFile = "testdata/hostile.txt"

func hostileTargets(t testing.TB) []string {
	t.Helper()
	text, err := os.ReadFile(hostileFile)
	if err != nil {
		t.Fatal(err)
	}
	var targets []string
	for line := range strings.Lines(string(text)) {
		target, err := strconv.Unquote(strings.TrimSpace(line))
		if err != nil {
			t.Fatalf("%s: %s: %v", hostileFile, line, err)
		}
		targets = append(targets, target)
	}
	return append(targets, "/"+strings.Repeat("a", MaxTarget), "/"+strings.Repeat("ü", MaxTarget/2-1), "/"+strings.Repeat("%2e", 2000))
}

func TestHostileTargetsStayInside(t *testing.T) {
	hostile := hostileTargets(t)
	if len(hostile) < 120 {
		t.Fatalf("got %d targets, want 120 at least", len(hostile))
	}
	seen := make(map[string]bool)
	for _, next := range hostile {
		if seen[next] {
			t.Errorf("%q stands there twice", next)
		}
		seen[next] = true
		if got := Target(next, testBase, "/start"); got != "/start" {
			t.Errorf("Target(%q): got %q, want the fallback", next, got)
		}
	}
}

// FuzzTarget: what comes out is a path on the origin, to Go, to a browser, and to who
// decodes it; and is the same when it comes in again.
func FuzzTarget(f *testing.F) {
	for _, next := range hostileTargets(f) {
		f.Add(next)
	}
	f.Add("/a?b=c\\d#e")
	f.Add("/bücher")
	base, err := url.Parse("https://site.example.com/.auth/login")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, next string) {
		target := Target(next, testBase, "/start")
		u, err := url.Parse(target)
		if err != nil {
			t.Fatalf("Target(%q): got %q, which is no URL: %v", next, target, err)
		}
		if there := base.ResolveReference(u); there.Scheme != base.Scheme || there.Host != base.Host || u.User != nil || !strings.HasPrefix(there.Path, "/") {
			t.Errorf("Target(%q): got %q, which leads to %s", next, target, there)
		}
		if !staysByWHATWG(target) {
			t.Errorf("Target(%q): got %q, which leads a browser elsewhere", next, target)
		}
		if decoded, err := url.PathUnescape(u.EscapedPath()); err == nil && !staysByWHATWG(decoded) {
			t.Errorf("Target(%q): got %q, which leads elsewhere decoded", next, target)
		}
		if strings.HasPrefix(strings.ToLower(u.Path)+"/", testBase+"/") {
			t.Errorf("Target(%q): got %q, which is the log-in's", next, target)
		}
		for _, c := range []byte(target) {
			if c <= ' ' || c >= 0x7f || c == '\\' {
				t.Errorf("Target(%q): got %q, which holds byte %#x", next, target, c)
			}
		}
		if again := Target(target, testBase, "/start"); again != target {
			t.Errorf("Target(%q): got %q, and %q of that", next, target, again)
		}
	})
}

// staysByWHATWG says of a text whether the parser of the URL standard, 4.4, given a base
// of https, leaves the host of the base alone: the states "no scheme", "relative" and
// "relative slash" after what it strips.
func staysByWHATWG(text string) bool {
	text = strings.TrimFunc(text, func(r rune) bool { return r <= ' ' })
	text = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(text)
	slash := func(i int) bool { return i < len(text) && (text[i] == '/' || text[i] == '\\') }
	return slash(0) && !slash(1)
}
