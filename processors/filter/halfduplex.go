package filter

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/mistakes"
	"github.com/parley-go/parley/internal/tracks"
	"github.com/parley-go/parley/pipeline"
)

// HalfDuplexConfig says how the microphone is closed while the agent speaks. The
// zero value is good, and lets nobody interrupt; see BreakThrough.
type HalfDuplexConfig struct {
	// Hold is how long the microphone stays closed when the agent has fallen
	// silent: the sound is still on its way through the loudspeaker, the room and
	// back. 300 ms by default; a negative one is refused.
	Hold time.Duration

	// Fade is how long it takes to close and to open, so that neither clicks; 10
	// ms by default.
	Fade time.Duration

	// Duck is by how many decibels the microphone is softer while it is closed; 0,
	// the default, makes it silent.
	Duck float64

	// BreakThrough is the level in dBFS RMS at which the caller is let through all
	// the same, to interrupt the agent: it must be above what the microphone hears
	// of the loudspeaker, or the agent interrupts itself. The first 10 to 20 ms of
	// what breaks through are lost. From -90, the last of 16 bits, to less than 0; 0,
	// the default, lets nothing through.
	BreakThrough float64

	// BreakHold is how long the microphone stays open after the last 10 ms that
	// were as loud as BreakThrough; 600 ms by default: longer than the soft part
	// of a word. It needs a BreakThrough.
	BreakHold time.Duration
}

// HalfDuplex closes the microphone while the agent's voice comes out of a
// loudspeaker, for local audio without echo cancellation: it would hear itself,
// and answer, or take it for an interruption. Make one with [NewHalfDuplex]; it
// has its place right behind the input, before anything that listens.
//
//	agent     ┌────────────────┐
//	          │ BotStarted…    │ BotStopped…
//	mic  ─────╲                       ╱─────
//	           ╲_____________________╱
//	           fade       hold  │◀──▶│
//
// It goes by what is heard, not by what is generated: by BotStartedSpeaking and
// BotStoppedSpeaking, which the output sends. Where several agents have outputs of
// their own, the last to fall silent opens it. Hold and fades are counted on the
// clock of the microphone's samples. Positions do not change: a closed microphone
// sends silence, which keeps services going. While it is open, frames pass as they
// are.
//
// A track whose format makes no sense is silent while the agent speaks, and
// reported once in ten seconds of its audio.
//
// A sound that is played behind the agent's voice (frames.PlayBackground) does not
// close it: no BotStartedSpeaking tells of one. Use no such sounds with a
// loudspeaker that the microphone hears, or none that would be taken for speech.
type HalfDuplex struct {
	cfg        HalfDuplexConfig
	voices     int       // of agents, that are being heard
	held       int       // that have stopped, and may go on
	silent     time.Time // since when none has been heard
	mics       tracks.Map[*mic]
	complaints tracks.Complaints
}

// mic is the state of a track.
type mic struct {
	format  audio.Format
	refused error          // what is wrong with the format
	next    audio.Position // behind what has been counted
	fade    []float32      // the gain on the way from closed to open, whose ends are those
	at      int            // where it is on that way
	hold    int64          // samples that it stays closed still when no agent is heard
	open    int64          // samples that it stays open still, for one who breaks through
	block   int            // samples of which a level is taken
	filled  int
	power   []float64 // of each channel, in this block
}

const (
	breakBlock = 10 * time.Millisecond
	softest    = -90 // dBFS; any room is louder
)

// NewHalfDuplex makes a HalfDuplex.
func NewHalfDuplex(cfg HalfDuplexConfig) *HalfDuplex {
	if cfg.Hold == 0 {
		cfg.Hold = 300 * time.Millisecond
	}
	if cfg.Fade == 0 {
		cfg.Fade = 10 * time.Millisecond
	}
	if cfg.BreakHold == 0 && cfg.BreakThrough != 0 {
		cfg.BreakHold = 600 * time.Millisecond
	}
	return &HalfDuplex{cfg: cfg}
}

// Name returns "half duplex".
func (h *HalfDuplex) Name() string { return "half duplex" }

// Start checks the configuration.
func (h *HalfDuplex) Start(context.Context, *pipeline.Port) error {
	const longest = time.Minute
	var wrong mistakes.List
	wrong.Duration("Hold", h.cfg.Hold, time.Millisecond, longest)
	wrong.Duration("Fade", h.cfg.Fade, 100*time.Microsecond, longest)
	wrong.Duration("BreakHold", h.cfg.BreakHold, time.Millisecond, longest)
	if !(h.cfg.Duck >= 0) { // nor is NaN
		wrong.Add("Duck is %g dB: at least 0", h.cfg.Duck)
	}
	if !(h.cfg.BreakThrough >= softest && h.cfg.BreakThrough <= 0) {
		wrong.Add("BreakThrough is %g dBFS: from %d to below 0, or 0 for none", h.cfg.BreakThrough, softest)
	}
	if h.cfg.BreakThrough == 0 && h.cfg.BreakHold != 0 {
		wrong.Add("BreakHold is %v, and nothing breaks through: set BreakThrough, or leave it out", h.cfg.BreakHold)
	}
	if err := wrong.Err(); err != nil {
		return fmt.Errorf("configure half duplex: %w", err)
	}
	return nil
}

// Process closes and opens the microphone, and passes everything else on.
func (h *HalfDuplex) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	switch f := f.(type) {
	case *frames.Interruption:
		return nil
	case *frames.BotStartedSpeaking:
		h.voices++
		h.held = max(h.held-1, 0)
	case *frames.BotStoppedSpeaking:
		h.stopped(f)
	case *frames.AudioInput:
		if dir == frames.Downstream {
			g, err := h.gate(f)
			h.complaints.Heard(f.Track, f.Duration())
			return errors.Join(out.Send(ctx, g, dir), err)
		}
	}
	return out.Send(ctx, f, dir)
}

// stopped takes in that a voice is no longer heard.
func (h *HalfDuplex) stopped(f *frames.BotStoppedSpeaking) {
	switch {
	case f.Interrupted && h.held > 0:
		h.held-- // it was silent before
	case h.voices > 0:
		if h.voices--; h.voices > 0 {
			break
		}
		h.silent = time.Now()
		for _, m := range h.mics.All() {
			m.hold = m.format.Rate.Samples(h.cfg.Hold)
		}
	}
	if f.Held {
		h.held++
	}
}

// gate returns f, or a frame like it with what may pass of it.
func (h *HalfDuplex) gate(f *frames.AudioInput) (*frames.AudioInput, error) {
	m, known := h.mics.Get(f.Track)
	if !known || m.format != f.Format {
		was := m
		m = h.newMic(f.Format)
		m.next = f.Position
		m.inherit(was)
		h.mics.Put(f.Track, m)
	}
	if m.refused != nil {
		err := h.complaints.Let(f.Track, "format", fmt.Errorf("gate track %q: %w; it is silent while the agent speaks", f.Track, m.refused))
		if h.voices == 0 {
			return f, err
		}
		return with(f, silent(f.Audio)).(*frames.AudioInput), err
	}
	switch lost := f.Position - m.next; {
	case lost > 0:
		m.pass(h, int64(lost))
	case lost < -audio.Position(f.Format.Rate): // a second: its clock has begun anew
		m.next = f.Position
	}
	if h.voices == 0 && m.hold == 0 && m.at == len(m.fade)-1 { // open, and stays so
		m.next = max(m.next, f.End())
		m.open, m.filled = 0, 0
		clear(m.power)
		return f, nil
	}
	a := f.Audio
	a.Samples = make([]int16, len(f.Samples))
	n := m.format.Channels
	for i := 0; i+n <= len(f.Samples); i += n {
		if f.Position+audio.Position(i/n) >= m.next { // what comes twice is counted once
			m.next++
			m.listen(h, f.Samples[i:i+n])
			m.step(h)
		}
		gain := m.fade[m.at]
		for c := range n {
			a.Samples[i+c] = int16(float32(f.Samples[i+c]) * gain)
		}
	}
	return with(f, a).(*frames.AudioInput), nil
}

func silent(a frames.Audio) frames.Audio {
	a.Samples = make([]int16, len(a.Samples))
	return a
}

// newMic makes the state of a track that is new.
func (h *HalfDuplex) newMic(f audio.Format) *mic {
	m := &mic{format: f, refused: f.Validate()}
	if m.refused != nil {
		return m
	}
	closed := 0.0
	if h.cfg.Duck > 0 {
		closed = math.Pow(10, -h.cfg.Duck/20)
	}
	steps := max(int(f.Rate.Samples(h.cfg.Fade)), 1)
	for i := range steps + 1 {
		m.fade = append(m.fade, float32(closed+(1-closed)*(0.5-0.5*math.Cos(math.Pi*float64(i)/float64(steps)))))
	}
	// When the agent fell silent is on no clock of a track that nobody knew then. It is
	// not faded either, as it was never heard.
	m.hold = f.Rate.Samples(max(h.cfg.Hold-time.Since(h.silent), 0))
	if h.voices == 0 && m.hold == 0 {
		m.at = steps
	}
	m.block = max(int(f.Rate.Samples(breakBlock)), 1)
	m.power = make([]float64, f.Channels)
	return m
}

// inherit takes over how far closed a track was before its format changed.
func (m *mic) inherit(was *mic) {
	if was == nil || was.refused != nil || m.refused != nil {
		return
	}
	convert := func(n int64) int64 {
		return int64(audio.Position(n).At(was.format.Rate, m.format.Rate))
	}
	m.hold, m.open = convert(was.hold), convert(was.open)
	m.at = was.at * (len(m.fade) - 1) / (len(was.fade) - 1)
}

// step moves on by a sample.
func (m *mic) step(h *HalfDuplex) {
	closed := (h.voices > 0 || m.hold > 0) && m.open == 0
	switch {
	case closed && m.at > 0:
		m.at--
	case !closed && m.at < len(m.fade)-1:
		m.at++
	}
	if m.hold > 0 { // while an agent speaks, it makes no difference
		m.hold--
	}
	if m.open > 0 {
		m.open--
	}
}

// pass moves on by samples that were lost.
func (m *mic) pass(h *HalfDuplex, n int64) {
	m.next += audio.Position(n)
	// Once all has run down, more steps change nothing.
	settled := m.hold + m.open + int64(2*len(m.fade))
	for range min(n, settled) {
		m.step(h)
	}
	m.filled = 0
	clear(m.power)
}

// listen looks whether somebody breaks through.
func (m *mic) listen(h *HalfDuplex, frame []int16) {
	if h.cfg.BreakThrough == 0 {
		return
	}
	for c, s := range frame {
		m.power[c] += float64(s) * float64(s)
	}
	m.filled++
	if m.filled < m.block {
		return
	}
	most := 0.0
	for c, p := range m.power {
		most = max(most, p)
		m.power[c] = 0
	}
	m.filled = 0
	if 10*math.Log10(most/float64(m.block)/(32768*32768)) >= h.cfg.BreakThrough {
		m.open = m.format.Rate.Samples(h.cfg.BreakHold)
	}
}
