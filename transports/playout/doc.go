// Package playout is the output side that all transports share: it plays the
// agent's audio in real time, and knows what has been heard.
//
// A service produces audio faster than it is spoken. [Output], a processor,
// takes it as fast as it comes, keeps it, and hands it to the transport's [Sink]
// in chunks of equal length, one every 20 ms, each filled up with silence where
// there is nothing to say:
//
//	                       ┌──────────── Output ─────────────┐
//	AudioOutput ──────────▶│ buffer ─▶ rate, channels ─▶ 20 ms│──▶ Sink.Play
//	text, TTSStop, … ─────▶│ (in order with the audio)        │──▶ on, when it has been heard
//	                       └───────────────┬─────────────────┘
//	  upstream and downstream: Playout, BotStartedSpeaking, BotStoppedSpeaking
//
// A transport of one's own needs a type with one method:
//
//	type speaker struct{ device Device }
//
//	func (s speaker) Play(ctx context.Context, c playout.Chunk) error {
//		return s.device.Write(c.Samples)
//	}
//
//	output := playout.New(playout.Config{Format: audio.Mono(audio.Rate48k)}, speaker{device})
//
// and may have more: see [Opener], [Closer], [Flusher], [Backlogger], [Messenger] and
// [Keypad].
//
// # The clock
//
// The output's clock counts every sample that was handed to the sink, silence
// included, from the start of the run. Chunk k is due at start + k × chunk: the
// deadlines are absolute, so nothing drifts, and a late timer is followed by
// shorter waits. With [Config.Lead], chunks are handed over that much earlier
// than they are heard, which covers the jitter of a network: 100 ms by default
// where the sink is a [Flusher]. A [Clock] shared
// with the transport's input gives both sides the same start, so that position
// p of the caller's audio and position p of the output are the same instant.
//
// # What was heard
//
// At the end of each chunk with speech in it, [frames.Playout] says up to which
// sample of which track the caller has heard, and where on the output's clock
// that was: between two reports on a track, its audio ran without a pause up to
// the place that the second one names. From these, a recorder rebuilds what the
// caller heard to the sample.
//
// BotStartedSpeaking is sent when the first sample after a silence begins to be
// heard. BotStoppedSpeaking is sent when the last one has been: at once if
// [frames.TTSStop] came behind the audio, otherwise after [Config.StopDelay]
// without any, because a service that stalls for a moment has not stopped.
//
// A peer that tells when it has played something makes all of this exact: see
// [Output.Confirm].
//
// What waits behind the sink for a slow peer is not taken to be heard before it has left,
// and of what is dropped there a Playout with Flushed and Dropped says that it never
// will be: see [Backlogger]. What comes behind it is heard in its place.
//
// # Gaps
//
// If audio of the same response arrives after the buffer ran dry, the caller
// has heard a hole in a sentence. Each is counted ([Stats.Gaps]), measured to
// the sample, and reported upstream as the metric parley.playout.gap.
//
// # Interruption
//
// [frames.Interruption] empties the buffer at once. The chunk that is being
// handed over may still leave, and the next one begins with the 5 ms of
// [Config.Fade], so that nothing clicks; no other does. If the sink is a [Flusher],
// what it holds is discarded too. For every track that had something waiting, a
// Playout with Flushed says what was heard and what never will be; the part that
// faded has a Playout of its own, which says so.
//
// A sink that is no Flusher plays what it was given, up to [Config.Lead] longer.
// Nothing can change that any more, so all of it is reported at once, each thing
// with its place on the output's clock: BotStartedSpeaking if that voice was not
// begun to be heard, Playout, and BotStoppedSpeaking at the end.
//
// # Holding
//
// [frames.PausePlayout] fades the agent's voice out and holds the rest, until
// [frames.ResumePlayout] lets it go on at the very sample, or an interruption
// throws it away: for a sound that may be a barge-in or a cough. What a sink with
// a Lead has been given plays on. BotStoppedSpeaking says that it is held;
// BotStartedSpeaking follows when it goes on, or a second BotStoppedSpeaking when
// it was interrupted meanwhile. No gap is counted. An end lets it go on.
//
// # Background
//
// [frames.PlayBackground] plays a sound behind the agent's voice, once or in a
// loop, softer while the agent speaks if that is wished; [frames.StopBackground]
// ends it. It is mixed last: interruptions and holds do not touch it, nothing
// waits for it, and it is no speech in the sense of the reports. What a [Flusher]
// discards of it is played again, unless it was stopped. Up to eight play at a
// time.
//
// # Order
//
// Ordered frames keep their place in the audio: each goes on downstream when
// all audio before it has been heard, without holding up the audio behind it. A
// [frames.TransportMessage] and a [frames.DTMFOutput] are then given to the sink
// instead, if it takes them. [frames.End] and [frames.Stop] go on when
// everything has been played, unless the end says that the caller is gone.
// [frames.Heartbeat] does not wait for audio.
package playout
