package store

import "container/list"

// recent is a map of bounded size, which forgets what was used longest ago.
type recent[K comparable, V any] struct {
	most    int
	entries map[K]*list.Element
	order   *list.List // of item, the youngest first
}

type item[K comparable, V any] struct {
	key   K
	value V
}

// newRecent holds at most so many, and one at least.
func newRecent[K comparable, V any](most int) *recent[K, V] {
	return &recent[K, V]{most: max(most, 1), entries: make(map[K]*list.Element), order: list.New()}
}

// get is the value of a key, where there is one.
func (r *recent[K, V]) get(key K) (v V, ok bool) {
	e, ok := r.entries[key]
	if !ok {
		return v, false
	}
	r.order.MoveToFront(e)
	return e.Value.(item[K, V]).value, true
}

func (r *recent[K, V]) set(key K, value V) {
	if e, ok := r.entries[key]; ok {
		e.Value = item[K, V]{key, value}
		r.order.MoveToFront(e)
		return
	}
	if r.full() {
		r.remove(r.order.Back().Value.(item[K, V]).key)
	}
	r.entries[key] = r.order.PushFront(item[K, V]{key, value})
}

// full reports whether one more would push another out.
func (r *recent[K, V]) full() bool { return r.order.Len() >= r.most }

func (r *recent[K, V]) remove(key K) {
	if e, ok := r.entries[key]; ok {
		r.order.Remove(e)
		delete(r.entries, key)
	}
}

// oldest is what was used longest ago, and ok whether there is anything.
func (r *recent[K, V]) oldest() (key K, value V, ok bool) {
	e := r.order.Back()
	if e == nil {
		return key, value, false
	}
	i := e.Value.(item[K, V])
	return i.key, i.value, true
}

func (r *recent[K, V]) each(visit func(K, V) bool) {
	for key, e := range r.entries {
		if !visit(key, e.Value.(item[K, V]).value) {
			return
		}
	}
}
