// Package tracks has what processors need that know something of each track of
// audio: a map that is bounded ([Map]), and errors that are not reported with every
// frame ([Complaints]).
package tracks

import (
	"iter"
	"maps"
	"slices"
)

// Most is how many tracks are known at a time.
const Most = 64

// Map holds what is known of each track, of up to [Most] of them: the one that has
// not been asked for longest makes room. The zero Map is empty and ready. One
// goroutine at a time uses it.
type Map[T any] struct {
	items map[string]*item[T]
	turn  int64 // counts uses
}

type item[T any] struct {
	value T
	used  int64
}

// Get returns what is known of a track, and counts as a use of it.
func (m *Map[T]) Get(track string) (value T, ok bool) {
	i := m.items[track]
	if i == nil {
		return value, false
	}
	m.turn++
	i.used = m.turn
	return i.value, true
}

// Room returns which track must go before another can be put in, if any: the
// caller finishes and deletes it. It is no use of it.
func (m *Map[T]) Room() (leaves string, full bool) {
	if len(m.items) < Most {
		return "", false
	}
	for track, i := range m.items {
		if !full || i.used < m.items[leaves].used {
			leaves, full = track, true
		}
	}
	return leaves, full
}

// Put says what is known of a track. If there is no room, that which [Map.Room]
// returns is forgotten.
func (m *Map[T]) Put(track string, value T) {
	if m.items == nil {
		m.items = make(map[string]*item[T])
	}
	if m.items[track] == nil {
		if leaves, full := m.Room(); full {
			delete(m.items, leaves)
		}
	}
	m.turn++
	m.items[track] = &item[T]{value, m.turn}
}

// Delete forgets a track.
func (m *Map[T]) Delete(track string) { delete(m.items, track) }

// All goes through the tracks in the order of their names. The map may be changed
// meanwhile. It is no use of them.
func (m *Map[T]) All() iter.Seq2[string, T] {
	return func(yield func(string, T) bool) {
		for _, track := range slices.Sorted(maps.Keys(m.items)) {
			if i := m.items[track]; i != nil && !yield(track, i.value) {
				return
			}
		}
	}
}
