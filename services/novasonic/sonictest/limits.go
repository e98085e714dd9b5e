package sonictest

import (
	"time"
)

// Limits are the limits of the service, and some that keep the emulator's memory
// in bounds. Zero fields are the service's own; a negative field is no limit.
type Limits struct {
	Life         time.Duration // of a stream; default 480 s
	Idle         time.Duration // without audio or interactive text; default 55 s (v1: 59 s). The other value seen is 295 s
	UserSilence  time.Duration // of audio without speech, which ends in error 531; default none. Values seen: 60 and 175 s
	Streams      int           // open at the same time, in all; default 20
	HistoryText  int           // bytes of one message; default 50 KiB, formerly 1 KiB
	HistoryTotal int           // bytes of all messages; default 200 KiB, formerly 40 KiB
	SystemText   int           // bytes of one textInput of a SYSTEM block; default 32 KiB
	TextAudio    time.Duration // input audio that must have come before interactive text is noticed; default 68 ms
	ClockSkew    time.Duration // between the request's date and now; default 5 min
	HTTPStreams  uint32        // on one connection; default 100
	Close        time.Duration // wait for the client's half-close after sessionEnd; default 1 s
	Ahead        time.Duration // of input audio beyond the age of the stream: how much may come faster than real time; default 5 min
	Events       int           // input events of a stream; default 250,000, which is 80 minutes of audio in pieces of 20 ms
	Text         int           // bytes of all that a stream is sent as text or tool results; default 4 MiB
	Message      int           // bytes of one message of the event stream; default 1 MiB. The format allows 16 MiB
	Sentence     time.Duration // of speech in one sentence, of which the rest is never said; default 120 s
}

func (l Limits) withDefaults() Limits {
	orDefault(&l.Life, 480*time.Second)
	orDefault(&l.Streams, 20)
	orDefault(&l.HistoryText, 50<<10)
	orDefault(&l.HistoryTotal, 200<<10)
	orDefault(&l.SystemText, 32<<10)
	orDefault(&l.TextAudio, 68*time.Millisecond)
	orDefault(&l.ClockSkew, 5*time.Minute)
	orDefault(&l.HTTPStreams, 100)
	orDefault(&l.Close, time.Second)
	orDefault(&l.Ahead, 5*time.Minute)
	orDefault(&l.Events, 250_000)
	orDefault(&l.Text, 4<<20)
	orDefault(&l.Message, 1<<20)
	orDefault(&l.Sentence, 2*time.Minute)
	return l
}

// idle is the idle limit of a model.
func (l Limits) idle(model string) time.Duration {
	switch {
	case l.Idle != 0:
		return l.Idle
	case model == ModelV1:
		return 59 * time.Second
	default:
		return 55 * time.Second
	}
}
