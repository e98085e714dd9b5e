package sonictest

import (
	"time"

	"github.com/parley-go/parley/services/novasonic/sonictest/internal/protocol"
)

// spend counts tokens; tellUsage sends what has been counted. The rates are
// invented, but plausible: 12.5 tokens a second of speech, 4 bytes a token of
// text.
func (s *session) spend(t protocol.Tokens) { s.usage = s.usage.Add(t) }

func (s *session) tellUsage() {
	if s.usage == s.counted {
		return
	}
	delta := protocol.Tokens{
		InputSpeech: s.usage.InputSpeech - s.counted.InputSpeech, InputText: s.usage.InputText - s.counted.InputText,
		OutputSpeech: s.usage.OutputSpeech - s.counted.OutputSpeech, OutputText: s.usage.OutputText - s.counted.OutputText,
	}
	s.counted = s.usage
	s.send(s.out.Usage(delta, s.usage), OutputLog{Name: "usageEvent", Answer: -1})
}

func speechTokens(d time.Duration) int { return int((d*25/2 + time.Second - 1) / time.Second) }

func textTokens(text string) int { return (len(text) + 3) / 4 }
