package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// tree is a copy of the tree in which faults are planted.
type tree string

// verdict is what became of a fault.
type verdict struct {
	fault
	red  bool
	by   string // the first test that failed
	took time.Duration
}

func (v verdict) String() string {
	colour := "GREEN"
	if v.red {
		colour = "red"
	}
	return strings.TrimRight(fmt.Sprintf("%-5s %5.1fs  %-55s %s", colour, v.took.Seconds(), v.name, v.by), " ")
}

// copyTree copies what go test needs: everything but what starts with a dot.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		switch {
		case err != nil:
			return err
		case name != "." && strings.HasPrefix(entry.Name(), "."):
			if entry.IsDir() {
				return filepath.SkipDir
			}
			return nil
		case entry.IsDir():
			return os.MkdirAll(filepath.Join(to, name), 0o700)
		case !entry.Type().IsRegular():
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), text, 0o600)
	})
}

// try plants a fault, runs its tests and takes it out again. A fault that does
// not compile proves nothing, so it is an error.
func (t tree) try(f fault) (v verdict, err error) {
	began := time.Now()
	v.fault = f
	if err := f.applies(os.DirFS(string(t))); err != nil {
		return v, err
	}
	restore, err := t.plant(f)
	defer func() { err = errors.Join(err, restore()) }()
	if err != nil {
		return v, err
	}
	out, passed, err := t.test(f.packages)
	v.took = time.Since(began)
	if err != nil || passed {
		return v, err
	}
	if v.by = failure(out); v.by == "" {
		return v, fmt.Errorf("%s: the tests did not run:\n%s", f.name, out)
	}
	v.red = true
	return v, nil
}

// sound holds that the tests pass where no fault is planted.
func (t tree) sound(faults []fault) error {
	var all []string
	for _, f := range faults {
		all = append(all, f.packages...)
	}
	slices.Sort(all)
	out, passed, err := t.test(slices.Compact(all))
	if err == nil && !passed {
		err = fmt.Errorf("the tests fail without a fault:\n%s", out)
	}
	return err
}

// test runs the tests of packages, short and without the race detector: a
// fault needs no luck to be found.
func (t tree) test(packages []string) (out string, passed bool, err error) {
	args := []string{"test", "-short", "-count=1", "-failfast", "-vet=off", "-timeout=90s", "-ldflags=-s -w"}
	command := exec.Command("go", append(args, packages...)...)
	command.Dir = string(t)
	text, err := command.CombinedOutput()
	if _, failed := errors.AsType[*exec.ExitError](err); failed {
		return string(text), false, nil
	}
	return string(text), err == nil, err
}

var (
	failedTest = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)
	crash      = regexp.MustCompile(`(?m)^(panic: .*|fatal error: .*|goleak: .*)$`)
)

// failure names what failed, or nothing where the tests were not built.
func failure(out string) string {
	if strings.Contains(out, "[build failed]") || strings.Contains(out, "[setup failed]") {
		return ""
	}
	if all := failedTest.FindAllStringSubmatch(out, -1); all != nil {
		return all[len(all)-1][1] // the innermost
	}
	return crash.FindString(out)
}

// plant makes the edits and gives the way back.
func (t tree) plant(f fault) (restore func() error, err error) {
	before := make(map[string][]byte)
	restore = func() error {
		var errs []error
		for path, text := range before {
			errs = append(errs, os.WriteFile(path, text, 0o600))
		}
		return errors.Join(errs...)
	}
	for _, e := range f.edits {
		path := filepath.Join(string(t), e.file)
		text, err := os.ReadFile(path)
		if err != nil {
			return restore, err
		}
		if before[path] == nil {
			before[path] = text
		}
		planted := strings.Replace(string(text), e.before, e.after, 1)
		if err := os.WriteFile(path, []byte(planted), 0o600); err != nil {
			return restore, err
		}
	}
	return restore, nil
}
