package sonictest

import (
	"container/heap"
	"time"
)

// timers are things to do at an age of the stream, in order of time, and of
// their making where that is the same.
type timers struct {
	heap timerHeap
	made int
}

type timer struct {
	at   time.Duration
	made int
	do   func()
}

// add has f called at age at.
func (t *timers) add(at time.Duration, f func()) {
	t.made++
	heap.Push(&t.heap, timer{at: at, made: t.made, do: f})
}

// next returns when the next one is due.
func (t *timers) next() (time.Duration, bool) {
	if len(t.heap) == 0 {
		return 0, false
	}
	return t.heap[0].at, true
}

// pop takes the next one.
func (t *timers) pop() timer { return heap.Pop(&t.heap).(timer) }

type timerHeap []timer

func (h timerHeap) Len() int      { return len(h) }
func (h timerHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h timerHeap) Less(i, j int) bool {
	if h[i].at != h[j].at {
		return h[i].at < h[j].at
	}
	return h[i].made < h[j].made
}

func (h *timerHeap) Push(x any) { *h = append(*h, x.(timer)) }

func (h *timerHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = timer{}
	*h = old[:len(old)-1]
	return last
}
