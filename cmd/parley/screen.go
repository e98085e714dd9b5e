package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/parley-go/parley/internal/printing"
	"github.com/parley-go/parley/transports/file"
	"github.com/schollz/progressbar/v3"
)

// screen shows the transcript as it grows and, on a terminal, where in the
// recording the call is.
type screen struct {
	out      io.Writer // of the transcript
	err      io.Writer // of the progress bar
	terminal bool
	doing    string // beside the bar

	mu  sync.Mutex // protects bar, and the order of what is printed
	bar *progressbar.ProgressBar
}

func newScreen(out io.Writer, con console) *screen {
	return &screen{out: out, err: con.err, terminal: con.terminal, doing: "calling"}
}

// progress moves the bar.
func (s *screen) progress(p file.Progress) {
	if !s.terminal || p.Total <= 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bar == nil {
		s.bar = progressbar.NewOptions64(p.Total.Milliseconds(),
			progressbar.OptionSetWriter(s.err),
			progressbar.OptionSetDescription(s.doing),
			progressbar.OptionSetWidth(30),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish(),
			progressbar.OptionSetPredictTime(false),
		)
	}
	if p.Tail {
		s.bar.Describe("listening")
	}
	// It only decorates: that it cannot be drawn is no reason to end a call.
	_ = s.bar.Set64(min(p.Position.Milliseconds(), p.Total.Milliseconds()-1))
}

// line prints what one side says. A sentence that was interrupted is printed
// again when it is known how much of it was heard.
func (s *screen) line(l Line) {
	text := printing.OneLine(l.Text)
	if l.Interrupted {
		text = "(interrupted; heard was: " + text + ")"
	}
	s.println(fmt.Sprintf("%s  %-6s  %s", printing.Clock(l.Start.Duration()), l.Who, text))
}

func (s *screen) println(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bar != nil {
		_ = s.bar.Clear()
	}
	fmt.Fprintln(s.out, text)
}

// done takes the bar away.
func (s *screen) done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bar != nil {
		_ = s.bar.Finish()
		s.bar = nil
	}
}
