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
	Streams   int   // streams that the service accepted
	BargeIns  int   // interruptions by the user
	ToolCalls int   // functions that the model called
	Usage     Usage // over all streams
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
