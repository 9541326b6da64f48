package windowsauth

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fuzzTree is a module with one fuzz test, its corpus, and the script that
// make test runs.
func fuzzTree(t *testing.T, body string) string {
	t.Helper()
	script, err := os.ReadFile("integration/fuzz")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for path, text := range map[string]string{
		"integration/fuzz":                 string(script),
		"go.mod":                           "module example.com/parser\n\ngo 1.26\n",
		"p/testdata/fuzz/FuzzParser/first": "go test fuzz v1\nstring(\"seed\")\n",
		"p/p_test.go":                      "package p\n\nimport \"testing\"\n\nfunc FuzzParser(f *testing.F) {\n\tf.Fuzz(func(t *testing.T, s string) {\n" + body + "\n\t})\n}\n",
	} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil { //nolint:gosec // the script is run
			t.Fatal(err)
		}
	}
	return dir
}

func runFuzz(dir string, time string, env ...string) (string, error) {
	command := exec.Command(filepath.Join(dir, "integration/fuzz"), time)
	command.Env = append(os.Environ(), env...)
	said, err := command.CombinedOutput()
	return string(said), err
}

// TestFuzzFindsACrash by the real tool: the run fails, and names and shows the input.
func TestFuzzFindsACrash(t *testing.T) {
	dir := fuzzTree(t, "\t\tif s != \"seed\" {\n\t\t\tpanic(\"a crash\")\n\t\t}")
	said, err := runFuzz(dir, "20s")
	found, globErr := filepath.Glob(filepath.Join(dir, "p/testdata/fuzz/FuzzParser/*[0-9a-f]"))
	if err == nil || globErr != nil || len(found) != 1 {
		t.Fatalf("got %v, inputs %v, want a failure and one input:\n%s", err, found, said)
	}
	for _, want := range []string{"a crash", "fuzz: FuzzParser of ./p fails on the input in ./p/testdata/fuzz/FuzzParser/" + filepath.Base(found[0]), "go test fuzz v1\nstring("} {
		if !strings.Contains(said, want) {
			t.Errorf("the run does not say %q:\n%s", want, said)
		}
	}
}

func TestFuzzWantsACorpus(t *testing.T) {
	dir := fuzzTree(t, "")
	if err := os.Remove(filepath.Join(dir, "p/testdata/fuzz/FuzzParser/first")); err != nil {
		t.Fatal(err)
	}
	if said, err := runFuzz(dir, "1s"); err == nil || !strings.Contains(said, "FuzzParser in ./p has no corpus") {
		t.Errorf("got %v, want a failure for want of a corpus:\n%s", err, said)
	}
}

// TestFuzzRunsOutOfTime: only what Go says at the end of the time, and nothing
// that a test says, is run again, once.
func TestFuzzRunsOutOfTime(t *testing.T) {
	const late = "fuzz: elapsed: 31s, execs: 101343 (0/sec)\n--- FAIL: FuzzParser (31.00s)\n    context deadline exceeded\nFAIL\nexit status 1\n"
	const own = "x\n--- FAIL: FuzzParser (31.00s)\n    --- FAIL: FuzzParser (0.00s)\n        p_test.go:7: context deadline exceeded\nFAIL\n"
	for name, c := range map[string]struct {
		first, second string // what go says; it succeeds where that is empty
		runs          int
		fails         bool
	}{
		"late once":              {late, "", 2, false},
		"late twice":             {late, late, 2, true},
		"a failure after":        {late, own, 2, true},
		"the test's own":         {own, "", 1, true},
		"the test's setup":       {"x\n--- FAIL: FuzzParser (1.00s)\n    p_test.go:5: context deadline exceeded\nFAIL\n", "", 1, true},
		"late, and an input":     {late + "Failing input written to testdata/fuzz/FuzzParser/first\n", "", 1, true},
		"another thing besides":  {"x\n--- FAIL: FuzzParser (1.00s)\n    context deadline exceeded\n    fuzzing process hung\nFAIL\n", "", 1, true},
		"it does not even build": {"FAIL example.com/parser/p [build failed]\n", "", 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := fuzzTree(t, "")
			for file, text := range map[string]string{
				"first": c.first, "second": c.second,
				"go": "#!/bin/bash\necho run >>'" + dir + "/runs'\n[ $(wc -l <'" + dir + "/runs') = 1 ] && said='" + dir + "/first' || said='" + dir + "/second'\ncat \"$said\"\n[ ! -s \"$said\" ]\n",
			} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o700); err != nil { //nolint:gosec // go is run
					t.Fatal(err)
				}
			}
			said, err := runFuzz(dir, "1s", "PATH="+dir+":"+os.Getenv("PATH"))
			runs, readErr := os.ReadFile(filepath.Join(dir, "runs"))
			if readErr != nil || strings.Count(string(runs), "run") != c.runs || (err != nil) != c.fails {
				t.Errorf("got %d runs, %v, want %d, failure %v:\n%s", strings.Count(string(runs), "run"), err, c.runs, c.fails, said)
			}
		})
	}
}
