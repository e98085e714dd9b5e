package main

import (
	"slices"
	"time"

	"github.com/parley-go/parley/services/novasonic"
)

// Summary is what a call comes to. It is printed for people, and as one JSON
// object on one line with --json; the field names are stable.
type Summary struct {
	Caller   string `json:"caller"`                    // path of the caller's recording
	Output   string `json:"output,omitempty"`          // path of the conversation; left out if it could not be written
	Timeline string `json:"timeline,omitempty"`        // path of its drawing; left out if it could not be written
	Saved    string `json:"transcript_file,omitempty"` // path of its transcript; left out if it could not be written
	Service  string `json:"service"`                   // "emulator" or "aws"
	Model    string `json:"model"`
	Duration Millis `json:"duration_ms"` // of the conversation as both heard it
	Virtual  bool   `json:"virtual"`     // paced by a virtual clock (--fast)
	Ended    string `json:"ended"`       // why the call ended, in words

	Turns    int     `json:"turns"`     // utterances of the caller
	Answers  int     `json:"answers"`   // answers of the agent that were heard, at least in part
	BargeIns int     `json:"barge_ins"` // answers that the caller interrupted
	Latency  Latency `json:"latency_ms"`
	Streams  int     `json:"streams"` // connections to the service that the call used

	Swaps []Swap `json:"swaps"` // moves between streams

	AudioGaps   int    `json:"audio_gaps"` // holes in the agent's speech: audio that came too late
	AudioGapsMS Millis `json:"audio_gaps_ms"`
	Dropped     int64  `json:"dropped_frames"` // realtime frames that the pipeline had to drop

	InputStalls  int64  `json:"input_stalls,omitempty"`     // how often a recording that came through a pipe was late
	InputSilence Millis `json:"input_silence_ms,omitempty"` // that was played in its place
	OutputLost   Millis `json:"output_lost_ms,omitempty"`   // of the conversation, because it was read too slowly

	ToolCalls int             `json:"tool_calls"`
	Usage     novasonic.Usage `json:"usage_tokens"`
	Lines     []Line          `json:"transcript"`
	Errors    []string        `json:"errors,omitempty"` // that the call survived
	Error     string          `json:"error,omitempty"`  // that ended it, or how the service failed the caller

	live bool // the caller is somebody at a microphone, and no recording
	deaf bool // there is no microphone, which was said when the call began
}

// endedByUser is why a call ended that was interrupted.
const endedByUser = "interrupted"

func (s *Summary) interrupted() bool { return s.Ended == endedByUser }

// Line is what one side said.
type Line struct {
	Who         string `json:"who"` // "caller" or "agent"
	Start       Millis `json:"start_ms"`
	End         Millis `json:"end_ms"`
	Text        string `json:"text"`
	Interrupted bool   `json:"interrupted,omitempty"` // the text is what was heard of it

	response string // that it is a part of
}

// Latency is the time from the end of the caller's speech to the first sample
// of the answer that was heard.
type Latency struct {
	Median Millis   `json:"median"`
	Max    Millis   `json:"max"`
	All    []Millis `json:"all"`
}

// Millis is a duration that is written in whole milliseconds.
type Millis int64

func millis(d time.Duration) Millis { return Millis(d.Round(time.Millisecond) / time.Millisecond) }

// Duration returns m as a duration.
func (m Millis) Duration() time.Duration { return time.Duration(m) * time.Millisecond }

func latencyOf(all []time.Duration) Latency {
	l := Latency{All: []Millis{}}
	for _, d := range all {
		l.All = append(l.All, millis(d))
	}
	if len(l.All) > 0 {
		sorted := slices.Sorted(slices.Values(l.All))
		l.Median, l.Max = (sorted[(len(sorted)-1)/2]+sorted[len(sorted)/2])/2, sorted[len(sorted)-1]
	}
	return l
}
