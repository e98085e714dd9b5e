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
	Recording string `arg:"" type:"path" help:"A recording, WAV or MP3."`

	Plot string `type:"path" placeholder:"FILE" help:"Draw what was heard: FILE.svg or FILE.png."`
	JSON bool   `name:"json" help:"Print one JSON object on one line."`

	Engine     string         `enum:"silero,energy,onnxruntime" default:"silero" help:"What tells speech from other sounds: silero, energy, or onnxruntime (which needs the build tag of that name)."`
	Confidence *float64       `placeholder:"P" help:"Probability from which on a sound counts as speech. Default: 0.7."`
	Start      *time.Duration `least:"1ms" most:"10s" placeholder:"D" help:"How long speech must last before it is told of. Default: 200ms."`
	Stop       *time.Duration `least:"1ms" most:"1m" placeholder:"D" help:"How long it must be quiet before the end of speech is told of. Default: 800ms."`
	End        time.Duration  `least:"1ms" most:"1m" default:"1s" help:"How long it must be quiet for a turn to be over."`
	MinVolume  *float64       `placeholder:"DB" help:"Level in dBFS below which nothing counts, as --min-volume=-60; -inf counts all. Default: -50."`
}

func (c *listenCommand) Help() string {
	return `Hears a recording as an agent would: what is speech, where it begins and ends, and which turns that makes. For finding out which parameters suit a line; docs/vad.md says what each does.

  parley listen testdata/calls/noisy.mp3 --plot heard.svg
  parley listen testdata/calls/noisy.mp3 --engine energy --plot heard.svg

Of a stereo recording the mean of both sides is heard.`
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

	// Interrupted says that the recording went on: all this is of its beginning.
	Interrupted bool `json:"interrupted,omitempty"`
}

// Stretch is a part of the recording.
type Stretch struct {
	From Millis `json:"from_ms"`
	To   Millis `json:"to_ms"`
}

// Run listens.
func (c *listenCommand) Run(ctx context.Context, con console) error {
	engine, err := c.engine()
	if err != nil {
		return err
	}
	params, err := c.params()
	if err != nil {
		return usageError{err}
	}
	format, err := c.plotFormat()
	if err != nil {
		return err
	}
	r, err := c.open()
	if err != nil {
		return err
	}
	defer r.Close()
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
		err = json.NewEncoder(con.out).Encode(heard)
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
	l := &listening{format: r.Format(), picture: hearplot.Picture{Confidence: params.Confidence, MinVolume: params.MinVolume}}
	var stats []pipeline.ProcessorStats
	// In virtual time, as an agent would hear it: live audio waits for nobody, so
	// sent as fast as it is read it would be dropped.
	err := virtualtime.Run(func() error {
		p := pipeline.New(pipeline.Config{OnError: l.failed},
			&reading{format: l.format, pieces: pieces, interrupted: ctx.Done(), heard: func(samples []int16) {
				l.hears(samples)
				screen.progress(file.Progress{Position: l.length(), Total: total})
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
		return Heard{}, hearplot.Picture{}, fmt.Errorf("listen to %s: %w", c.Recording, err)
	}
	heard := l.result()
	heard.Recording, heard.Engine, heard.Interrupted = c.Recording, c.Engine, ctx.Err() != nil
	l.picture.Title = fmt.Sprintf("%s, heard by %s", filepath.Base(c.Recording), c.Engine)
	return heard, l.picture, nil
}

func (c *listenCommand) engine() (vad.Engine, error) {
	switch c.Engine {
	case "energy":
		return vad.Energy(), nil
	case "onnxruntime":
		return vad.NewONNXRuntime(vad.ONNXConfig{})
	}
	return vad.Silero(), nil
}

// params are those of the command line, with the detector's defaults.
func (c *listenCommand) params() (vad.Params, error) {
	d, err := vad.NewDetector(vad.Config{Engine: vad.Energy()})
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
	heard       func([]int16)
}

func (s *reading) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	return out.Send(ctx, f, dir)
}

func (s *reading) Run(ctx context.Context, out *pipeline.Port) error {
	begin := time.Now()
	tick := time.NewTimer(0)
	defer tick.Stop()
	for at := audio.Position(0); ; {
		tick.Reset(time.Until(begin.Add(s.format.Rate.Duration(int64(at)))))
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
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
			s.heard(p.samples)
			f := &frames.AudioInput{Audio: frames.Audio{Format: s.format, Samples: p.samples, Track: "caller", Position: at}}
			if err := out.Send(ctx, f, frames.Downstream); err != nil {
				return err
			}
			at = f.End()
		}
		switch {
		case errors.Is(p.err, io.EOF):
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

	mu       sync.Mutex // guards the following
	err      error
	picture  hearplot.Picture
	frames   int64 // of the recording
	extent   hearplot.Extent
	measured int
	open     map[*[]hearplot.Span]bool // a span of it has not ended
}

// stretchesASecond is how finely the waveform is drawn.
const stretchesASecond = 100

func (l *listening) hears(samples []int16) {
	l.mu.Lock()
	defer l.mu.Unlock()
	most := int(l.format.Rate) / stretchesASecond * l.format.Channels
	for _, s := range samples {
		v := float64(s) / 32768
		l.extent.Low, l.extent.High = min(l.extent.Low, v), max(l.extent.High, v)
		if l.measured++; l.measured == most {
			l.picture.Wave = append(l.picture.Wave, l.extent)
			l.extent, l.measured = hearplot.Extent{}, 0
		}
	}
	l.frames += int64(l.format.Frames(len(samples)))
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
	l.picture.Heard = append(l.picture.Heard, hearplot.Window{At: w.Rate.Duration(int64(w.To)), Probability: float64(w.Probability), Volume: w.Volume})
}

func (l *listening) failed(f *frames.Error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
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
		(*spans)[len(*spans)-1].To = at
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
			*of.to = append(*of.to, Stretch{millis(s.From), millis(s.To)})
		}
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
			fmt.Fprintf(w, "%-7s %s – %s  (%.2f s)\n", of.name, stamp(s.From), stamp(s.To), (s.To - s.From).Duration().Seconds())
		}
	}
	share := 0.0
	if h.Duration > 0 {
		share = 100 * float64(h.Speech) / float64(h.Duration)
	}
	fmt.Fprintf(w, "%s, %s, by %s: %.1f s of speech in %.1f s (%.0f %%)\n",
		count(len(h.Segments), "segment", "segments"), count(len(h.Turns), "turn", "turns"), h.Engine,
		h.Speech.Duration().Seconds(), h.Duration.Duration().Seconds(), math.Round(share))
	if h.Plot != "" {
		fmt.Fprintln(w, "plot:", printing.OneLine(h.Plot))
	}
}

// stamp is an instant, to the hundredth of a second.
func stamp(m Millis) string {
	m = (m + 5) / 10 * 10
	return fmt.Sprintf("%d:%05.2f", m/60_000, float64(m%60_000)/1000)
}
