package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/hearplot"
	"github.com/parley-go/parley/internal/printing"
	"github.com/parley-go/parley/internal/virtualtime"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/audiofile"
	"github.com/parley-go/parley/processors/turn"
	"github.com/parley-go/parley/processors/vad"
	"github.com/parley-go/parley/transports/file"
)

type listenCommand struct {
	Recording string `arg:"" type:"path" help:"A recording, WAV or MP3; - is standard input."`

	Plot string `type:"path" placeholder:"FILE" help:"Draw what was heard: FILE.svg or FILE.png."`
	JSON bool   `name:"json" help:"Print one JSON object on one line."`

	Channel    string         `type:"choice" enum:"left,right,mix" default:"mix" help:"Which side of a stereo recording is heard: left, right, or mix, the mean of both."`
	Engine     string         `type:"choice" enum:"silero,energy,onnxruntime" default:"silero" help:"What tells speech from other sounds: silero, energy, or onnxruntime (which needs the build tag of that name)."`
	Confidence *float64       `placeholder:"P" help:"Probability from which on a sound counts as speech. Default: 0.7."`
	Start      *time.Duration `least:"1ms" most:"10s" placeholder:"D" help:"How long speech must last before it is told of. Default: 200ms."`
	Stop       *time.Duration `least:"1ms" most:"1m" placeholder:"D" help:"How long it must be quiet before the end of speech is told of. Default: 200ms, as it should be in front of turns."`
	End        time.Duration  `least:"1ms" most:"1m" default:"600ms" help:"How long it must be quiet for a turn to be over. Less than --stop has no effect."`
	MinVolume  *float64       `placeholder:"DB" help:"Level in dBFS below which nothing counts, as --min-volume=-60; -inf counts all. Default: -50."`
}

func (c *listenCommand) Help() string {
	return `Hears a recording as an agent would: what is speech, where it begins and ends, and which turns that makes. For finding out which parameters suit a line; docs/vad.md says what each does.

  parley listen testdata/calls/noisy.mp3 --plot heard.svg
  parley listen testdata/calls/noisy.mp3 --engine energy --plot heard.svg

  parley listen conversation.wav --channel left

What parley call writes has the caller on the left and the agent on the right: say --channel left, or the mean of both is heard, and the agent taken for the caller. Behind the end of each segment and turn it is said when an agent would have been told of it: what it waits for.`
}

// Heard is what `parley listen` prints as JSON.
type Heard struct {
	Recording string    `json:"recording"`
	Duration  Millis    `json:"duration_ms"`
	Engine    string    `json:"engine"`
	Segments  []Stretch `json:"segments"`
	Turns     []Stretch `json:"turns"`
	Speech    Millis    `json:"speech_ms"` // in segments, in all
	Plot      string    `json:"plot,omitempty"`

	// Nothing says why, if there are no segments.
	Nothing string `json:"nothing,omitempty"`

	// Interrupted says that the recording went on: all this is of its beginning.
	Interrupted bool `json:"interrupted,omitempty"`
}

// Stretch is a part of the recording.
type Stretch struct {
	From Millis `json:"from_ms"`
	To   Millis `json:"to_ms"`

	// Told is when an agent would have been told that it has ended, To. It is left
	// out if the recording was over before.
	Told Millis `json:"told_ms,omitempty"`

	// Cut says of a turn that it did not end within two minutes, and was ended:
	// the speech went on.
	Cut bool `json:"cut,omitempty"`
}

// Run listens.
func (c *listenCommand) Run(ctx context.Context, con console) error {
	params, err := c.params()
	if err != nil {
		return usageError{err}
	}
	format, err := c.plotFormat()
	if err != nil {
		return err
	}
	engine, done, err := c.engine()
	if err != nil {
		return err
	}
	defer done()
	r, err := c.open()
	if err != nil {
		return ofStdin(err)
	}
	defer r.Close()
	if c.Channel != mix && r.Format().Channels == 1 {
		return usageError{fmt.Errorf("--channel %s: %s is mono: leave --channel out", c.Channel, c.name())}
	}
	if c.End < params.Stop {
		notice(con, "--end %v has no effect: no turn ends before the end of speech is told, for which --stop %v is waited", c.End, params.Stop)
	}
	var plot *reserved
	if c.Plot != "" {
		if plot, err = reserve("plot", c.Plot, c.Recording); err != nil {
			return err
		}
	}
	heard, picture, err := c.listen(ctx, con, r, engine, params)
	if err != nil {
		if plot != nil {
			plot.discard()
		}
		return err
	}
	if plot != nil {
		var drawn bytes.Buffer
		if err := hearplot.Write(&drawn, format, picture); err != nil {
			plot.discard()
			return fmt.Errorf("draw %s: %w", c.Plot, err)
		}
		if err := plot.write(drawn.Bytes()); err != nil {
			return err
		}
		heard.Plot = c.Plot
	}
	if c.JSON {
		if err := json.NewEncoder(con.out).Encode(heard); err != nil {
			return nil // run says which, and what to do
		}
	} else {
		heard.print(con.out)
	}
	if err == nil && heard.Interrupted {
		err = interruption("the recording was heard up to %s", stamp(heard.Duration))
	}
	return err
}

// listen hears the recording through.
func (c *listenCommand) listen(ctx context.Context, con console, r *audiofile.Reader, engine vad.Engine, params vad.Params) (Heard, hearplot.Picture, error) {
	screen := newScreen(io.Discard, con)
	screen.doing = "listening"
	// Signals are heard out here, and the recording is read: neither can reach into
	// virtual time, and a pipe may wait for ever, which an interrupt has to end.
	ctx, stop := untilSignal(ctx, func() {})
	defer stop()
	total, pieces := r.Duration(), read(ctx, r)
	l := &listening{format: audio.Mono(r.Format().Rate), picture: hearplot.Picture{Confidence: params.Confidence, MinVolume: params.MinVolume}}
	sides := sides{channels: r.Format().Channels, channel: c.Channel}
	var stats []pipeline.ProcessorStats
	// In virtual time, as an agent would hear it: live audio waits for nobody, so
	// sent as fast as it is read it would be dropped.
	err := virtualtime.Run(func() error {
		l.begun = time.Now()
		p := pipeline.New(pipeline.Config{OnError: l.failed},
			&reading{format: l.format, pieces: pieces, interrupted: ctx.Done(), over: l.hasAll, heard: func(samples []int16) []int16 {
				samples = sides.hear(samples)
				l.hears(samples)
				screen.progress(file.Progress{Position: l.length(), Total: total})
				return samples
			}},
			vad.New(vad.Config{Params: params, Engine: engine, Observe: l.observe}),
			turn.New(turn.Config{Start: turn.Voice(), End: turn.Silence(c.End)}),
			l,
		)
		err := p.Run(context.Background())
		stats = p.Stats()
		return err
	})
	screen.done()
	switch {
	case ctx.Err() != nil && l.length() == 0:
		return Heard{}, hearplot.Picture{}, interruption("nothing of the recording was heard")
	case err == nil:
		err = l.err
	}
	if n := shed(stats); err == nil && n > 0 {
		err = fmt.Errorf("%d pieces of it were dropped, which must not happen", n)
	}
	if err != nil {
		if bad := (*audiofile.Error)(nil); errors.As(err, &bad) { // which says enough
			return Heard{}, hearplot.Picture{}, ofStdin(bad)
		}
		return Heard{}, hearplot.Picture{}, fmt.Errorf("listen to %s: %w", c.name(), err)
	}
	heard := l.result()
	if len(heard.Segments) == 0 {
		heard.Nothing = l.nothing(params)
	}
	if n := sides.notice(); n != "" {
		notice(con, "%s", n)
	}
	heard.Recording, heard.Engine, heard.Interrupted = c.Recording, c.Engine, ctx.Err() != nil
	l.picture.Title = fmt.Sprintf("%s, heard by %s", filepath.Base(c.name()), c.Engine)
	return heard, l.picture, nil
}

// engine opens the engine; done lets go of it.
func (c *listenCommand) engine() (engine vad.Engine, done func() error, err error) {
	switch c.Engine {
	case "energy":
		return vad.Energy(), nothing, nil
	case "onnxruntime":
		e, err := vad.NewONNXRuntime(vad.ONNXConfig{})
		if err != nil {
			return nil, nil, err
		}
		return e, e.Close, nil
	}
	return vad.Silero(), nothing, nil
}

func nothing() error { return nil }

// notice tells what is no failure, and may not be what was meant.
func notice(con console, format string, args ...any) {
	fmt.Fprintln(con.err, "parley: note:", printing.OneLine(fmt.Sprintf(format, args...)))
}

// params are those of the command line, with the detector's defaults, and the Stop
// that package turn wants in front of it.
func (c *listenCommand) params() (vad.Params, error) {
	d, err := vad.NewDetector(vad.Config{Engine: vad.Energy(), Params: vad.Params{Stop: 200 * time.Millisecond}})
	if err != nil {
		return vad.Params{}, err
	}
	if err := d.Update(vad.Settings{Confidence: c.Confidence, Start: c.Start, Stop: c.Stop, MinVolume: c.MinVolume}); err != nil {
		var p *vad.ParamError
		if errors.As(err, &p) {
			flag := map[string]string{"Confidence": "--confidence", "Start": "--start", "Stop": "--stop", "MinVolume": "--min-volume"}[p.Field]
			return vad.Params{}, fmt.Errorf("%s: %w", flag, p.Err)
		}
		return vad.Params{}, err
	}
	return d.Params(), nil
}

// plotFormat is how the picture is to be written.
func (c *listenCommand) plotFormat() (hearplot.Format, error) {
	switch ext := strings.ToLower(filepath.Ext(c.Plot)); {
	case c.Plot == "" || ext == ".svg":
		return hearplot.SVG, nil
	case ext == ".png":
		return hearplot.PNG, nil
	}
	return 0, usageError{fmt.Errorf("--plot %s: its name decides how it is drawn: name a .svg or .png file", c.Plot)}
}

// open opens the recording. One that was cut off is refused, as by call.
func (c *listenCommand) open() (*audiofile.Reader, error) {
	if c.Recording == stdio && runtime.GOOS != "windows" {
		c.Recording = stdin
	}
	r, err := audiofile.Open(c.Recording)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(c.Recording); err == nil && info.Mode().IsRegular() {
		if err := audiofile.Check(c.Recording); err != nil {
			r.Close() // it was only read
			return nil, err
		}
	}
	return r, nil
}

// stdin is standard input, as a file.
const stdin = "/dev/stdin"

// name is the recording's, for people.
func (c *listenCommand) name() string {
	if c.Recording == stdin {
		return "standard input"
	}
	return c.Recording
}

// ofStdin gives an error about standard input the name that people know, and a remedy
// for what cannot be read again: that of a file is a command that does.
func ofStdin(err error) error {
	var bad *audiofile.Error
	if !errors.As(err, &bad) || bad.Path != stdin {
		return err
	}
	e := *bad
	e.Path = "standard input"
	switch text := bad.Err.Error(); {
	case errors.Is(err, audiofile.ErrEmpty), strings.HasSuffix(text, "it is an empty file"):
		e.Err, e.Mend = audiofile.ErrEmpty, "see whether whoever sends it says why"
	case errors.Is(err, io.ErrUnexpectedEOF):
		e.Mend = "see whether whoever sends it was ended before its time, and says why"
	case strings.Contains(bad.Mend, "ffmpeg"):
		e.Mend = "send WAV or MP3; raw audio needs a header on its way here, for instance with: ffmpeg -f s16le -ar 8000 -ac 1 -i - -f wav -"
	}
	return &e
}

// mix is what is heard of a stereo recording if nothing is said.
const mix = "mix"

// sides picks what is heard of a recording with one or two of them.
type sides struct {
	channels int
	channel  string

	// Of a stereo recording: the energy of both sides, and of half their sum and
	// difference.
	both, sum, difference float64
}

// hear returns what is heard of interleaved samples.
func (s *sides) hear(samples []int16) []int16 {
	if s.channels == 1 {
		return samples
	}
	for i := 0; i+1 < len(samples); i += 2 {
		l, r := float64(samples[i]), float64(samples[i+1])
		s.both += (l*l + r*r) / 2
		s.sum += (l + r) * (l + r) / 4
		s.difference += (l - r) * (l - r) / 4
	}
	if s.channel == mix {
		return audio.Remix(nil, samples, 2, 1)
	}
	first := 0
	if s.channel == "right" {
		first = 1
	}
	one := make([]int16, 0, len(samples)/2)
	for i := first; i < len(samples); i += 2 {
		one = append(one, samples[i])
	}
	return one
}

// notice says what the mean of two sides that differ hides. Sides that differ by less
// than a hundredth of their energy are one, by another coding or a little louder.
func (s *sides) notice() string {
	switch {
	case s.channel != mix || s.difference <= s.both/100:
		return ""
	case s.sum < s.both/100:
		return "the two sides cancel each other out, and their mean is heard: hear one with --channel left or --channel right"
	}
	return "the two sides differ, and their mean is heard: hear one with --channel left or --channel right"
}

// piece is 20 ms of a recording, or what there is of them, and why no more follows.
type piece struct {
	samples []int16
	err     error
}

// read reads a recording piece by piece, until it is over or ctx is. Nobody waits
// for its goroutine: not everywhere can a read be called back that waits for a pipe.
func read(ctx context.Context, r *audiofile.Reader) <-chan piece {
	format := r.Format()
	pieces := make(chan piece, 8)
	go func() {
		for {
			samples := make([]int16, int(format.Rate.Samples(20*time.Millisecond))*format.Channels)
			n, err := readFull(r, samples)
			select {
			case pieces <- piece{samples[:n], err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return pieces
}

// reading sends a recording as if a caller said it.
type reading struct {
	format      audio.Format
	pieces      <-chan piece
	interrupted <-chan struct{}
	heard       func([]int16) []int16 // takes what was read, and returns it in format
	over        func()                // is called when all that was heard has been worked on
}

func (s *reading) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	return out.Send(ctx, f, dir)
}

func (s *reading) Run(ctx context.Context, out *pipeline.Port) error {
	begin := time.Now()
	tick := time.NewTimer(0)
	defer tick.Stop()
	// until waits for an instant of the recording.
	until := func(at audio.Position) bool {
		tick.Reset(time.Until(begin.Add(s.format.Rate.Duration(int64(at)))))
		select {
		case <-tick.C:
			return true
		case <-ctx.Done():
			return false
		}
	}
	for at := audio.Position(0); ; {
		p := piece{err: io.EOF}
		select {
		case <-s.interrupted: // what was read is not heard first
		default:
			select {
			case p = <-s.pieces:
			case <-s.interrupted:
			case <-ctx.Done():
				return nil
			}
		}
		if len(p.samples) > 0 {
			samples := s.heard(p.samples)
			f := &frames.AudioInput{Audio: frames.Audio{Format: s.format, Samples: samples, Track: "caller", Position: at}}
			at = f.End()
			if !until(at) { // when its last sample has been said
				return nil
			}
			if err := out.Send(ctx, f, frames.Downstream); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(p.err, io.EOF):
			if !until(at + 1) { // in virtual time, when nobody works any more
				return nil
			}
			s.over()
			return out.Send(ctx, &frames.End{Reason: "the recording is over"}, frames.Downstream)
		case p.err != nil:
			return p.err
		}
	}
}

// readFull reads until p is full, or the recording over.
func readFull(r *audiofile.Reader, p []int16) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = r.Read(p[n:])
		n += m
	}
	return n, err
}

// shed is how many frames were dropped.
func shed(stats []pipeline.ProcessorStats) (n uint64) {
	for _, p := range stats {
		n += p.System.Shed
	}
	return n
}

// listening collects what is heard.
type listening struct {
	format audio.Format
	begun  time.Time

	mu       sync.Mutex // guards the following
	err      error
	picture  hearplot.Picture
	frames   int64 // of the recording
	extent   hearplot.Extent
	measured int
	open     map[*[]hearplot.Span]bool // a span of it has not ended
	cut      map[int]bool              // turns that were too long
	over     bool                      // the recording: what ends now is ended by that

	likeliest, loudest hearplot.Window // of those that were heard
	run, longest       time.Duration   // of windows that count, one behind the other
}

// stretchesASecond is how finely the waveform is drawn.
const stretchesASecond = 100

func (l *listening) hears(samples []int16) {
	l.mu.Lock()
	defer l.mu.Unlock()
	most := int(l.format.Rate) / stretchesASecond
	for _, s := range samples {
		v := float64(s) / 32768
		l.extent.Low, l.extent.High = min(l.extent.Low, v), max(l.extent.High, v)
		if l.measured++; l.measured == most {
			l.picture.Wave = append(l.picture.Wave, l.extent)
			l.extent, l.measured = hearplot.Extent{}, 0
		}
	}
	l.frames += int64(len(samples))
	l.picture.Length = l.format.Rate.Duration(l.frames)
}

func (l *listening) length() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.picture.Length
}

func (l *listening) observe(w vad.Window) {
	l.mu.Lock()
	defer l.mu.Unlock()
	heard := hearplot.Window{At: w.Rate.Duration(int64(w.To)), Probability: float64(w.Probability), Volume: w.Volume}
	l.picture.Heard = append(l.picture.Heard, heard)
	if l.likeliest.At == 0 || heard.Probability > l.likeliest.Probability {
		l.likeliest = heard
	}
	if l.loudest.At == 0 || heard.Volume > l.loudest.Volume {
		l.loudest = heard
	}
	if !w.Counts {
		l.run = 0
		return
	}
	l.run += w.Rate.Duration(int64(w.To - w.From))
	l.longest = max(l.longest, l.run)
}

// nothing says why there is no speech: how near to its limits it came.
func (l *listening) nothing(params vad.Params) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.picture.Heard) == 0 {
		return "no window of sound was heard"
	}
	likely, loud := l.likeliest.Probability >= params.Confidence, l.loudest.Volume >= params.MinVolume
	reached := func(yes bool) string {
		if yes {
			return "reached"
		}
		return "not reached"
	}
	volume := "digital silence" // rounded down, as is the probability: what is below a limit is printed so
	if !math.IsInf(l.loudest.Volume, -1) {
		volume = fmt.Sprintf("%.1f dBFS at %s", math.Floor(l.loudest.Volume*10)/10, stamp(millis(l.loudest.At)))
	}
	text := fmt.Sprintf("highest probability %.4f at %s (--confidence %g: %s), loudest window %s (--min-volume %g: %s)",
		math.Floor(l.likeliest.Probability*1e4)/1e4, stamp(millis(l.likeliest.At)), params.Confidence, reached(likely), volume, params.MinVolume, reached(loud))
	switch {
	case l.longest > 0:
		text += fmt.Sprintf("; what counted lasted for %v at most (--start %v: not reached)", l.longest.Round(time.Millisecond), params.Start)
	case likely && loud:
		text += "; no window reached both"
	}
	return text
}

// hasAll is told that the recording is over.
func (l *listening) hasAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
}

func (l *listening) failed(f *frames.Error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case errors.Is(f.Err, turn.ErrEndless): // which is as it would be in a call
		if l.cut == nil {
			l.cut = map[int]bool{}
		}
		l.cut[len(l.picture.Turns)-1] = true
	case l.err == nil:
		l.err = f.Err
	}
}

// Process takes what the detector and the turns tell.
func (l *listening) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	l.mu.Lock()
	switch f := f.(type) {
	case *frames.VADStarted:
		l.begins(&l.picture.Segments, f.Rate.Duration(int64(f.Position)))
	case *frames.VADStopped:
		l.ends(&l.picture.Segments, f.Rate.Duration(int64(f.Position)))
	case *frames.UserStartedSpeaking:
		l.begins(&l.picture.Turns, f.Rate.Duration(int64(f.Position)))
	case *frames.UserStoppedSpeaking:
		l.ends(&l.picture.Turns, f.Rate.Duration(int64(f.Position)))
	}
	l.mu.Unlock()
	return out.Send(ctx, f, dir)
}

func (l *listening) begins(spans *[]hearplot.Span, at time.Duration) {
	if l.open == nil {
		l.open = map[*[]hearplot.Span]bool{}
	}
	*spans = append(*spans, hearplot.Span{From: at, To: at})
	l.open[spans] = true
}

func (l *listening) ends(spans *[]hearplot.Span, at time.Duration) {
	if l.open[spans] {
		s := &(*spans)[len(*spans)-1]
		s.To = at
		if !l.over {
			s.Told = time.Since(l.begun)
		}
		l.open[spans] = false
	}
}

// result is what was heard, with what has not ended ended by the recording.
func (l *listening) result() Heard {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := Heard{Duration: millis(l.picture.Length), Segments: []Stretch{}, Turns: []Stretch{}}
	for _, of := range []struct {
		spans *[]hearplot.Span
		to    *[]Stretch
	}{{&l.picture.Segments, &h.Segments}, {&l.picture.Turns, &h.Turns}} {
		l.ends(of.spans, l.picture.Length)
		for i := range *of.spans {
			s := &(*of.spans)[i]
			s.To = min(s.To, l.picture.Length)
			*of.to = append(*of.to, Stretch{From: millis(s.From), To: millis(s.To), Told: millis(s.Told)})
		}
	}
	for i := range l.cut {
		h.Turns[i].Cut = true
	}
	for _, s := range h.Segments {
		h.Speech += s.To - s.From
	}
	return h
}

func (h Heard) print(w io.Writer) {
	for _, of := range []struct {
		name string
		all  []Stretch
	}{{"speech", h.Segments}, {"turn", h.Turns}} {
		for _, s := range of.all {
			fmt.Fprintf(w, "%-7s %s – %s  (%.2f s)", of.name, stamp(s.From), stamp(s.To), (s.To - s.From).Duration().Seconds())
			if s.Told > 0 {
				fmt.Fprintf(w, "  told at %s, %.2f s later", stamp(s.Told), (s.Told - s.To).Duration().Seconds())
			}
			if s.Cut {
				fmt.Fprint(w, "  ended as too long, in mid-speech")
			}
			fmt.Fprintln(w)
		}
	}
	share := 0.0
	if h.Duration > 0 {
		share = 100 * float64(h.Speech) / float64(h.Duration)
	}
	fmt.Fprintf(w, "%s, %s, by %s: %.1f s of speech in %.1f s (%.0f %%)\n",
		count(len(h.Segments), "segment", "segments"), count(len(h.Turns), "turn", "turns"), h.Engine,
		h.Speech.Duration().Seconds(), h.Duration.Duration().Seconds(), math.Round(share))
	if h.Nothing != "" {
		fmt.Fprintln(w, "no speech:", h.Nothing)
	}
	if h.Plot != "" {
		fmt.Fprintln(w, "plot:", printing.OneLine(h.Plot))
	}
}

// stamp is an instant, to the hundredth of a second.
func stamp(m Millis) string {
	m = (m + 5) / 10 * 10
	return fmt.Sprintf("%d:%05.2f", m/60_000, float64(m%60_000)/1000)
}
