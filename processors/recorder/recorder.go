package recorder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/audiofile"
)

// Config says what is recorded, and where to. At least one of Path, TurnFolder
// and OnTurn should be given; otherwise nothing is recorded.
type Config struct {
	// Path is the file of the whole conversation, WAV or MP3, as its extension
	// says. If it exists it is replaced.
	Path string

	// Layout says what the file's channels are; by default the caller is left
	// and the agent right.
	Layout Layout

	// Rate is the rate of the recording, turns included; 24 kHz by default.
	Rate audio.SampleRate

	// CallerTrack is the track of the caller; by default that of the first
	// audio that arrives. Other tracks are not recorded, and who takes the turn
	// there opens none.
	CallerTrack string

	// TurnFolder is where each turn is written to a file of its own:
	// 0001-caller.wav, 0002-agent.wav and so on. It is made if it is missing.
	TurnFolder string

	// OnTurn is called with each turn when it is over, one after the other, by
	// a goroutine of the recorder's own: it may take its time.
	OnTurn func(Turn)

	// MaxTurn is how much of a turn is kept, its end; 2 minutes by default.
	MaxTurn time.Duration

	// MaxGap is the longest silence of both that a position may announce; 1 hour
	// by default. What claims to be later is reported as an [ErrJump], the first
	// time for each voice, and recorded within two seconds behind what there is. It bounds
	// what one frame of a peer that lies can make of the file, 6 MB a minute in
	// stereo at 24 kHz; a transport should still believe no clock that runs
	// ahead of time.
	MaxGap time.Duration
}

const (
	defaultRate    = audio.Rate24k
	defaultMaxTurn = 2 * time.Minute

	// maxUnheard bounds the agent's audio that waits to be heard. It is more
	// than an output takes in, so it is only reached where no output reports.
	maxUnheard = 15 * time.Minute
)

// Recorder is the processor that records. Make one with [New]; it serves one
// run of a pipeline.
type Recorder struct {
	config   Config
	timeline *Timeline
	broken   error // of the configuration
	file     *audiofile.Writer

	mu     sync.Mutex // guards all below
	caller string     // the track
	chosen bool       // caller is, though it may be ""
	heard  unheard
	turns  turns
	jumped [voices]bool // it was reported

	wake  chan struct{} // something may have to be written
	ready chan Turn     // to be told

	fileMu sync.Mutex // guards all below: Close may come while Run is stuck
	buffer []int16
	failed bool // the file
}

// New makes a recorder. A configuration or a path that does not work is reported
// when the pipeline starts.
func New(cfg Config) *Recorder {
	if cfg.Rate == 0 {
		cfg.Rate = defaultRate
	}
	if cfg.MaxTurn == 0 {
		cfg.MaxTurn = defaultMaxTurn
	}
	if cfg.MaxGap == 0 {
		cfg.MaxGap = defaultMaxGap
	}
	r := &Recorder{config: cfg, caller: cfg.CallerTrack, chosen: cfg.CallerTrack != "", wake: make(chan struct{}, 1), ready: make(chan Turn, maxReady)}
	r.timeline, r.broken = NewTimeline(cfg.Rate, cfg.Layout)
	if r.broken == nil && cfg.MaxTurn < 0 {
		r.broken = fmt.Errorf("configure recorder: turns of at most %v hold nothing", cfg.MaxTurn)
	}
	if r.broken == nil && cfg.MaxGap < time.Second {
		r.broken = fmt.Errorf("configure recorder: a gap of at most %v is less than a second", cfg.MaxGap)
	}
	if r.broken == nil {
		r.timeline.maxGap = cfg.MaxGap
	}
	if r.broken == nil && r.wantsTurns() {
		r.timeline.keep = audio.Position(cfg.Rate.Samples(cfg.MaxTurn + patience))
	}
	return r
}

func (r *Recorder) wantsTurns() bool { return r.config.OnTurn != nil || r.config.TurnFolder != "" }

// Name returns "recorder".
func (r *Recorder) Name() string { return "recorder" }

// Start creates the file and the folder.
func (r *Recorder) Start(context.Context, *pipeline.Port) error {
	if r.broken != nil {
		return r.broken
	}
	if r.config.TurnFolder != "" {
		if err := os.MkdirAll(r.config.TurnFolder, 0o777); err != nil {
			return fmt.Errorf("record turns: %w", err)
		}
	}
	if r.config.Path == "" {
		return nil
	}
	w, err := audiofile.Create(r.config.Path, r.timeline.Format())
	r.file = w
	return err
}

// Process records what is to be recorded, and passes everything on.
func (r *Recorder) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if _, ok := f.(*frames.Interruption); ok {
		r.note(f, dir)
		return nil
	}
	// Before it is passed on, so that its playout cannot be reported before.
	err := r.note(f, dir)
	return errors.Join(out.Send(ctx, f, dir), err)
}

// Tap returns a processor that shows the recorder what flows past another place
// of the pipeline. It is for the same run.
func (r *Recorder) Tap() pipeline.Processor { return &tap{r} }

type tap struct{ recorder *Recorder }

// Name returns "recorder tap".
func (t *tap) Name() string { return "recorder tap" }

// Process shows the recorder the caller's audio, and passes everything on.
func (t *tap) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	var err error
	switch f.(type) {
	case *frames.Interruption:
		return nil
	case *frames.AudioInput, *frames.UserStartedSpeaking, *frames.UserStoppedSpeaking:
		err = t.recorder.note(f, dir)
	}
	return errors.Join(out.Send(ctx, f, dir), err)
}

func (r *Recorder) note(f frames.Frame, dir frames.Direction) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch f := f.(type) {
	case *frames.AudioInput:
		return r.noteCaller(f)
	case *frames.AudioOutput:
		if dir == frames.Downstream && f.Format.Validate() == nil {
			r.heard.add(f)
		}
	case *frames.Interruption:
		r.heard.interrupt()
	case *frames.Playout:
		return r.notePlayout(f)
	case *frames.UserStartedSpeaking:
		if r.anothers(f.Track) {
			return nil
		}
		r.turns.begin(Caller, r.timeline.place(Caller, f.Position, f.Rate), "")
	case *frames.UserStoppedSpeaking:
		if r.anothers(f.Track) {
			return nil
		}
		r.turns.end(Caller, r.timeline.place(Caller, f.Position, f.Rate), false)
	case *frames.BotStartedSpeaking:
		r.turns.begin(Agent, r.timeline.place(Agent, f.Output, f.OutputRate), f.Response)
	case *frames.BotStoppedSpeaking:
		if f.Held {
			return nil // the turn goes on, or another frame says that it does not
		}
		r.timeline.Finish(Agent)
		r.turns.end(Agent, r.timeline.place(Agent, f.Output, f.OutputRate), f.Interrupted)
	default:
		return nil
	}
	r.rouse()
	return nil
}

// anothers reports whether news are of a track that is not the caller's. Those of
// no track, or of one before any audio, are of whoever is recorded.
func (r *Recorder) anothers(track string) bool {
	return track != "" && r.chosen && track != r.caller
}

func (r *Recorder) noteCaller(f *frames.AudioInput) error {
	if !r.chosen {
		r.chosen, r.caller = true, f.Track
	}
	if f.Track != r.caller || f.Format.Validate() != nil {
		return nil
	}
	r.rouse()
	return r.add(Caller, f.Format, f.Samples, f.Position, 0)
}

// notePlayout places what has been heard.
func (r *Recorder) notePlayout(f *frames.Playout) error {
	var err error
	for _, p := range r.heard.take(f) {
		begin := f.Output.At(f.OutputRate, p.format.Rate) - audio.Position(p.after) - audio.Position(p.format.Frames(len(p.samples)))
		slack := audio.Position(2)
		if f.OutputRate == p.format.Rate {
			slack = 0
		}
		err = errors.Join(err, r.add(Agent, p.format, p.faded(f.Fade), begin, slack))
	}
	r.rouse()
	return err
}

// add places audio. That a clock jumps is reported once for each voice.
func (r *Recorder) add(v Voice, f audio.Format, samples []int16, position, slack audio.Position) error {
	err := r.timeline.add(v, f, samples, position, slack)
	if errors.Is(err, ErrJump) {
		if r.jumped[v] {
			return nil
		}
		r.jumped[v] = true
	}
	return err
}

// Jumps returns how often a voice's clock jumped too far ahead; see
// Config.MaxGap. It may be called at any time from any goroutine.
func (r *Recorder) Jumps() int64 {
	if r.timeline == nil {
		return 0
	}
	return r.timeline.Jumps()
}

func (r *Recorder) rouse() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run writes, beside the conversation. Turns are told on a goroutine of their
// own: whoever is told may take time, and the file must grow meanwhile.
func (r *Recorder) Run(ctx context.Context, out *pipeline.Port) error {
	var teller sync.WaitGroup
	defer teller.Wait()
	teller.Go(func() {
		for {
			select {
			case t := <-r.ready:
				if err := r.tell(t); err != nil {
					out.Report(err)
				}
			case <-ctx.Done():
				return
			}
		}
	})
	for {
		select {
		case <-r.wake:
		case <-ctx.Done():
			return nil
		}
		for more := true; more && ctx.Err() == nil; {
			var err error
			if more, err = r.writeNext(r.timeline.Take); err != nil {
				out.Report(err)
			}
			r.handOut(out) // piece by piece: what is behind a long silence is forgotten
		}
	}
}

// handOut queues the turns that are complete to be told.
func (r *Recorder) handOut(out *pipeline.Port) {
	for _, t := range r.finished(false) {
		select {
		case r.ready <- t:
		default:
			out.Report(fmt.Errorf("record: a turn of %v is lost because %d others wait to be told", t.Voice, maxReady))
		}
	}
}

// maxReady is how many turns wait to be told.
const maxReady = 64

// writeNext writes a piece of the recording, and reports whether there was one.
func (r *Recorder) writeNext(take func(dst []int16) []int16) (bool, error) {
	r.fileMu.Lock()
	defer r.fileMu.Unlock()
	r.buffer = take(r.buffer[:0])
	return len(r.buffer) > 0, r.write(r.buffer)
}

// write appends to the file. The first failure is the last.
func (r *Recorder) write(samples []int16) error {
	if r.file == nil || r.failed || len(samples) == 0 {
		return nil
	}
	if err := r.file.Write(samples); err != nil {
		r.failed = true
		return fmt.Errorf("record: %w", err)
	}
	return nil
}

// Close writes what is left and completes the file, and then tells of the turns
// that nobody was told of yet.
func (r *Recorder) Close(context.Context) error {
	r.mu.Lock()
	r.turns.endAll(max(r.timeline.end(Caller), r.timeline.end(Agent)))
	r.mu.Unlock()
	r.timeline.Finish(Caller)
	r.timeline.Finish(Agent)
	last := r.finished(true)

	var err error
	for more := true; more; {
		var failed error
		more, failed = r.writeNext(r.timeline.takeRest)
		err = errors.Join(err, failed)
	}
	r.fileMu.Lock()
	if r.file != nil {
		err = errors.Join(err, r.file.Close())
	}
	r.fileMu.Unlock()

	for {
		select {
		case t := <-r.ready:
			err = errors.Join(err, r.tell(t))
			continue
		default:
		}
		break
	}
	for _, t := range last {
		err = errors.Join(err, r.tell(t))
	}
	return err
}

// finished returns the turns whose audio is complete; at the end, all.
func (r *Recorder) finished(all bool) []Turn {
	if !r.wantsTurns() {
		return nil
	}
	var done []Turn
	for {
		r.mu.Lock()
		t, ok := r.turns.next(func(v Voice, end audio.Position) bool {
			// The agent's last audio is reported before its end is.
			return all || v == Agent || r.timeline.end(v) >= end
		})
		r.mu.Unlock()
		if !ok {
			return done
		}
		t.Rate = r.config.Rate
		t.Samples, t.Start = r.timeline.slice(t.Voice, t.Start, t.End)
		done = append(done, t)
	}
}

// tell saves a turn and calls back. A panic there costs that turn only.
func (r *Recorder) tell(t Turn) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.Join(err, fmt.Errorf("record: OnTurn panicked: %v", p))
		}
	}()
	if r.config.TurnFolder != "" {
		err = t.save(r.config.TurnFolder)
	}
	if r.config.OnTurn != nil {
		r.config.OnTurn(t)
	}
	return err
}
