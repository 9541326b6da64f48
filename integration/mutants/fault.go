package main

import (
	"fmt"
	"io/fs"
	"strings"
)

// fault is a mistake that somebody could make: pieces of source replaced by
// others, and the packages whose tests must notice.
type fault struct {
	name     string
	packages []string
	edits    []edit
}

// edit replaces one piece of one file, which stands there exactly once.
type edit struct{ file, before, after string }

// The lines that stand between the parts of faults.txt.
const (
	markName    = "## "
	markTest    = "test "
	markFile    = "file "
	markBefore  = "<<<<"
	markBetween = "===="
	markAfter   = ">>>>"
)

// parse reads faults.txt; its own head says how it is written.
func parse(text string) ([]fault, error) {
	var all []fault
	var file string
	lines := strings.SplitAfter(text, "\n")
	for i := 0; i < len(lines); i++ {
		line := strings.TrimSuffix(lines[i], "\n")
		if name, ok := strings.CutPrefix(line, markName); ok {
			all, file = append(all, fault{name: name}), ""
			continue
		}
		if len(all) == 0 || line == "" {
			continue // the head, and space
		}
		f := &all[len(all)-1]
		switch {
		case strings.HasPrefix(line, markTest):
			f.packages = strings.Fields(strings.TrimPrefix(line, markTest))
		case strings.HasPrefix(line, markFile):
			file = strings.TrimPrefix(line, markFile)
		case line == markBefore && file != "":
			e := edit{file: file}
			if i, e.before = until(lines, i+1, markBetween); i < len(lines) {
				i, e.after = until(lines, i+1, markAfter)
			}
			if i == len(lines) {
				return nil, fmt.Errorf("faults.txt: %s: an edit without its end", f.name)
			}
			f.edits = append(f.edits, e)
		default:
			return nil, fmt.Errorf("faults.txt:%d: what does %q mean?", i+1, line)
		}
	}
	for _, f := range all {
		if len(f.packages) == 0 || len(f.edits) == 0 {
			return nil, fmt.Errorf("faults.txt: %s has no test or no edit", f.name)
		}
	}
	return all, nil
}

// until gathers lines up to a mark, and gives the mark's place.
func until(lines []string, from int, mark string) (int, string) {
	for i := from; i < len(lines); i++ {
		if strings.TrimSuffix(lines[i], "\n") == mark {
			return i, strings.Join(lines[from:i], "")
		}
	}
	return len(lines), ""
}

// applies reports what keeps a fault from being planted in a tree.
func (f fault) applies(tree fs.FS) error {
	for _, e := range f.edits {
		text, err := fs.ReadFile(tree, e.file)
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		if n := strings.Count(string(text), e.before); n != 1 {
			return fmt.Errorf("%s: %s has the text %d times, want once; mend faults.txt:\n%s", f.name, e.file, n, e.before)
		}
	}
	return nil
}
