package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/parley-go/parley/internal/virtualtime"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/recorder"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/transports/file"
)

type callCommand struct {
	Caller string `arg:"" type:"path" placeholder:"CALLER" help:"Recording of the caller: WAV or MP3."`
	Output string `short:"o" type:"path" placeholder:"FILE" help:"Where to write the conversation: .wav or .mp3, caller left, agent right."`
	Mono   bool   `help:"Write the conversation as one channel, both mixed."`
	Fast   bool   `help:"As fast as the machine allows, paced by a virtual clock; the result is the same. Emulator only."`
	JSON   bool   `name:"json" help:"Print the summary as one JSON object on one line, and nothing else, on standard output."`

	Service string `enum:"emulator,aws" default:"emulator" help:"Who answers: 'emulator' (built in, no account needed) or 'aws' (credentials, region and endpoint from the standard chain). Default: ${default}."`
	Script  string `type:"path" placeholder:"FILE" help:"What the emulator knows and says: a YAML file, see docs/emulator-script.md. Default: the built-in one."`
	Seed    uint64 `default:"1" help:"Of everything random in the emulator. Default: ${default}."`

	Model        string `default:"${default_model}" help:"Model id. Default: ${default}."`
	Voice        string `default:"matthew" help:"The agent's voice; 'parley voices' lists them. Default: ${default}."`
	Language     string `placeholder:"TAG" help:"Language that the voice must speak, such as es or en-GB."`
	Instructions string `placeholder:"TEXT" help:"System prompt. Default: that of the demo."`
	SpeakFirst   string `placeholder:"TEXT" help:"Make the agent open the conversation; what it is told to do so, such as 'Greet the caller.'"`
	Endpointing  string `enum:"HIGH,MEDIUM,LOW," default:"" help:"How soon a pause ends the caller's turn: HIGH, MEDIUM or LOW. Default: the service's."`

	HangUpAfter time.Duration `default:"3s" help:"After the recording, hang up when the agent has been silent for so long. Default: ${default}."`
	MaxDuration time.Duration `placeholder:"D" help:"Hang up after so long at the latest."`
	Verbose     bool          `short:"v" help:"Log what the service does, on standard error."`
}

func (c *callCommand) Help() string {
	return `Plays the recording into a pipeline with Amazon Nova Sonic at its heart, in real time, and writes the conversation as both sides heard it. The transcript appears while they talk; a summary follows: turns, barge-ins, latency from the end of the caller's speech to the first sound of the answer, gaps in the agent's speech.

Without --service aws it talks to the built-in emulator, which knows the recordings in testdata/calls and says back what it heard of others.

  parley call testdata/calls/order.mp3 -o conversation.wav
  parley call --fast --json caller.wav -o conversation.mp3 | jq .latency_ms.median
  AWS_REGION=us-east-1 parley call --service aws caller.wav -o conversation.wav`
}

// Run makes the call.
func (c *callCommand) Run(ctx context.Context, con console) error {
	if c.Fast && c.Service == "aws" {
		return usageError{errors.New("--fast needs the emulator: AWS answers in real time only. Leave out --fast or --service aws")}
	}
	if c.Script != "" && c.Service == "aws" {
		return usageError{errors.New("--script is for the emulator: AWS makes up its own answers. Leave out --script or --service aws")}
	}
	human := con.out
	if c.JSON {
		human = con.err
	}
	screen := newScreen(human, con)
	var summary Summary
	converse := func() error { return c.converse(ctx, con, screen, &summary) }
	var err error
	if c.Fast {
		err = virtualtime.Run(converse)
	} else {
		err = converse()
	}
	if summary.Caller == "" {
		return err // it did not even begin
	}
	if err != nil {
		summary.Error = oneLine(err)
	}
	if c.JSON {
		if err := json.NewEncoder(con.out).Encode(summary); err != nil {
			return fmt.Errorf("write summary: %w", err)
		}
	} else {
		summary.print(human)
	}
	return err
}

// converse sets the pipeline up and runs it. Everything that it starts has
// ended when it returns, so that it can run in virtual time.
func (c *callCommand) converse(ctx context.Context, con console, screen *screen, summary *Summary) (err error) {
	layout := recorder.Stereo
	if c.Mono {
		layout = recorder.Mono
	}
	config := novasonic.Config{
		Model: c.Model, Voice: c.Voice, Language: c.Language,
		Instructions: c.Instructions, SpeakFirst: c.SpeakFirst,
		Endpointing: novasonic.Endpointing(c.Endpointing),
		Tools:       demoTools(),
	}
	if config.Instructions == "" {
		config.Instructions = demoInstructions
	}
	if err := config.Validate(); err != nil {
		return err
	}
	if c.Service == "emulator" {
		s, err := loadScript(c.Script)
		if err != nil {
			return err
		}
		server := sonictest.NewServer(sonictest.Config{Seed: c.Seed, Brain: s.Brain(), Library: s.Library()})
		if err := server.StartPipe(); err != nil {
			return fmt.Errorf("start emulator: %w", err)
		}
		defer server.Close()
		aws := server.AWSConfig()
		config.AWS = &aws
	}
	call, err := file.New(file.Config{
		Input: c.Caller, Output: c.Output, Layout: layout,
		HangUpAfter: c.HangUpAfter, MaxDuration: c.MaxDuration,
		Progress: screen.progress,
	})
	if err != nil {
		return err
	}
	if c.Service == "emulator" {
		screen.println("Emulator: the built-in one answers, not AWS; nothing leaves this machine.")
	} else {
		screen.println("AWS: Amazon Bedrock answers, with " + c.Model + ".")
	}

	pipe := pipeline.Config{Logger: c.logger(con.err)}
	if !c.Fast { // a signal cannot reach into virtual time: there it just ends the program
		pipe.Signals = []os.Signal{os.Interrupt, syscall.SIGTERM}
	}
	sonic := novasonic.New(config)
	ears := &listener{say: screen.line}
	p := pipeline.New(pipe, call.Input(), sonic, ears, call.Output())
	err = p.Run(ctx)
	screen.done()

	*summary = Summary{
		Caller: c.Caller, Output: c.Output, Service: c.Service, Model: c.Model, Virtual: c.Fast,
	}
	ears.fill(summary)
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
	for _, s := range p.Stats() {
		summary.Dropped += int64(s.System.Shed + s.Ordered.Shed + s.Upstream.Shed)
	}
	return err
}

func (c *callCommand) logger(w io.Writer) *slog.Logger {
	if !c.Verbose {
		return nil
	}
	return slog.New(slog.NewTextHandler(w, nil))
}

// print writes the summary for people.
func (s *Summary) print(w io.Writer) {
	count := func(n int, one string) string {
		if n == 1 {
			return "1 " + one
		}
		return fmt.Sprintf("%d %ss", n, one)
	}
	fmt.Fprintf(w, "\n%s, %s, %s, %s, %s\n",
		s.Duration.Duration().Round(100*time.Millisecond),
		count(s.Turns, "turn"), count(s.BargeIns, "barge-in"), count(s.ToolCalls, "tool call"), count(s.Streams, "stream"))
	if len(s.Latency.All) > 0 {
		fmt.Fprintf(w, "answers began %v after the caller had finished (median; at most %v)\n", s.Latency.Median.Duration(), s.Latency.Max.Duration())
	}
	fmt.Fprintf(w, "audio gaps: %d", s.AudioGaps)
	if s.AudioGaps > 0 {
		fmt.Fprintf(w, " (%v in all)", s.AudioGapsMS.Duration())
	}
	fmt.Fprintln(w)
	if len(s.Errors) > 0 {
		fmt.Fprintf(w, "survived: %s\n", strings.Join(s.Errors, "; "))
	}
	if s.Output != "" {
		fmt.Fprintf(w, "wrote %s\n", s.Output)
	}
}
