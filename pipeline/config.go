package pipeline

import (
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/parley-go/parley/frames"
)

// Defaults of a [Config].
const (
	DefaultQueueSize       = 64
	DefaultSystemQueueSize = 1024
	DefaultStartTimeout    = 20 * time.Second
	DefaultEndTimeout      = 30 * time.Second
	DefaultCancelTimeout   = 5 * time.Second
	DefaultObserverBuffer  = 4096
)

// Config configures a pipeline. The zero value is a good one.
type Config struct {
	// QueueSize is how many data and control frames on their way downstream
	// wait in front of each processor before the sender has to wait.
	// Default 64, at most 1<<20. Much more means much latency.
	QueueSize int

	// SystemQueueSize is how many system frames, and how many data and control
	// frames on their way upstream, wait in front of each processor. Where one
	// more arrives the oldest realtime frame is dropped; if there is none, the
	// run fails with an [OverflowError]. Default 1024, at most 1<<20.
	SystemQueueSize int

	// StartTimeout bounds the time from Run to the moment when every processor
	// has started and has passed on [frames.Start]. Default 20 s; negative means
	// no limit.
	StartTimeout time.Duration

	// EndTimeout bounds the time from the request for an end to the moment when
	// [frames.End] leaves the last processor; then the run is cancelled, and
	// what has not been played is lost. It begins anew when a processor that holds
	// the end up says that it gets on with its work: see [Port.Progress]. An
	// output of package playout does so with every chunk of speech, so that what
	// is queued, up to 10 minutes unless its MaxQueued says less, is played
	// however long that takes; who cannot wait for that cancels the run. Default
	// 30 s; negative means no limit.
	EndTimeout time.Duration

	// CancelTimeout bounds how long goroutines may take to return when the run
	// is over, and then again how long Close may take. Run returns a
	// [StuckError] that names those which did not; their goroutines leak until
	// they return. Default 5 s; negative means no limit.
	CancelTimeout time.Duration

	// HeartbeatInterval is how often a [frames.Heartbeat] is sent through the
	// ordered lanes. 0 means never.
	HeartbeatInterval time.Duration

	// HeartbeatTimeout is how long one may take before the processor that holds
	// it is reported to OnError, once until heartbeats pass again. One that is
	// lost is given up then, and others follow. Default: three intervals.
	HeartbeatTimeout time.Duration

	// IdleTimeout is how long nothing may happen before OnIdle is called. 0
	// means for ever.
	IdleTimeout time.Duration

	// Activity says which frames are something happening, when they are sent
	// for the first time. It is called on many goroutines at once and must be
	// quick; a panic ends the run. nil means what people say and hear: user and bot starting and
	// stopping to speak, VAD events, transcriptions, text, agent audio, DTMF,
	// function calls and transport messages.
	Activity func(frames.Frame) bool

	// OnIdle is called with how long nothing has happened, after each
	// IdleTimeout of it. nil means to end the run: p.End("idle").
	OnIdle func(p *Pipeline, idle time.Duration)

	// Observers see every frame on every hop. None costs nothing.
	Observers []Observer

	// ObserverBuffer is how many events wait for each observer before the
	// oldest is dropped, and counted. Default 4096, at most 1<<20.
	ObserverBuffer int

	// OnError is called with every error that is not fatal and that reached the
	// beginning of the pipeline, one at a time, on a goroutine of its own: it
	// may take its time, and use the pipeline. nil means to log them.
	OnError func(*frames.Error)

	// Logger is what processors get from their port. nil means to discard, but
	// for errors that nobody else is told of: those go to slog.Default.
	Logger *slog.Logger

	// Signals which drain: the first makes an orderly end, or gives up a start
	// that is not done, and restores what the second does by default, which is to
	// kill the process. None by default. Signals cannot be waited for in the
	// virtual time of testing/synctest.
	Signals []os.Signal
}

const maxQueueSize = 1 << 20

// withDefaults returns c with every default filled in, or an error which names
// the field that makes no sense.
func (c Config) withDefaults() (Config, error) {
	for _, size := range []struct {
		name  string
		value *int
		usual int
	}{
		{"QueueSize", &c.QueueSize, DefaultQueueSize},
		{"SystemQueueSize", &c.SystemQueueSize, DefaultSystemQueueSize},
		{"ObserverBuffer", &c.ObserverBuffer, DefaultObserverBuffer},
	} {
		if *size.value == 0 {
			*size.value = size.usual
		}
		if *size.value < 0 || *size.value > maxQueueSize {
			return c, fmt.Errorf("pipeline: Config.%s is %d; it must be between 1 and %d, or 0 for the default, %d",
				size.name, *size.value, maxQueueSize, size.usual)
		}
	}
	for _, limit := range []struct {
		value *time.Duration
		usual time.Duration
	}{
		{&c.StartTimeout, DefaultStartTimeout},
		{&c.EndTimeout, DefaultEndTimeout},
		{&c.CancelTimeout, DefaultCancelTimeout},
	} {
		if *limit.value == 0 {
			*limit.value = limit.usual
		}
	}
	for _, never := range []struct {
		name  string
		value time.Duration
	}{
		{"HeartbeatInterval", c.HeartbeatInterval},
		{"HeartbeatTimeout", c.HeartbeatTimeout},
		{"IdleTimeout", c.IdleTimeout},
	} {
		if never.value < 0 {
			return c, fmt.Errorf("pipeline: Config.%s is %v; it must not be negative", never.name, never.value)
		}
	}
	if c.HeartbeatTimeout == 0 {
		c.HeartbeatTimeout = 3 * c.HeartbeatInterval
	}
	if c.Activity == nil {
		c.Activity = isConversation
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
		if c.OnError == nil {
			c.OnError = func(f *frames.Error) { logError(slog.Default(), f) }
		}
	}
	return c, nil
}

// isConversation is the default of Config.Activity.
func isConversation(f frames.Frame) bool {
	switch f.(type) {
	case *frames.UserStartedSpeaking, *frames.UserStoppedSpeaking,
		*frames.BotStartedSpeaking, *frames.BotStoppedSpeaking,
		*frames.VADStarted, *frames.VADStopped,
		*frames.Transcription, *frames.InterimTranscription,
		*frames.Text, *frames.LLMText, *frames.SpokenText, *frames.AudioOutput,
		*frames.DTMFInput, *frames.DTMFOutput,
		*frames.FunctionCall, *frames.FunctionCallResult,
		*frames.TransportMessageInput, *frames.TransportMessage, *frames.TransportMessageUrgent:
		return true
	}
	return false
}

func logError(log *slog.Logger, f *frames.Error) {
	log.Warn("processor reported an error", "processor", f.Processor, "class", f.Kind.String(), "error", f.Err)
}
