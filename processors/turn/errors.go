package turn

import "errors"

// What [Processor] reports upstream, beside what handlers and models return. The
// call goes on.
var (
	// ErrEndless tells that a turn did not end within Config.MaxTurn, and was
	// ended.
	ErrEndless = errors.New("the caller's turn did not end")

	// ErrStuckVoice tells that the detector said that there is a voice, and then
	// neither audio nor its end came. The voice is taken to have ended with the
	// audio.
	ErrStuckVoice = errors.New("the detector did not tell the end of the caller's voice")

	// ErrStuckTool tells that neither the result nor the cancellation of a
	// function came within Config.MaxTool. It is taken to have ended.
	ErrStuckTool = errors.New("a function did not tell of its end")

	// ErrTracks tells that there is more than one track, and Config.Track does not
	// say which is the caller's. It is taken to be the first. It is reported once.
	ErrTracks = errors.New("there are several tracks, and one caller")

	// ErrEndOfTurn tells that the model of Semantic failed or was too slow for one
	// pause, and the fallback took its place.
	ErrEndOfTurn = errors.New("the end-of-turn model did not answer")
)
