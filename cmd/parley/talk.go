package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/printing"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/conversation"
	"github.com/parley-go/parley/processors/filter"
	"github.com/parley-go/parley/processors/recorder"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/transports/local"
)

type talkCommand struct {
	ListDevices bool   `help:"List microphones and loudspeakers, and exit."`
	Input       string `short:"i" type:"name" placeholder:"NAME" help:"Microphone: its name, or a part of it that no other has. Default: the system's."`
	Output      string `short:"o" type:"name" placeholder:"NAME" help:"Loudspeaker, likewise."`
	Null        bool   `help:"Use no devices: the microphone hears silence, and the loudspeaker is heard by nobody."`

	PushToTalk bool `short:"p" help:"Be heard only while the space bar is held, or between one touch of it and the next. It needs a terminal."`
	HalfDuplex bool `help:"Close the microphone while the agent speaks: for loudspeakers, which the agent would hear. It cannot be interrupted then; with headphones it can, without this."`

	Record      string        `type:"path" placeholder:"FILE" help:"Where to write the conversation: .wav or .mp3, caller left, agent right."`
	Transcript  string        `type:"path" placeholder:"FILE" help:"Where to write who said what when: .json, .vtt (captions) or .txt."`
	MaxDuration time.Duration `least:"1ms" placeholder:"D" help:"Hang up after so long at the latest. The agent is not heard any more then; its service may take two seconds to write down the last words."`
	JSON        bool          `name:"json" help:"Print the summary (or the devices) as JSON on one line, and nothing else, on standard output."`

	agentFlags

	Verbose bool `short:"v" help:"Log what the service and the devices do, on standard error."`
}

func (c *talkCommand) Help() string {
	return `Holds a conversation through this machine's microphone and loudspeaker. What both say appears while they speak; on a terminal, so does a level meter. Ctrl-C hangs up, and a summary follows; once more ends the program at once.

Without --service aws the built-in emulator answers. It does not understand what people say: it says it back.

Use headphones: nothing takes the agent's voice out of what the microphone hears, so that with a loudspeaker the agent interrupts itself. If you have none, --half-duplex closes the microphone while the agent speaks, and --push-to-talk opens it only when you say so.

A device that is unplugged during the call is taken up again when it is back. docs/local.md tells more.

  parley talk
  parley talk --list-devices
  parley talk --input headset --output headset --service aws --voice tiffany
  parley talk --half-duplex --record conversation.wav
  parley talk --null --max-duration 10s`
}

// Run talks.
func (c *talkCommand) Run(ctx context.Context, con console) error {
	if c.ListDevices {
		return c.list(con)
	}
	if err := c.check(); err != nil {
		return err
	}
	config := local.Config{Microphone: c.Input, Loudspeaker: c.Output, Null: c.Null}
	mic, err := local.New(config)
	if err != nil {
		return c.mend(err)
	}
	t := &talking{command: c, mic: mic, con: con, human: con.out}
	if c.JSON {
		t.human = con.err
	}
	if c.PushToTalk {
		restore, err := t.grab()
		if err != nil {
			return err
		}
		defer restore()
	}
	t.screen = newScreen(t.human, t.con)
	return t.run(ctx)
}

// check refuses values that make no sense.
func (c *talkCommand) check() error {
	switch {
	case c.Null && c.Input+c.Output != "":
		return usageError{errors.New("--null uses no devices: leave it out, or --input and --output")}
	case c.Record != "" && !slices.Contains([]string{".wav", ".wave", ".mp3"}, strings.ToLower(filepath.Ext(c.Record))):
		return usageError{fmt.Errorf("--record %s: its name decides what is written: name a .wav or .mp3 file", c.Record)}
	case c.Transcript != "" && forms[strings.ToLower(filepath.Ext(c.Transcript))] == nil:
		return usageError{fmt.Errorf("--transcript %s: its name decides how it is written: name a .json, .vtt or .txt file", c.Transcript)}
	}
	return c.agentFlags.check()
}

// mend says what else there is for who has no devices.
func (c *talkCommand) mend(err error) error {
	var device *local.DeviceError
	if errors.Is(err, local.ErrNoCgo) || errors.Is(err, local.ErrNoDevice) || errors.As(err, &device) {
		return fmt.Errorf("%w (--null); see --list-devices, or talk in a browser: parley serve", err)
	}
	return err
}

// list prints the devices.
func (c *talkCommand) list(con console) error {
	all, err := local.Devices()
	if err != nil {
		return c.mend(err)
	}
	if c.JSON {
		type device struct {
			Kind    string `json:"kind"` // "microphone" or "loudspeaker"
			Name    string `json:"name"`
			Default bool   `json:"default"`
		}
		out := []device{}
		for _, d := range all {
			out = append(out, device{d.Kind.String(), d.Name, d.Default})
		}
		return json.NewEncoder(con.out).Encode(out)
	}
	w := tabwriter.NewWriter(con.out, 0, 0, 2, ' ', 0)
	for _, d := range all {
		note := ""
		if d.Default {
			note = "default"
		}
		fmt.Fprintf(w, "%v\t%s\t%s\n", d.Kind, printing.OneLine(d.Name), note)
	}
	if len(all) == 0 {
		fmt.Fprintln(con.err, "There are no devices: connect one, and see that the sound server runs.")
	}
	return w.Flush()
}

// Talk is what a conversation comes to, as JSON.
type Talk struct {
	Summary
	Microphone  Device `json:"microphone"`
	Loudspeaker Device `json:"loudspeaker"`
}

// Device is how a device did.
type Device struct {
	Name      string `json:"name"`
	RateHz    int    `json:"rate_hz"`
	Underruns int64  `json:"underruns"` // holes in its sound
	Overruns  int64  `json:"overruns"`  // pieces that were too much, or too late
	Lost      int64  `json:"lost"`      // how often it went away
}

func deviceOf(s local.DeviceStats) Device {
	return Device{Name: s.Device, RateHz: int(s.Rate), Underruns: s.Underruns, Overruns: s.Overruns, Lost: s.Lost}
}

// talking is a conversation.
type talking struct {
	command *talkCommand
	mic     *local.Transport
	con     console
	human   io.Writer
	screen  *screen
	levels  levels
	keys    chan key // nil without push to talk
	begun   bool     // watch's own, until that has returned

	mu    sync.Mutex // guards all below
	stats local.Stats
}

// run holds it.
func (t *talking) run(ctx context.Context) (err error) {
	c := t.command
	var transcript *reserved
	begun := false
	for _, written := range []struct{ flag, path string }{{"--record", c.Record}, {"--transcript", c.Transcript}} {
		if err := c.spare(written.flag, written.path); err != nil {
			return err
		}
	}
	if c.Transcript != "" {
		if transcript, err = reserve("transcript", c.Transcript, c.Record); err != nil {
			return err
		}
		defer func() {
			if !begun {
				transcript.discard()
			}
		}()
	}
	aws, who, done, err := c.connect(ctx, 0, c.logger(t.con.err))
	if err != nil {
		return err
	}
	defer done()
	config := c.config()
	config.AWS = &aws
	sonic := novasonic.New(config)
	talk := conversation.New(conversation.Config{OnEntry: newSpeaker(t.line).hear})
	ears := newListener()
	row := []pipeline.Processor{t.mic.Input()}
	if c.HalfDuplex {
		row = append(row, filter.NewHalfDuplex(filter.HalfDuplexConfig{}))
	}
	row = append(row, sonic, talk, ears)
	if c.Record != "" {
		row = append(row, recorder.New(recorder.Config{Path: c.Record}))
	}
	row = append(row, pipeline.On(t.changed), t.mic.Output())
	p := pipeline.New(pipeline.Config{Logger: c.logger(t.con.err), EndTimeout: time.Minute, OnError: ears.failed}, row...)

	hangUp := func(reason string) {
		if !p.Started() {
			p.Cancel(reason, errors.New("interrupted before the call began"))
			return
		}
		t.mic.Output().Leave()
		p.Interrupt(reason)                                      // or the end would wait until all is said, and for an answer that is owed
		_ = p.Send(ctx, &frames.End{Reason: reason, Gone: true}) // it fails if the call is over
	}
	signalled, stop := untilSignal(ctx, func() { t.println("Hanging up; interrupt again to stop at once.") })
	defer stop()
	stopHangingUp := context.AfterFunc(signalled, func() { hangUp(endedByUser) })
	defer stopHangingUp()

	beside, quit := context.WithCancel(ctx)
	var work sync.WaitGroup
	work.Go(func() { t.watch(beside, p, who, hangUp) })
	err = p.Run(context.WithoutCancel(ctx))
	quit()
	work.Wait()
	ears.hangUp()
	t.clear()

	if begun = t.begun; !begun {
		return c.mend(err)
	}
	stats := sonic.Stats()
	summary := t.sum(ears, talk.Transcript(), stats, p)
	if c.Record != "" && !unwritten(err, c.Record) {
		summary.Summary.Output = c.Record
	}
	err = errors.Join(err, ears.unheard())
	if transcript != nil {
		if failed := save(talk.Transcript(), transcript); failed != nil {
			err = errors.Join(err, failed)
		} else {
			summary.Saved = c.Transcript
		}
	}
	if err != nil {
		summary.Error = oneLine(err)
	}
	if c.JSON {
		if failed := json.NewEncoder(t.con.out).Encode(summary); failed != nil {
			return fmt.Errorf("write summary: %w", failed)
		}
		return err
	}
	ended := summary.Ended
	if summary.interrupted() {
		summary.Ended = "" // it is how conversations end here, and no failure
	}
	summary.print(t.human)
	summary.Ended = ended
	t.printDevices(summary)
	return err
}

// sum adds up.
func (t *talking) sum(ears *listener, said conversation.Transcript, sonic novasonic.Stats, p *pipeline.Pipeline) Talk {
	c := t.command
	t.mu.Lock()
	devices := t.stats
	t.mu.Unlock()
	s := Talk{Microphone: deviceOf(devices.Microphone), Loudspeaker: deviceOf(devices.Loudspeaker)}
	s.Caller, s.Service, s.Model = s.Microphone.Name, c.Service, c.Model
	s.live, s.deaf = true, c.Null
	ears.fill(&s.Summary, said)
	heard := t.mic.Output().Stats()
	s.Duration = millis(heard.Format.Rate.Duration(int64(heard.Output)))
	s.AudioGaps, s.AudioGapsMS = heard.Gaps, millis(heard.Format.Rate.Duration(heard.GapSamples))
	s.Streams, s.ToolCalls, s.Usage = sonic.Streams, sonic.ToolCalls, sonic.Usage
	for _, processor := range p.Stats() {
		s.Dropped += int64(processor.System.Shed + processor.Ordered.Shed + processor.Upstream.Shed)
	}
	return s
}

// printDevices tells of devices that did not do well.
func (t *talking) printDevices(s Talk) {
	for what, d := range map[string]Device{"microphone": s.Microphone, "loudspeaker": s.Loudspeaker} {
		if d.Underruns+d.Overruns+d.Lost > 0 {
			fmt.Fprintf(t.human, "%s: %s, %s, lost %s\n", what,
				count(int(d.Underruns), "underrun", "underruns"), count(int(d.Overruns), "overrun", "overruns"), count(int(d.Lost), "time", "times"))
		}
	}
}

func (c *talkCommand) logger(w io.Writer) *slog.Logger {
	if !c.Verbose {
		return nil
	}
	return slog.New(slog.NewTextHandler(w, nil))
}

// changed tells of devices that come and go.
func (t *talking) changed(ctx context.Context, f *local.Change, dir frames.Direction, out *pipeline.Port) error {
	if dir == frames.Downstream {
		t.println(printing.OneLine(f.String()))
	}
	return out.Send(ctx, f, dir)
}

// watch does what is to be done beside the call: it says who answers when it has
// begun, draws the meter, obeys the keys, and hangs up when it has lasted long
// enough.
func (t *talking) watch(ctx context.Context, p *pipeline.Pipeline, who string, hangUp func(string)) {
	const every = 100 * time.Millisecond
	look := time.NewTicker(every)
	defer look.Stop()
	var over <-chan time.Time
	var touch touch
	for {
		select {
		case <-look.C:
			if !t.begun && p.Started() {
				t.begun = true
				t.hello(who)
				if d := t.command.MaxDuration; d > 0 {
					timer := time.NewTimer(d)
					defer timer.Stop()
					over = timer.C
				}
			}
			if t.begun {
				t.look()
				t.draw()
			}
		case k := <-t.keys:
			switch k {
			case keySpace:
				touch.press(time.Now())
			case keyEnd:
				t.println("Hanging up; interrupt again to stop at once.")
				hangUp(endedByUser)
			case keyKill:
				p.Cancel("interrupted", interruption("the call was cut off"))
			}
			t.mic.Mute(!touch.talking)
		case <-touch.over():
			touch.release()
			t.mic.Mute(!touch.talking)
		case <-over:
			hangUp(fmt.Sprintf("the call has lasted %v", t.command.MaxDuration))
		case <-ctx.Done():
			return
		}
	}
}

// hello says who answers, and how to talk to them.
func (t *talking) hello(who string) {
	t.println(who)
	s := t.mic.Stats()
	t.println(fmt.Sprintf("Microphone: %s. Loudspeaker: %s.", printing.OneLine(s.Microphone.Device), printing.OneLine(s.Loudspeaker.Device)))
	switch {
	case t.keys != nil:
		t.println("Hold the space bar to talk, or touch it to begin and again to end; Ctrl-C hangs up.")
	case t.command.Null:
		t.println("Nobody is heard: there are no devices. Ctrl-C hangs up.")
	case t.command.HalfDuplex:
		t.println("Talk when the agent is silent; Ctrl-C hangs up.")
	default:
		t.println("Talk; headphones keep the agent from hearing itself. Ctrl-C hangs up.")
	}
}

// look remembers how the devices are, for when they have been closed.
func (t *talking) look() {
	s := t.mic.Stats()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, side := range []struct{ is, was *local.DeviceStats }{{&s.Microphone, &t.stats.Microphone}, {&s.Loudspeaker, &t.stats.Loudspeaker}} {
		if side.is.Device == "" { // it is away, or closed
			side.is.Device, side.is.Rate = side.was.Device, side.was.Rate
		}
	}
	t.stats = s
}

// ---- the screen

// levels is the line below the transcript.
type levels struct {
	mu    sync.Mutex // protects it, and the order of what is printed
	drawn int        // its length in cells
}

func (t *talking) line(l Line) { t.above(func() { t.screen.line(l) }) }

func (t *talking) println(text string) { t.above(func() { t.screen.println(text) }) }

// above prints something where the meter is, and lets that be drawn below it.
func (t *talking) above(print func()) {
	t.levels.mu.Lock()
	defer t.levels.mu.Unlock()
	t.wipe()
	print()
}

func (t *talking) clear() { t.above(func() {}) }

func (t *talking) wipe() {
	if t.levels.drawn > 0 {
		fmt.Fprintf(t.con.err, "\r%s\r", strings.Repeat(" ", t.levels.drawn))
		t.levels.drawn = 0
	}
}

// draw draws the meter.
func (t *talking) draw() {
	if !t.con.terminal {
		return
	}
	t.mu.Lock()
	s := t.stats
	t.mu.Unlock()
	note := ""
	switch {
	case t.mic.Muted():
		note = "  (muted: space to talk)"
	case t.keys != nil:
		note = "  (you are heard)       "
	}
	line := "you " + bar(s.Microphone.Level) + "  agent " + bar(s.Loudspeaker.Level) + note
	t.levels.mu.Lock()
	defer t.levels.mu.Unlock()
	fmt.Fprintf(t.con.err, "\r%s", line)
	t.levels.drawn = len([]rune(line))
}

// bar is a level in dBFS RMS as a row of cells, 3 dB each: speech of a usual
// level fills half of it.
func bar(level float64) string {
	const cells, step = 16, 3.0
	n := 0
	if !math.IsInf(level, -1) {
		n = min(max(0, int(math.Ceil(cells+level/step))), cells)
	}
	return strings.Repeat("▮", n) + strings.Repeat("▯", cells-n)
}
