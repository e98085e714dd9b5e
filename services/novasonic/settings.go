package novasonic

import (
	"github.com/parley-go/parley/tool"
)

// Settings changes, in mid-call, what is fixed for a stream's life. It is what
// a frames.UpdateSettings carries for this processor:
//
//	p.Send(ctx, &frames.UpdateSettings{Settings: novasonic.Settings{Voice: aws.String("tiffany")}})
//
// Nil fields stay as they are. The change takes effect with a new stream, at
// the next good moment, at most half a minute later; nobody hears the seam.
// Settings that cannot work are refused at once, and those that the service
// refuses leave the conversation on its old ones: in both cases an Error frame
// with a [ConfigError] or the service's words says so.
type Settings struct {
	Voice              *string
	Language           *string
	Instructions       *string
	SpeechInstructions *string
	Tools              *tool.Set
	ToolChoice         *ToolChoice
	Endpointing        *Endpointing
	Inference          *Inference
}

// apply returns c with the changes made.
func (s Settings) apply(c Config) Config {
	set(&c.Voice, s.Voice)
	set(&c.Language, s.Language)
	set(&c.Instructions, s.Instructions)
	set(&c.SpeechInstructions, s.SpeechInstructions)
	set(&c.Tools, s.Tools)
	set(&c.ToolChoice, s.ToolChoice)
	set(&c.Endpointing, s.Endpointing)
	set(&c.Inference, s.Inference)
	return c
}

func set[T any](field, value *T) {
	if value != nil {
		*field = *value
	}
}
