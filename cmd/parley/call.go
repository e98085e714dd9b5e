package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/parley-go/parley/internal/printing"
	"github.com/parley-go/parley/internal/timeline"
	"github.com/parley-go/parley/internal/virtualtime"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/audiofile"
	"github.com/parley-go/parley/processors/conversation"
	"github.com/parley-go/parley/processors/recorder"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/transports/file"
)

type callCommand struct {
	Caller string `arg:"" type:"path" placeholder:"CALLER" help:"Recording of the caller: WAV at 4 to 192 kHz, or MP3 at 11.025 to 48 kHz; mono or stereo, which is mixed. - is standard input; named pipes are read as well."`
	Output string `short:"o" type:"path" placeholder:"FILE" help:"Where to write the conversation: .wav or .mp3, caller left, agent right. - is standard output, WAV if --output-format says nothing else; what is said of the call then goes to standard error."`

	InputFormat  string `type:"name" placeholder:"FORMAT" help:"What the recording is if it has no header: coding, rate and channels, such as s16le:8000:1. Codings: s16le, s16be, f32le, mulaw, alaw (telephones: 'mulaw' is enough)."`
	OutputFormat string `type:"name" placeholder:"FORMAT" help:"How to write the conversation, whatever the file's name: wav, mp3, or one of the codings above with its rate, such as s16le:24000."`

	Repeat    int           `default:"1" placeholder:"N" help:"Play the recording so many times, one right behind the other; 0 is until the call ends. Default: ${default}."`
	RepeatGap time.Duration `least:"0s" most:"1h" placeholder:"D" help:"Silence between two times."`

	Mono       bool   `help:"Write the conversation as one channel, both mixed."`
	Timeline   string `type:"path" placeholder:"FILE" help:"Where to draw the call, as .svg: who spoke when, which stream listened, and how the call moved between them."`
	Transcript string `type:"path" placeholder:"FILE" help:"Where to write who said what when, what was heard of it, and which tools were called: .json, .vtt (captions) or .txt."`
	Fast       bool   `help:"As fast as the machine allows, paced by a virtual clock: the same conversation, every time to the sample, and that of real time to within a chunk (20 ms). Emulator only."`
	JSON       bool   `name:"json" help:"Print the summary as one JSON object on one line, and nothing else, on standard output (behind all else on standard error with -o -); nothing if the call does not begin."`

	agentFlags

	HangUpAfter time.Duration `least:"1ms" default:"3s" help:"After the recording, hang up when the agent has been silent for so long. Default: ${default}."`
	MaxDuration time.Duration `least:"1ms" placeholder:"D" help:"Hang up after so long at the latest. Neither is heard any more then; the service may take two seconds to write down the last words, which the recording has as silence."`
	Verbose     bool          `short:"v" help:"Log what the service does, on standard error."`

	input, output file.Format // what the flags say
}

func (c *callCommand) Help() string {
	return `Plays the recording into a pipeline with Amazon Nova Sonic at its heart, in real time, and writes the conversation as both sides heard it. The transcript appears while they talk; a summary follows: turns, barge-ins, latency from the end of the caller's speech to the first sound of the answer, gaps in the agent's speech, and how the call moved from one stream of the service to the next, if it did. A recording that was cut off is refused before the call, with the command that keeps what there is of it. What comes through a pipe is played as it comes: where it is late, the caller is silent, and the summary says for how long; with --fast, the virtual clock waits for it.

Interrupted (SIGINT, SIGTERM or SIGHUP), the call ends in order: the agent finishes what it is saying. Interrupted again, it ends at once. What was recorded is kept, and the exit status is 130.

Without --service aws it talks to the built-in emulator, which knows the recordings in testdata/calls and says back what it heard of others.

  parley call testdata/calls/order.mp3 -o conversation.wav
  parley call --fast --json caller.wav -o conversation.mp3 | jq .latency_ms.median
  parley call --fast testdata/calls/bargein.wav --transcript call.vtt
  parley call --fast --rotate-every 20s --timeline call.svg testdata/calls/order.mp3
  parley call --input-format mulaw:8000:1 line.raw -o conversation.wav
  arecord -f S16_LE -r 16000 | parley call - -o - | ffplay -
  AWS_REGION=us-east-1 parley call --service aws caller.wav -o conversation.wav`
}

// Run makes the call.
func (c *callCommand) Run(ctx context.Context, con console) error {
	if c.Fast && c.Service == "aws" {
		return usageError{errors.New("--fast needs the emulator: AWS answers in real time only. Leave out --fast or --service aws")}
	}
	human, object := con.out, con.out
	if c.JSON {
		human = con.err
	}
	if slices.Contains([]string{"/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"}, c.Output) {
		c.Output = stdio
	}
	if c.Output == stdio {
		human, object = con.err, con.err
	}
	if err := c.check(); err != nil {
		return err
	}
	screen := newScreen(human, con)
	reading, stopReading := context.WithCancel(ctx) // of a pipe, which may have nothing to say
	defer stopReading()
	_ = reading.Done() // made here: what is made in virtual time cannot be closed from outside
	// A reader that goes away is an error like others: the files are to be whole.
	signal.Ignore(syscall.SIGPIPE)
	// Signals are heard out here: they cannot reach into virtual time.
	var leaving leaving
	over := make(chan struct{})
	var ears sync.WaitGroup
	ears.Go(func() {
		leaving.listen(over, func() {
			stopReading()
			if leaving.begun.Load() {
				// Whoever should read it may not; that must not keep the next signal from
				// being heard.
				go screen.println("Ending the call: the agent finishes what it is saying. Interrupt again to cut it off; what was recorded is kept.")
			}
		}, func(kept *Summary) {
			err := interruption("the call had not begun")
			if kept != nil {
				err = errCutOff
				kept.Error = oneLine(err)
				if c.JSON {
					json.NewEncoder(object).Encode(kept) // or else it is lost: nothing can be said of it any more
				}
			}
			fmt.Fprintf(con.err, "parley: %s\n", oneLine(err))
		})
	})
	defer ears.Wait()
	defer close(over)
	var summary Summary
	converse := func() error { return c.converse(ctx, reading, con, screen, &leaving, &summary) }
	var err error
	if c.Fast {
		err = virtualtime.Run(converse)
	} else {
		err = converse()
	}
	if summary.Caller == "" { // it did not even begin
		if leaving.hurry() > 0 {
			return interruption("the call had not begun")
		}
		return err
	}
	switch {
	case errors.Is(err, errCutOff):
		summary.Ended = endedByUser // the end has overtaken the one that was asked for
		if err.Error() == "pipeline: "+errCutOff.Error() {
			err = errCutOff
		}
	case err == nil && summary.interrupted():
		err = interruption("the call was ended before its time")
	}
	if err != nil {
		summary.Error = oneLine(err)
	}
	if c.JSON {
		if err := json.NewEncoder(object).Encode(summary); err != nil {
			return fmt.Errorf("write summary: %w", err)
		}
	} else {
		summary.print(human)
	}
	return err
}

// errCutOff is the error of a call that was interrupted twice.
var errCutOff = interruption("the call was cut off")

// check refuses values that make no sense.
func (c *callCommand) check() error {
	switch {
	case c.Repeat < 0:
		return usageError{fmt.Errorf("--repeat=%d: it cannot be negative; 0 is until the call ends", c.Repeat)}
	case c.OutputFormat != "" && c.Output == "":
		return usageError{errors.New("--output-format says how the conversation is written, and it is not: name a file with --output, or leave it out")}
	case c.Mono && c.Output == "":
		return usageError{errors.New("--mono says how the conversation is written, and it is not: name a file with --output, or leave it out")}
	case c.RepeatGap > 0 && c.Repeat == 1:
		return usageError{errors.New("--repeat-gap is between two times, and the recording is played once: say with --repeat how often, or leave it out")}
	case c.Fast && c.HangUpAfter > longestSilence && c.MaxDuration == 0:
		return usageError{fmt.Errorf("--fast --hang-up-after=%v: more than %v of silence would pass: say with --max-duration when to hang up", c.HangUpAfter, longestSilence)}
	case c.Repeat == 0 && c.Fast && c.MaxDuration == 0:
		return usageError{errors.New("--repeat=0 --fast: hours would pass in seconds, for ever: say with --max-duration when to hang up")}
	case c.Output != "" && c.Output != stdio && c.OutputFormat == "" && !slices.Contains([]string{".wav", ".wave", ".mp3"}, strings.ToLower(filepath.Ext(c.Output))):
		return usageError{fmt.Errorf("--output %s: its name decides what is written: name a .wav or .mp3 file, or say what it is with --output-format", c.Output)}
	case c.Timeline != "" && !strings.EqualFold(filepath.Ext(c.Timeline), ".svg"):
		return usageError{fmt.Errorf("--timeline %s: it is drawn as SVG, and the name does not end in .svg: name a .svg file", c.Timeline)}
	case c.Transcript != "" && forms[strings.ToLower(filepath.Ext(c.Transcript))] == nil:
		return usageError{fmt.Errorf("--transcript %s: its name decides how it is written: name a .json, .vtt or .txt file", c.Transcript)}
	}
	var err error
	if c.input, err = format("--input-format", c.InputFormat); err != nil {
		return err
	}
	if c.output, err = format("--output-format", c.OutputFormat); err != nil {
		return err
	}
	return c.agentFlags.check()
}

// longestSilence is how much a virtual clock waits through at the end of a call. It
// takes about a minute.
const longestSilence = time.Hour

// stdio is what people call standard input and output.
const stdio = "-"

// format reads the value of a flag.
func format(flag, value string) (file.Format, error) {
	if value == "" {
		return file.Format{}, nil
	}
	f, err := file.ParseFormat(value)
	if err != nil {
		err = usageError{fmt.Errorf("%s: %w", flag, err)}
	}
	return f, err
}

// converse sets the pipeline up and runs it. Everything that it starts has
// ended when it returns, so that it can run in virtual time. When reading is over,
// nothing more is read of a pipe.
func (c *callCommand) converse(ctx, reading context.Context, con console, screen *screen, leaving *leaving, summary *Summary) (err error) {
	layout := recorder.Stereo
	if c.Mono {
		layout = recorder.Mono
	}
	config := c.config()
	repeat := c.Repeat
	if repeat == 0 {
		repeat = file.Forever
	}
	for _, written := range []struct{ flag, path string }{{"--output", c.Output}, {"--timeline", c.Timeline}, {"--transcript", c.Transcript}} {
		if err := c.spare(written.flag, written.path); err != nil {
			return err
		}
	}
	call, err := file.NewContext(reading, file.Config{
		Input: c.Caller, InputFormat: c.input, Output: c.Output, OutputFormat: c.output, Layout: layout,
		Repeat: repeat, RepeatGap: c.RepeatGap,
		HangUpAfter: c.HangUpAfter, MaxDuration: c.MaxDuration,
		Progress: screen.progress,
	})
	if err != nil {
		return inCallFlags(err)
	}
	defer func() {
		if summary.Caller == "" {
			call.Close() // it never began; its error says more than that of closing files
		}
	}()
	var drawing, transcript *reserved
	for _, r := range []struct {
		file       **reserved
		what, path string
	}{{&drawing, "timeline", c.Timeline}, {&transcript, "transcript", c.Transcript}} {
		if r.path == "" {
			continue
		}
		kept, err := reserve(r.what, r.path, c.Caller, c.Output)
		if err != nil {
			return err
		}
		*r.file = kept
		defer func() {
			if summary.Caller == "" {
				kept.discard()
			}
		}()
	}
	cfg, who, done, err := c.connect(ctx, 0, c.logger(con.err))
	if err != nil {
		return err
	}
	defer done()
	config.AWS = &cfg
	answering := func() {} // says who answers, once the call has begun
	if c.Service == "emulator" {
		screen.println(who)
	} else {
		answering = func() { screen.println(who) }
	}

	sonic := novasonic.New(config)
	talk := conversation.New(conversation.Config{OnEntry: newSpeaker(screen.line).hear})
	ears := newListener()
	p := pipeline.New(pipeline.Config{Logger: c.logger(con.err), EndTimeout: 2 * time.Minute, OnError: ears.failed},
		call.Input(), sonic, talk, ears, call.Output())
	obeyed := make(chan struct{})
	go func() {
		defer close(obeyed)
		c.obey(p, leaving, answering, ears.over)
	}()
	leaving.abandoned(func() Summary {
		s := Summary{Caller: c.Caller, Output: c.Output, Service: c.Service, Model: c.Model, Virtual: c.Fast}
		if c.Output != stdio {
			completeHeader(c.Output)
		}
		said := talk.Transcript()
		if transcript != nil && save(said, transcript) == nil {
			s.Saved = c.Transcript
		}
		if drawing != nil {
			drawing.discard()
		}
		ears.fill(&s, said)
		s.Ended = endedByUser
		heard := call.Stats()
		s.Duration = millis(heard.Format.Rate.Duration(int64(heard.Output)))
		return s
	})
	err = p.Run(ctx)
	leaving.abandoned(nil)
	ears.hangUp()
	<-obeyed
	screen.done()

	*summary = Summary{
		Caller: c.Caller, Output: c.Output, Service: c.Service, Model: c.Model, Virtual: c.Fast,
	}
	said := talk.Transcript()
	ears.fill(summary, said)
	heard := call.Stats()
	summary.Duration = millis(heard.Format.Rate.Duration(int64(heard.Output)))
	summary.AudioGaps = heard.Gaps
	summary.AudioGapsMS = millis(heard.Format.Rate.Duration(heard.GapSamples))
	stats := sonic.Stats()
	if stats.Streams == 0 {
		*summary = Summary{} // it did not come to a call: there is nothing to sum up
		return err
	}
	summary.Streams, summary.ToolCalls, summary.Usage = stats.Streams, stats.ToolCalls, stats.Usage
	summary.InputStalls, summary.InputSilence, summary.OutputLost = heard.Stalls, millis(heard.Starved), millis(heard.Lost)
	if unwritten(err, c.Output) || c.Output == stdio && unwritten(err, "standard output") {
		summary.Output = ""
	}
	err = errors.Join(err, ears.unheard())
	for _, s := range p.Stats() {
		summary.Dropped += int64(s.System.Shed + s.Ordered.Shed + s.Upstream.Shed)
	}
	if drawing != nil {
		if failed := drawing.write(timeline.SVG(ears.timeline(summary, bargeIns(said, summary.Ended)))); failed != nil {
			err = errors.Join(err, failed)
		} else {
			summary.Timeline = c.Timeline
		}
	}
	if transcript != nil {
		if failed := save(said, transcript); failed != nil {
			err = errors.Join(err, failed)
		} else {
			summary.Saved = c.Transcript
		}
	}
	return err
}

// inCallFlags names the flags where an error of package file names its fields.
func inCallFlags(err error) error {
	names := strings.NewReplacer("InputFormat", "--input-format", "OutputFormat", "--output-format", "Layout", "layout (--mono)", "RepeatGap", "--repeat-gap")
	var bad *audiofile.Error
	if errors.As(err, &bad) {
		return &audiofile.Error{Op: bad.Op, Path: bad.Path, Err: bad.Err, Mend: names.Replace(bad.Mend)}
	}
	if text := names.Replace(err.Error()); text != err.Error() {
		return usageError{errors.New(text)}
	}
	return err
}

// unwritten tells whether err, or one of those that it is made of, is that a file
// could not be written.
func unwritten(err error, path string) bool {
	if e, ok := err.(*audiofile.Error); ok && e.Path == path {
		return true
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return unwritten(e.Unwrap(), path)
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(e.Unwrap(), func(err error) bool { return unwritten(err, path) })
	}
	return false
}

// obey calls answering when the call has begun, and ends it when the user is in a
// hurry: in order with the first signal if it has begun, and at once otherwise. It
// returns when over is closed.
func (c *callCommand) obey(p *pipeline.Pipeline, leaving *leaving, answering func(), over <-chan struct{}) {
	var obeyed hurry
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-over:
			return
		case <-look.C:
			if p.Started() && !leaving.begun.Swap(true) {
				answering()
			}
			wish := leaving.hurry()
			switch {
			case wish == obeyed:
				continue
			case !p.Started():
				p.Cancel("interrupted", errors.New("interrupted before the call began"))
			case wish == atOnce:
				p.Cancel("interrupted", errCutOff)
			default:
				p.End(endedByUser)
			}
			obeyed = wish
		}
	}
}

func (c *callCommand) logger(w io.Writer) *slog.Logger {
	if !c.Verbose {
		return nil
	}
	return slog.New(slog.NewTextHandler(w, nil))
}

// print writes the summary for people.
func (s *Summary) print(w io.Writer) {
	fmt.Fprintf(w, "\n%s, %s, %s, %s, %s\n",
		s.Duration.Duration().Round(100*time.Millisecond),
		count(s.Turns, "turn", "turns"), count(s.BargeIns, "barge-in", "barge-ins"),
		count(s.ToolCalls, "tool call", "tool calls"), count(s.Streams, "stream", "streams"))
	if len(s.Latency.All) > 0 {
		fmt.Fprintf(w, "answers began %v after the caller had finished (median; at most %v)\n", s.Latency.Median.Duration(), s.Latency.Max.Duration())
	}
	fmt.Fprintf(w, "audio gaps: %d", s.AudioGaps)
	if s.AudioGaps > 0 {
		fmt.Fprintf(w, " (%v in all)", s.AudioGapsMS.Duration())
	}
	fmt.Fprintln(w)
	if s.InputStalls > 0 {
		fmt.Fprintf(w, "the recording came late: %v of silence was played in its place\n", s.InputSilence.Duration())
	}
	if s.OutputLost > 0 {
		fmt.Fprintf(w, "the conversation was read too slowly: %v of it is missing\n", s.OutputLost.Duration())
	}
	switch {
	case s.interrupted(), s.deaf: // that has been said
	case s.Turns == 0 && s.Error == "" && !s.live && strings.HasPrefix(s.Ended, "the call has lasted"):
		fmt.Fprintln(w, "the caller was not heard in that time: leave out --max-duration, or make it longer")
	case s.Turns == 0 && s.Error == "" && s.live:
		fmt.Fprintln(w, "nobody was heard: is it the right microphone, and is it on? See --list-devices")
	case s.Turns == 0 && s.Error == "":
		fmt.Fprintln(w, "the caller was not heard: is there speech in the recording?")
	}
	if len(s.Errors) > 0 {
		fmt.Fprintf(w, "survived: %s\n", printing.OneLine(strings.Join(s.Errors, "; ")))
	}
	for _, line := range swapTable(s.Swaps) {
		fmt.Fprintln(w, line)
	}
	for _, path := range []string{s.Output, s.Timeline, s.Saved} {
		if path != "" && path != stdio {
			fmt.Fprintln(w, "wrote", printing.OneLine(path))
		}
	}
}
