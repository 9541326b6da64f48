package adapt

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

// Every example adapts as it stands, and says in two lines of comment what it
// shows.
func TestExamples(t *testing.T) {
	for _, file := range files(t, filepath.Join(root, "examples/*.caddyfile")) {
		text := read(t, file)
		if _, err := adapt(file, text); err != nil {
			t.Errorf("%v", err)
		}
		lines := strings.SplitN(string(text), "\n", 3)
		if len(lines) < 3 || !strings.HasPrefix(lines[0], "# ") || !strings.HasPrefix(lines[1], "# ") {
			t.Errorf("%s: no two lines of comment at the top", file)
		}
	}
}

// fence is a Caddyfile in a page: "```caddyfile", or "```caddyfile bad" for one
// that shows a mistake.
type fence struct {
	place string // file:line of its first line
	bad   bool
	text  []byte
}

// fences finds the Caddyfiles of a page.
func fences(file string, page []byte) []fence {
	var found []fence
	mark, inside := "", false
	for i, text := range strings.SplitAfter(string(page), "\n") {
		bare := strings.TrimSpace(text)
		switch {
		case mark != "" && strings.HasPrefix(bare, mark) && strings.Trim(bare, mark[:1]) == "":
			mark, inside = "", false
		case mark != "":
			if inside {
				last := &found[len(found)-1]
				last.text = append(last.text, text...)
			}
		case strings.HasPrefix(bare, "```"), strings.HasPrefix(bare, "~~~"):
			info := strings.TrimLeft(bare, bare[:1])
			mark = bare[:len(bare)-len(info)]
			words := strings.Fields(info)
			if inside = len(words) > 0 && words[0] == "caddyfile"; inside {
				found = append(found, fence{place: fmt.Sprintf("%s:%d", file, i+2), bad: len(words) > 1 && words[1] == "bad"})
			}
		}
	}
	return found
}

// pages are the pages of the project, with whatever is written so far.
func pages(t *testing.T) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && file != root && strings.HasPrefix(entry.Name(), ".") {
			return fs.SkipDir
		}
		if filepath.Ext(file) == ".md" {
			found = append(found, file)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// A Caddyfile in a page works when it is copied, and one that is said to be
// wrong is refused.
func TestPages(t *testing.T) {
	for _, file := range pages(t) {
		for _, f := range fences(file, read(t, file)) {
			_, err := adapt(f.place, f.text)
			if err != nil && !f.bad {
				t.Errorf("%s: %v", f.place, err)
			}
			if err == nil && f.bad {
				t.Errorf("%s: adapts, and the page says it does not", f.place)
			}
		}
	}
}

// oneLine finds a block with a whole line or more in it on one line, which Caddy
// refuses; { … } and { word } say no more than which block is meant.
var oneLine = regexp.MustCompile(`[a-z>] \{ [^}]*[^ }][ ,][^}]*[^ }]`)

// Nobody is shown a block that Caddy would not take, neither in the text of a page
// nor in an error.
func TestBlocksHaveLines(t *testing.T) {
	inline := regexp.MustCompile("`[^`\n]+`")
	for _, file := range pages(t) {
		for _, code := range inline.FindAll(read(t, file), -1) {
			if filepath.Base(file) != "CHANGELOG.md" && oneLine.Match(code) {
				t.Errorf("%s: %s", file, code)
			}
		}
	}
	for _, file := range files(t, "bad/*.err") {
		if text := read(t, file); oneLine.Match(text) {
			t.Errorf("%s: %s", file, text)
		}
	}
	for text, want := range map[string]bool{
		"tls { trust_pool file ca.pem }": true, "user { filter … }": true, "map { fallback <role>…, <attribute> <role>… }": true,
		"require all { … none { … } }": true, "server <url> { server_name <name> }": true, "require all { … }": false, "cache { ttl }": false,
		"tls { … } with trust_pool <module> …, server_name <name>": false, "{http.auth.user.id}": false, "DC={user},DC=x": false,
	} {
		if got := oneLine.MatchString(text); got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}

// TestHintsHaveLines: nor is anybody in a hint or error that no page shows.
func TestHintsHaveLines(t *testing.T) {
	for _, room := range []string{"caddyfile", "caddyldap", "caddyntlm", "diag", "internal/policy"} {
		for _, file := range files(t, filepath.Join(root, room, "*.go")) {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			set := token.NewFileSet()
			parsed, err := parser.ParseFile(set, file, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				if text, ok := n.(*ast.BasicLit); ok && text.Kind == token.STRING && !strings.Contains(text.Value, "\n") && oneLine.MatchString(text.Value) {
					t.Errorf("%s: %s", set.Position(text.Pos()), text.Value)
				}
				return true
			})
		}
	}
}

func TestFences(t *testing.T) {
	page := "text\n```caddyfile\na\nb\n```\n~~~~ caddyfile bad\n```\nc\n~~~~\n```\nd\n```\n```sh\ne\n```\n"
	got := fences("p.md", []byte(page))
	want := []fence{{"p.md:3", false, []byte("a\nb\n")}, {"p.md:7", true, []byte("```\nc\n")}}
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range want {
		if got[i].place != want[i].place || got[i].bad != want[i].bad || !bytes.Equal(got[i].text, want[i].text) {
			t.Errorf("got %v, want %v", got[i], want[i])
		}
	}
}
