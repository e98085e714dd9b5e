package novasonic_test

import (
	"bytes"
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-go/parley/internal/soak"
	"github.com/parley-go/parley/services/novasonic"
)

// sabotage breaks the engine on purpose, from where it cannot be seen: between
// it and its streams. Its methods are called with what a stream is about to
// send, and with what it has received; they return what is sent and received
// instead.
type sabotage struct {
	send func(s *broken, e event) [][]byte
	recv func(s *broken, e event) [][]byte
	shut func(s *broken) bool // reports whether the half-close is kept back
}

// call is what the broken streams of a conversation know of each other.
type brokenCall struct {
	sabotage
	mu      sync.Mutex
	streams []*broken
}

// before returns the stream that was opened before s and hears audio, or nil.
func (c *brokenCall) before(s *broken) *broken {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range slices.Backward(c.streams) {
		if o.number < s.number && o.listens.Load() {
			return o
		}
	}
	return nil
}

// event is an event of either side.
type event struct {
	name, kind, role string
	interactive      bool
	raw              []byte
}

var eventName = regexp.MustCompile(`^\{"event":\{"(\w+)"`)

func parse(raw []byte) event {
	e := event{raw: raw}
	if m := eventName.FindSubmatch(raw); m != nil {
		e.name = string(m[1])
	}
	if e.name == "contentStart" {
		var doc struct {
			Event map[string]struct {
				Type, Role  string
				Interactive bool
			}
		}
		if json.Unmarshal(raw, &doc) == nil {
			d := doc.Event[e.name]
			e.kind, e.role, e.interactive = d.Type, d.Role, d.Interactive
		}
	}
	return e
}

// broken is a stream in the hands of a sabotage.
type broken struct {
	novasonic.Stream
	call   *brokenCall
	number int

	listens   flag // its AUDIO block is open
	began     time.Time
	audio     int // audioInput events so far
	inHistory bool
	inTool    bool
	kept      [][]byte // what the sabotage keeps back
	block     string   // its AUDIO block's names, as in an event
	left      flag     // a later stream listens
	pending   [][]byte // received, and still to be given
}

type flag struct {
	mu sync.Mutex
	on bool
}

func (f *flag) Load() bool { f.mu.Lock(); defer f.mu.Unlock(); return f.on }
func (f *flag) Set()       { f.mu.Lock(); defer f.mu.Unlock(); f.on = true }

var names = regexp.MustCompile(`"promptName":"[^"]*","contentName":"[^"]*"`)

func (s *broken) Send(ctx context.Context, raw []byte) error {
	e := parse(raw)
	switch {
	case e.name == "contentStart" && e.kind == "AUDIO":
		if old := s.call.before(s); old != nil {
			old.left.Set()
		}
		s.block = string(names.Find(raw))
		s.began = time.Now()
		s.listens.Set()
	case e.name == "contentStart":
		s.inHistory = e.kind == "TEXT" && !e.interactive && (e.role == "USER" || e.role == "ASSISTANT")
		s.inTool = e.kind == "TOOL"
	case e.name == "audioInput":
		s.audio++
	}
	events := [][]byte{raw}
	if s.call.send != nil {
		events = s.call.send(s, e)
	}
	if e.name == "contentEnd" {
		s.inHistory, s.inTool = false, false
	}
	for _, b := range events {
		if err := s.Stream.Send(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

func (s *broken) Recv(ctx context.Context) ([]byte, error) {
	for len(s.pending) == 0 {
		raw, err := s.Stream.Recv(ctx)
		if err != nil || s.call.recv == nil {
			return raw, err
		}
		s.pending = s.call.recv(s, parse(raw))
	}
	raw := s.pending[0]
	s.pending = s.pending[1:]
	return raw, nil
}

func (s *broken) CloseSend() error {
	if s.call.shut != nil && s.call.shut(s) {
		return nil
	}
	return s.Stream.CloseSend()
}

func same(e event) [][]byte { return [][]byte{bytes.Clone(e.raw)} }

// first reports whether e is the nth piece of audio that a successor hears.
func (s *broken) nth(e event, n int) bool {
	return s.number > 0 && e.name == "audioInput" && s.audio == n
}

// TestTheOracleNoticesABrokenEngine breaks the engine in many ways, and each
// time the soak must say so, in the words of the guarantee that is broken.
func TestTheOracleNoticesABrokenEngine(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: hours of conversation are left out; run without it")
	}
	once := func(done *bool) bool { was := *done; *done = true; return !was }
	for name, tc := range map[string]struct {
		breaks func() sabotage
		want   string // a prefix of one of the violations
	}{
		"drops the first piece of audio after the cut": {func() sabotage {
			return sabotage{send: func(s *broken, e event) [][]byte {
				if s.nth(e, 1) {
					return nil
				}
				return same(e)
			}}
		}, "G1"},
		"drops a piece of audio later on": {func() sabotage {
			return sabotage{send: func(s *broken, e event) [][]byte {
				if s.nth(e, 20) {
					return nil
				}
				return same(e)
			}}
		}, "G1"},
		"sends a piece of audio twice": {func() sabotage {
			return sabotage{send: func(s *broken, e event) [][]byte {
				if s.nth(e, 1) {
					return append(same(e), bytes.Clone(e.raw))
				}
				return same(e)
			}}
		}, "G1 heard twice"},
		"sends two pieces of audio in the wrong order": {func() sabotage {
			return sabotage{send: func(s *broken, e event) [][]byte {
				switch {
				case s.nth(e, 3):
					s.kept = same(e)
					return nil
				case s.nth(e, 4):
					return append(same(e), s.kept...)
				}
				return same(e)
			}}
		}, "G1"},
		"lets the old stream go on listening": {func() sabotage {
			return sabotage{send: func(s *broken, e event) [][]byte {
				if old := s.call.before(s); e.name == "audioInput" && old != nil && old.left.Load() {
					copied := strings.Replace(string(e.raw), s.block, old.block, 1)
					_ = old.Stream.Send(context.Background(), []byte(copied))
				}
				return same(e)
			}}
		}, "G1"},
		"closes the old stream before it has said all": {func() sabotage {
			return sabotage{recv: func(s *broken, e event) [][]byte {
				if s.left.Load() {
					s.Stream.Abort(nil)
				}
				return same(e)
			}, send: func(s *broken, e event) [][]byte {
				if old := s.call.before(s); e.kind == "AUDIO" && old != nil {
					old.Stream.Abort(nil)
				}
				return same(e)
			}}
		}, "G7"},
		"drops what the old stream still says": {func() sabotage {
			return sabotage{recv: func(s *broken, e event) [][]byte {
				if e.name == "audioOutput" && s.left.Load() {
					return nil
				}
				return same(e)
			}}
		}, "G3"},
		"drops a piece of an answer": {func() sabotage {
			var done bool
			return sabotage{recv: func(s *broken, e event) [][]byte {
				if s.number > 0 && e.name == "audioOutput" && once(&done) {
					return nil
				}
				return same(e)
			}}
		}, "G3"},
		"plays a piece of an answer twice": {func() sabotage {
			var done bool
			return sabotage{recv: func(s *broken, e event) [][]byte {
				if s.number > 0 && e.name == "audioOutput" && once(&done) {
					return append(same(e), bytes.Clone(e.raw))
				}
				return same(e)
			}}
		}, "G3 repeated"},
		"answers late after the cut": {func() sabotage {
			return sabotage{recv: func(s *broken, e event) [][]byte {
				if s.number > 0 && e.name == "contentStart" && e.kind == "AUDIO" {
					time.Sleep(300 * time.Millisecond)
				}
				return same(e)
			}}
		}, "G4"},
		"tells no history": {func() sabotage {
			return sabotage{send: func(s *broken, e event) [][]byte {
				if s.inHistory {
					return nil
				}
				return same(e)
			}}
		}, "G5"},
		"tells a history without its end": {func() sabotage {
			return sabotage{send: func(s *broken, e event) [][]byte {
				if s.inHistory && e.name == "textInput" {
					return [][]byte{bytes.Replace(e.raw, []byte(" "), []byte(" not "), 1)}
				}
				return same(e)
			}}
		}, "G5"},
		"tells the history after audio": {func() sabotage {
			return sabotage{send: func(s *broken, e event) [][]byte {
				if s.inHistory {
					s.kept = append(s.kept, bytes.Clone(e.raw))
					return nil
				}
				if s.nth(e, 1) {
					return append(same(e), s.kept...)
				}
				return same(e)
			}}
		}, "G5"},
		"forgets the result of a tool": {func() sabotage {
			return sabotage{send: func(s *broken, e event) [][]byte {
				if s.inTool {
					return nil
				}
				return same(e)
			}}
		}, "G6 tool result lost"},
		"gives a tool's result twice": {func() sabotage {
			return sabotage{send: func(s *broken, e event) [][]byte {
				if !s.inTool {
					return same(e)
				}
				s.kept = append(s.kept, bytes.Clone(e.raw))
				if e.name != "contentEnd" {
					return nil
				}
				all := s.kept
				s.kept = nil
				var again [][]byte
				for _, b := range all {
					again = append(again, regexp.MustCompile(`"contentName":"`).ReplaceAll(b, []byte(`"contentName":"again-`)))
				}
				return append(all, again...)
			}}
		}, "protocol"},
		"never closes a stream": {func() sabotage {
			return sabotage{send: func(s *broken, e event) [][]byte {
				if e.name == "promptEnd" || e.name == "sessionEnd" {
					return nil
				}
				return same(e)
			}, shut: func(*broken) bool { return true }}
		}, "G7"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Conversations of some ten minutes with a dozen moves, tools and
			// barge-ins, and with no violation otherwise. What is broken need not
			// come up in the first.
			var seen []map[string]int
			for _, seed := range []uint64{8, 24, 10} {
				report, err := soak.Run(t.Context(), soak.Options{
					Replay: &seed, Faults: "none", Workers: 1,
					Configure: func(c *novasonic.Config) {
						call := &brokenCall{sabotage: tc.breaks()}
						novasonic.Sabotage(c, func(n int, s novasonic.Stream) novasonic.Stream {
							b := &broken{Stream: s, call: call, number: n}
							call.mu.Lock()
							defer call.mu.Unlock()
							call.streams = append(call.streams, b)
							return b
						})
					},
				})
				if err != nil {
					t.Fatal(err)
				}
				for kind := range report.ByKind {
					if strings.HasPrefix(kind, tc.want) {
						return
					}
				}
				seen = append(seen, report.ByKind)
			}
			t.Errorf("the oracle saw %v, want something of %s", seen, tc.want)
		})
	}
}
