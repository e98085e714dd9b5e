// Package frames defines what flows through a Parley pipeline.
//
// A [Frame] is a small immutable message: a piece of audio, a word of text, a
// function call, the news that somebody started to speak. Every frame belongs
// to one of three classes, by embedding one of three bases:
//
//	           overtakes   survives an interruption
//	[System]      yes                yes              user audio, speaking events, errors, interruption
//	[Data]        no                 no (*)           agent audio, text
//	[Control]     no                 no (*)           response and TTS boundaries, function calls, end
//
//	(*) unless its type also embeds [Uninterruptible], or it is kept ([Keep])
//
// System frames travel in a lane of their own in each processor. Data and
// control frames share the other lane and keep their order between them; the
// two classes differ only in what they mean: data is content, control is about
// content.
//
// # Frames of your own
//
// Any struct that embeds a base is a frame, and flows like a built-in one:
//
//	type Sentiment struct {
//		frames.Data
//		Score float64 // −1 … +1
//	}
//
//	func (s *Sentiment) String() string { return fmt.Sprintf("Sentiment(%+.1f)", s.Score) }
//
//	out.Send(ctx, &Sentiment{Score: 0.8}, frames.Downstream)
//
// Nothing has to be registered or constructed: the zero value of a base is
// ready. Frames are always passed as pointers.
//
// # Immutable once sent
//
// From the moment that a frame is sent nobody changes it, its slices or maps
// included: several processors may hold it at once. A processor that wants
// something else sends a new frame. This is also the whole rule of audio
// buffer ownership: the samples of a frame belong to the frame for ever, so
// anybody may keep them for as long as they like without copying, and nobody
// may write to them. A producer therefore gives each frame a buffer of its own
// and never touches it again.
//
// # Positions, not times
//
// [Audio] carries the position of its first sample on its track's clock.
// Recording, continuation, voice activity and playout reason with positions;
// the wall clock plays no part.
package frames
