package frames

import (
	"fmt"

	"github.com/parley-go/parley/audio"
)

// VADStarted tells that a voice activity detector hears speech on a track. The
// detector sends it, in both directions.
type VADStarted struct {
	System
	Track    string
	Position audio.Position // where the speech begins, which is before the frame was sent
	Rate     audio.SampleRate
}

func (f *VADStarted) String() string { return fmt.Sprintf("VADStarted(%s @%d)", f.Track, f.Position) }

// VADStopped tells that a voice activity detector hears no more speech. The
// detector sends it, in both directions.
type VADStopped struct {
	System
	Track    string
	Position audio.Position // where the speech ended
	Rate     audio.SampleRate
}

func (f *VADStopped) String() string { return fmt.Sprintf("VADStopped(%s @%d)", f.Track, f.Position) }

// UserStartedSpeaking tells that the user has taken the turn.
type UserStartedSpeaking struct {
	System
	Track    string
	Position audio.Position   // where on the track the turn begins
	Rate     audio.SampleRate // 0 when the position is not known
}

func (f *UserStartedSpeaking) String() string {
	return fmt.Sprintf("UserStartedSpeaking(@%d)", f.Position)
}

// UserStoppedSpeaking tells that the user's turn is over.
type UserStoppedSpeaking struct {
	System
	Track    string
	Position audio.Position   // where on the track the speech ended
	Rate     audio.SampleRate // 0 when the position is not known
}

func (f *UserStoppedSpeaking) String() string {
	return fmt.Sprintf("UserStoppedSpeaking(@%d)", f.Position)
}

// BotStartedSpeaking tells that the agent's voice has begun to be heard. The
// output sends it, in both directions.
type BotStartedSpeaking struct {
	System
	Response   string
	Output     audio.Position // on the output's clock; see Playout
	OutputRate audio.SampleRate
}

func (f *BotStartedSpeaking) String() string {
	return fmt.Sprintf("BotStartedSpeaking(@%d)", f.Output)
}

// BotStoppedSpeaking tells that the agent's voice is no longer heard: all was
// played, or it was interrupted, or it is held. The output sends it, in both
// directions.
type BotStoppedSpeaking struct {
	System
	Response    string
	Output      audio.Position
	OutputRate  audio.SampleRate
	Interrupted bool

	// Held says that there is more, which [PausePlayout] holds. Either
	// BotStartedSpeaking follows, when it goes on, or a second BotStoppedSpeaking
	// with Interrupted, when it never will.
	Held bool
}

func (f *BotStoppedSpeaking) String() string {
	return fmt.Sprintf("BotStoppedSpeaking(@%d)", f.Output)
}
