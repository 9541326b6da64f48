package loginpage

import (
	"net/url"
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

// hostile are targets that lead nowhere but to the fallback.
var hostile = []string{
	// nothing, and no path
	"", " ", "a", "a/b", ".", "..", "./a", "../a", "?a=/", "#/", "*", "\\", "\\a", "%2f", "%2fa", "%2F%2Fevil.example.com",
	// other origins
	"https://evil.example.com/", "http://evil.example.com", "HTTPS://EVIL.EXAMPLE.COM/", "https:evil.example.com", "https:/evil.example.com",
	"https:///evil.example.com", "http:\\\\evil.example.com", "ftp://evil.example.com/", "ws://evil.example.com/", "//evil.example.com",
	"///evil.example.com", "////evil.example.com", "//evil.example.com/%2f..", "//evil.example.com:443/", "//[::1]/", "//127.0.0.1/", "//evil%2eexample%2ecom",
	"//site.example.com@evil.example.com/", "//alice:secret@evil.example.com/", "https://site.example.com@evil.example.com/", "https://site.example.com/",
	"//", "///", "//?", "//#", "// evil.example.com", "//\tevil.example.com", "//.", "//..", "//;evil.example.com",
	// other schemes
	"javascript:alert(1)", "JavaScript:alert(1)", "java\tscript:alert(1)", " javascript:alert(1)", "\x01javascript:alert(1)", "javascript://%0aalert(1)",
	"data:text/html,<script>alert(1)</script>", "vbscript:x", "file:///etc/passwd", "blob:https://evil.example.com/1", "about:blank", "mailto:a@example.com",
	"view-source:https://evil.example.com", "intent://evil#Intent;end", "x:/a",
	// backslashes, which browsers take for slashes
	"/\\evil.example.com", "/\\/evil.example.com", "\\/evil.example.com", "\\\\evil.example.com", "/\\\\evil.example.com", "/a\\..\\..\\evil", "/a\\b", "/%5cevil.example.com",
	"/%5Cevil.example.com", "/%255cevil.example.com", "/a/%5c..%5cb", "/\\\tevil.example.com",
	// what browsers drop
	"/\t/evil.example.com", "/\n/evil.example.com", "/\r/evil.example.com", "/\r\n/evil.example.com", "\t//evil.example.com", "\n//evil.example.com", " //evil.example.com",
	"/a\tb", "/a\n", "/\x00/evil.example.com", "/a\x00", "\x00/a", "/\x0b/evil.example.com", "/\x0c/evil.example.com", "/\x1f/evil", "/\x7f/evil", "/\u0085/evil",
	"/\u2028/evil", "/\u2029/evil", "/a?b=\tc", "/a#\n",
	// the same, encoded: a server behind may decode and redirect
	"/%09/evil.example.com", "/%0a/evil.example.com", "/%0d%0aLocation:%20https://evil.example.com", "/%0D%0ASet-Cookie:a=b", "/%00/evil", "/%2f/evil.example.com",
	"/%2fevil.example.com", "/%2F%2Fevil.example.com", "/%252fevil.example.com", "/%25252fevil.example.com", "/%252509/evil", "/%2525252525", "/%c2%85/evil", "/%e2%80%a8/evil",
	"/%20/evil.example.com", "/ /evil.example.com", "/%7f/evil",
	// CRLF
	"/a\r\nLocation: https://evil.example.com", "/a\r\n\r\n<script>", "/\r\nSet-Cookie: a=b", "/a?b\r\nX: y",
	// slashes of Unicode
	"/\uff0fevil.example.com", "\uff0f\uff0fevil.example.com", "/\u2215evil.example.com", "/\u2044evil.example.com", "/\u29f8evil.example.com", "/\uff3cevil.example.com",
	"/%ef%bc%8fevil.example.com", "/%e2%88%95evil.example.com",
	// no UTF-8
	"/\xff", "/\xc0\xaf/evil.example.com", "/%c0%af/evil.example.com", "/\xed\xa0\x80", "/%ff/",
	// dot segments
	"/.", "/..", "/./", "/../", "/.//evil.example.com", "/..//evil.example.com", "/a/..//evil.example.com", "/a/../../evil", "/%2e%2e//evil.example.com", "/%2e/", "/a/%2E%2e/b",
	"/.%2e/", "/%252e%252e/", "/..;/evil", "/.;x/evil", "/;/evil.example.com", "/;a//evil.example.com", "/a/.. /b", "/%2e%2e%2fevil", "/a/./b", "/a/.",
	// broken escapes
	"/%", "/%zz", "/a%2", "/%%32%66evil",
	// the log-in's own paths
	"/.auth", "/.auth/", "/.auth/login", "/.auth/logout", "/.auth/logout?x=1", "/.auth?x", "/.auth#x", "/.AUTH/logout", "/.auth%2flogout", "/%2eauth/logout", "/.auth;a=b/logout",
	"/.auth/../.auth/logout", "/.auth%252flogout", "/%2Eauth",
	// too long
	"/" + strings.Repeat("a", MaxTarget), "/" + strings.Repeat("ü", MaxTarget/2-1), "/" + strings.Repeat("%2e", 2000),
}

func TestHostileTargetsStayInside(t *testing.T) {
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
	for _, next := range hostile {
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
