package novasonic

import (
	"context"
	"runtime/debug"
	"strings"

	"github.com/parley-go/parley/internal/spoken"
	"github.com/parley-go/parley/pipeline"
)

const (
	// summarizeFrom is how long the history is when its older part is
	// summarised: before it is cut. summarizeTo is what is left of it as it is.
	summarizeFrom = maxHistoryBytes * 9 / 10
	summarizeTo   = maxHistoryBytes * 6 / 10
)

// summary stands for the oldest entries of the transcript.
type summary struct {
	last *entry // of those that it stands for
	text string
}

// summarize has the application shorten a history that has grown too long, in
// the background.
func (v *conversation) summarize(ctx context.Context) {
	hook := v.cfg.Continuation.Summarize
	if hook == nil || v.summarizing {
		return
	}
	old, last := v.past.outgrown(summarizeFrom, summarizeTo)
	if last == nil {
		return
	}
	v.summarizing = true
	v.tasks.Go(func() {
		text, err := func() (text string, err error) {
			defer func() {
				if p := recover(); p != nil {
					err = &pipeline.PanicError{Value: p, Stack: debug.Stack()}
				}
			}()
			return hook(ctx, old)
		}()
		if err != nil {
			v.log.Warn("summarize history failed, the oldest part is left out", "error", err)
			text = ""
		}
		_ = v.post(ctx, summarized{last: last, text: text})
	})
}

func (v *conversation) summarized(s summary) {
	v.summarizing = false
	if text := strings.TrimSpace(s.text); text != "" {
		v.past.replace(s.last, "[What was said before, in short: "+spoken.KeepStart(text, maxMessageBytes/2)+"]")
	}
}
