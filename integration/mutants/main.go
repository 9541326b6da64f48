// Command mutants plants the faults of faults.txt, one at a time, in a copy of
// the tree, and runs the tests that should find them. A fault that no test
// finds, or that can no longer be planted, makes it exit 1.
package main

import (
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"
)

//go:embed faults.txt
var data string

func main() {
	root := flag.String("root", ".", "the tree")
	only := flag.String("run", "", "plant the faults whose names match this expression alone")
	workers := flag.Int("j", 2, "faults at once")
	flag.Parse()
	if err := run(*root, *only, *workers); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(root, only string, workers int) error {
	wanted, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	all, err := parse(data)
	if err != nil {
		return err
	}
	var chosen []fault
	for _, f := range all {
		if err := f.applies(os.DirFS(root)); err != nil {
			return err
		}
		if wanted.MatchString(f.name) {
			chosen = append(chosen, f)
		}
	}
	began := time.Now()
	found, err := plantAll(root, chosen, workers)
	fmt.Printf("%d of %d faults found in %v\n", found, len(chosen), time.Since(began).Round(time.Second))
	if err == nil && found < len(chosen) {
		return errors.New("a fault stays green")
	}
	return err
}

// plantAll gives each worker a copy of its own and hands it one fault after
// another. It counts those that a test finds.
func plantAll(root string, faults []fault, workers int) (found int, err error) {
	base, err := os.MkdirTemp("", "caddy-ntlm-mutants-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(base)) }()
	var (
		mu   sync.Mutex
		wg   sync.WaitGroup
		jobs = make(chan fault)
		errs []error
	)
	for i := range workers {
		dir := filepath.Join(base, fmt.Sprint(i))
		if err := copyTree(root, dir); err != nil {
			return 0, err
		}
		if i == 0 {
			if err := tree(dir).sound(faults); err != nil {
				return 0, err
			}
		}
		wg.Go(func() {
			for f := range jobs {
				v, err := tree(dir).try(f)
				mu.Lock()
				if err != nil {
					errs = append(errs, err)
				}
				if v.red {
					found++
				}
				fmt.Println(v)
				mu.Unlock()
			}
		})
	}
	for _, f := range faults {
		jobs <- f
	}
	close(jobs)
	wg.Wait()
	return found, errors.Join(errs...)
}
