package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// key is what was touched.
type key int

const (
	keySpace key = iota + 1
	keyEnd       // Ctrl-C, Ctrl-D or q
	keyKill      // Ctrl-C once more
)

// grab takes over the terminal, so that each key is known at once, and mutes the
// microphone until one is. restore gives it back.
func (t *talking) grab() (restore func(), err error) {
	in := t.con.in
	if in == nil || !term.IsTerminal(int(in.Fd())) {
		return nil, usageError{errors.New("--push-to-talk: standard input is not a terminal, so that no space bar can be seen: run it in one, or leave it out")}
	}
	state, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, fmt.Errorf("watch the space bar: %w", err)
	}
	t.keys = make(chan key)
	t.mic.Mute(true)
	gone := make(chan struct{})
	go readKeys(in, t.keys, gone)
	// A terminal of which every key is read does not begin lines by itself.
	t.con.out, t.con.err, t.human = rawLines{t.con.out}, rawLines{t.con.err}, rawLines{t.human}
	return func() {
		close(gone)
		_ = term.Restore(int(in.Fd()), state) // nothing else could be done
	}, nil
}

// readKeys reads keys until nobody wants them. Nothing can call a reader of a
// terminal back: it is left behind with the program.
func readKeys(in *os.File, keys chan<- key, gone <-chan struct{}) {
	b := make([]byte, 64)
	interrupted := false
	for {
		n, err := in.Read(b)
		for _, c := range b[:n] {
			k := keySpace
			switch c {
			case ' ':
			case 3, 4, 'q':
				k = keyEnd
				if interrupted {
					k = keyKill
				}
				interrupted = true
			default:
				continue
			}
			select {
			case keys <- k:
			case <-gone:
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// rawLines ends lines as a raw terminal needs it.
type rawLines struct{ io.Writer }

func (l rawLines) Write(p []byte) (int, error) {
	if _, err := l.Writer.Write(bytes.ReplaceAll(p, []byte("\n"), []byte("\r\n"))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// touch makes of what a terminal tells of the space bar, which is that it was
// pressed and never that it was let go, when somebody wants to talk: while it is
// held, which shows in that it repeats, or from one touch to the next.
type touch struct {
	talking bool
	held    bool
	last    time.Time
	timer   *time.Timer
}

const (
	// A key that is held repeats at least so often, once it does.
	repeats = 100 * time.Millisecond

	// letGo is how long after the last repeat it is known that it was let go.
	letGo = 250 * time.Millisecond
)

// press is called for each.
func (t *touch) press(now time.Time) {
	since := now.Sub(t.last)
	t.last = now
	switch {
	case !t.talking:
		t.talking, t.held = true, false
		t.wait(0)
	case t.held || since <= repeats:
		t.held = true
		t.wait(letGo)
	default:
		// Either the second touch, or the first repeat: the next shows.
		t.wait(repeats + repeats/4)
	}
}

// wait sets when over is due; 0 means never.
func (t *touch) wait(d time.Duration) {
	if t.timer != nil {
		t.timer.Stop()
	}
	t.timer = nil
	if d > 0 {
		t.timer = time.NewTimer(d)
	}
}

// over tells when release is to be called.
func (t *touch) over() <-chan time.Time {
	if t.timer == nil {
		return nil
	}
	return t.timer.C
}

// release ends the talk.
func (t *touch) release() { t.talking, t.held, t.timer = false, false, nil }
