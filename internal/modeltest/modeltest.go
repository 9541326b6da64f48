// Package modeltest runs the models of state machines: any actions in any order, of which
// each is come to, since a model that passes all by shows nothing.
package modeltest

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Action is one step of a model.
type Action struct {
	// Ready reports whether there is something to do; nil is always.
	Ready func() bool
	Do    func(t *rapid.T)
}

// Actions are the steps of a model by name. One without a name is no step: it holds what is
// true before each of them.
type Actions map[string]Action

// Check runs a model many times. begin makes it anew, with what it is a model of.
func Check(t *testing.T, begin func(t *rapid.T) Actions) {
	t.Helper()
	taken := make(map[string]int)
	rapid.Check(t, func(t *rapid.T) { run(t, begin(t), taken) })
	for name, n := range taken {
		if n == 0 {
			t.Errorf("the model has never come to %q", name)
		}
	}
}

// run takes actions in any order, of those that are ready. There must be one at any time.
func run(t *rapid.T, actions Actions, taken map[string]int) {
	steps := map[string]func(*rapid.T){}
	if invariant, ok := actions[""]; ok {
		steps[""] = invariant.Do
	}
	names := slices.Sorted(maps.Keys(actions))
	names = slices.DeleteFunc(names, func(name string) bool { return name == "" })
	for _, name := range names {
		taken[name] += 0
	}
	steps["step"] = func(t *rapid.T) {
		ready := slices.DeleteFunc(slices.Clone(names), func(name string) bool {
			is := actions[name].Ready
			return is != nil && !is()
		})
		name := rapid.SampledFrom(ready).Draw(t, "action")
		actions[name].Do(t)
		taken[name]++
	}
	t.Repeat(steps)
}
