package turn_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/pipeline/pipelinetest"
	"github.com/parley-go/parley/processors/turn"
)

const (
	ms   = time.Millisecond
	rate = audio.Rate16k
)

var yes = turn.EndOfTurnFunc(func(context.Context, turn.Utterance) (float64, error) { return 1, nil })

// call is a conversation in virtual time. The caller's audio comes every 20 ms;
// what a detector, a recogniser, a service and an output tell is said by the test.
type call struct {
	*pipelinetest.Harness
	t     *testing.T
	turns *turn.Processor
	at    audio.Position // the end of the caller's audio
	mute  bool           // the transport sends no audio
	loud  bool           // the caller's audio is not silence
}

// holding lets during hold a conversation with turns of this configuration.
func holding(t *testing.T, cfg turn.Config, during func(c *call)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := turn.New(cfg)
		c := &call{t: t, turns: p, Harness: pipelinetest.New(t, p, p.Tap(), interruptions())}
		during(c)
	})
}

// interrupted is a frame that stands for an Interruption, which a harness does not
// show.
type interrupted struct {
	frames.System
	reason string
}

func (f *interrupted) String() string { return "Interruption(" + f.reason + ")" }

func interruptions() pipeline.Processor {
	return pipeline.Func(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
		if i, ok := f.(*frames.Interruption); ok {
			return out.Send(ctx, &interrupted{reason: i.Reason}, frames.Downstream)
		}
		return out.Send(ctx, f, dir)
	})
}

// wait lets audio come for a while.
func (c *call) wait(d time.Duration) {
	c.t.Helper()
	const piece = 20 * ms
	for ; d > 0; d -= piece {
		c.Advance(min(d, piece))
		n := rate.Samples(min(d, piece))
		if !c.mute {
			samples := make([]int16, n)
			if c.loud {
				for i := range samples {
					samples[i] = 1000
				}
			}
			c.Send(&frames.AudioInput{Audio: frames.Audio{Format: audio.Mono(rate), Samples: samples, Track: "caller", Position: c.at}})
		}
		c.at += audio.Position(n)
	}
}

// hesitation is how long the detector takes to be sure of a silence.
const hesitation = 200 * ms

func (c *call) starts() {
	c.t.Helper()
	c.loud = true
	c.Send(&frames.VADStarted{Track: "caller", Position: c.at, Rate: rate})
}

// stops ends the voice, of which the detector tells a little later.
func (c *call) stops() {
	c.t.Helper()
	c.loud = false
	end := c.at
	c.wait(hesitation)
	c.Send(&frames.VADStopped{Track: "caller", Position: end, Rate: rate})
}

// speaks is a voice that lasts for d.
func (c *call) speaks(d time.Duration) {
	c.t.Helper()
	c.starts()
	c.wait(d)
	c.stops()
}

func (c *call) text(text string) {
	c.t.Helper()
	c.Send(&frames.Transcription{Text: text, Track: "caller"})
}
func (c *call) interim(text string) {
	c.t.Helper()
	c.Send(&frames.InterimTranscription{Text: text, Track: "caller"})
}

func (c *call) botStarts() { c.t.Helper(); c.SendUp(&frames.BotStartedSpeaking{}) }
func (c *call) botStops()  { c.t.Helper(); c.SendUp(&frames.BotStoppedSpeaking{}) }

func (c *call) toolStarts(id string) {
	c.t.Helper()
	c.Send(&frames.FunctionCallInProgress{CallID: id})
}
func (c *call) toolReturns(id string) {
	c.t.Helper()
	c.Send(&frames.FunctionCallResult{CallID: id})
}

// story tells what came out downstream, but for audio and what the test sent
// without anybody's doing anything about it.
func (c *call) story() []string {
	var told []string
	for _, f := range c.All() {
		switch f := f.(type) {
		case *frames.AudioInput, *frames.FunctionCallInProgress, *frames.FunctionCallResult, *frames.InterimTranscription,
			*frames.VADStarted, *frames.VADStopped, *frames.UpdateSettings, *turn.Button, *turn.SetMute:
		case *frames.UserStartedSpeaking:
			told = append(told, "started")
		case *frames.UserStoppedSpeaking:
			told = append(told, "stopped")
		case *frames.PausePlayout:
			told = append(told, "pause")
		case *frames.ResumePlayout:
			told = append(told, "resume")
		case *interrupted:
			if len(told) == 0 || told[len(told)-1] != "interrupt" { // a burst of them arrives as one, or not
				told = append(told, "interrupt")
			}
		case *frames.Transcription:
			told = append(told, f.Text)
		default:
			told = append(told, f.String())
		}
	}
	return told
}

// then checks what came out since it was asked last.
func (c *call) then(when string, want ...string) {
	c.t.Helper()
	if diff := cmp.Diff(strings.Join(want, ", "), strings.Join(c.story(), ", ")); diff != "" {
		c.t.Errorf("%s, this came out (-want +got):\n%s", when, diff)
	}
}

// last returns the last frame of a kind that came out downstream since anybody
// asked.
func last[F frames.Frame](c *call) (found F) {
	c.t.Helper()
	missing := true
	for _, f := range c.All() {
		if f, ok := f.(F); ok {
			found, missing = f, false
		}
	}
	if missing {
		c.t.Fatalf("no %T has come", found)
	}
	return found
}

// at returns the time of a position.
func at(p audio.Position) time.Duration { return rate.Duration(int64(p)) }

func near(got, want, by time.Duration) bool { return (got - want).Abs() <= by }

func (c *call) String() string { return fmt.Sprintf("%+v", c.turns.Stats()) }
