package novasonic

import (
	"sync"

	"github.com/parley-go/parley/frames"
)

// Usage counts tokens by direction and modality.
type Usage struct {
	InputSpeech  int64 `json:"input_speech"`
	InputText    int64 `json:"input_text"`
	OutputSpeech int64 `json:"output_speech"`
	OutputText   int64 `json:"output_text"`
}

func (u *Usage) add(d Usage) {
	u.InputSpeech += d.InputSpeech
	u.InputText += d.InputText
	u.OutputSpeech += d.OutputSpeech
	u.OutputText += d.OutputText
}

func (u Usage) metrics() []frames.Metric {
	return []frames.Metric{
		{Name: "parley.novasonic.usage.input.speech", Value: float64(u.InputSpeech), Unit: "{token}"},
		{Name: "parley.novasonic.usage.input.text", Value: float64(u.InputText), Unit: "{token}"},
		{Name: "parley.novasonic.usage.output.speech", Value: float64(u.OutputSpeech), Unit: "{token}"},
		{Name: "parley.novasonic.usage.output.text", Value: float64(u.OutputText), Unit: "{token}"},
	}
}

// Stats counts what happened in a conversation so far.
type Stats struct {
	Streams      int   `json:"streams"`       // that the service accepted
	Swaps        int   `json:"swaps"`         // moves from one stream to the next that are over
	Reconnects   int   `json:"reconnects"`    // of them, those because the old one had died
	Answers      int   `json:"answers"`       // that the agent began
	BargeIns     int   `json:"barge_ins"`     // interruptions by the user
	ToolCalls    int   `json:"tool_calls"`    // functions that the model called
	ToolFailures int   `json:"tool_failures"` // of them, those that failed
	Dropped      int   `json:"dropped"`       // frames that the pipeline would not take in time
	Unreadable   int   `json:"unreadable"`    // events of the service that could not be read
	Usage        Usage `json:"usage"`         // tokens, over all streams
}

// shared is what others may read while the conversation runs.
type shared struct {
	mu    sync.Mutex
	stats Stats
}

func (s *shared) update(change func(*Stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.stats)
}

func (s *shared) read() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}
