// Package conversation keeps the transcript of record of a call: who said what,
// when, what of it was heard, and which tools were called.
//
//	talk := conversation.New(conversation.Config{
//		OnEntry: func(e conversation.Entry) { fmt.Println(e.Who, e.State, e.Text) },
//	})
//	pipeline.Run(ctx, call.Input(), novasonic.New(novasonic.Config{…}), talk, call.Output())
//	talk.Transcript().WriteVTT(file)
//
// A [Processor] sits right before the output. There it sees what the recogniser
// understood and what the agent is about to say on their way down, and on its way
// up what the output reports: what was really heard.
//
//	Transcription, InterimTranscription ─▶ caller: interim ─▶ final
//	Text (behind TapCaller) ─────────────▶ caller, or application if it is an instruction
//	LLMText ─▶ AudioOutput ─▶ Playout ───▶ agent:  announced ─▶ speaking ─▶ heard
//	             Interruption ───────────▶                            ├───▶ cut
//	SpokenText (seconds later) ──────────▶ corrects the words         └───▶ unheard
//	FunctionCall, …InProgress, …Result ──▶ tool:   called ─▶ running ─▶ returned, failed, cancelled
//	                                                    │
//	       Transcript: a copy, at any time ◀────────────┤
//	       OnEntry, OnTurn, OnToolCall ◀────────────────┘ on a goroutine of their own
//
// It works with a speech-to-speech model and with a cascade alike. The model of a
// cascade takes its context from it. Since that model is asked before anything
// comes by at the output, taps show the transcript what it needs where it is:
//
//	call.Input(), stt, talk.TapCaller(), llm, talk.TapAgent(), tts, talk, call.Output()
//
// (with processors/turn: stt, turns, talk.TapCaller(), llm; see the example) and
// llm calls [Processor.Messages], in which the agent's words are those that
// the caller heard, with " [interrupted]" where he cut it short. TapAgent is for
// a text-to-speech service that keeps the texts to itself.
//
// It is a processor and no observer, though it changes nothing: an observer that
// falls behind loses events, which a record must not, and is told later, when the
// model has been asked already.
//
// # What to know
//
//   - Everything is placed on the call's clock ([Entry.Place]), to the sample
//     where positions are known: no time of day is looked at, but for when the
//     call began, and where there is no audio at all.
//   - What was heard is known from [frames.Playout]. Of a sentence that was cut,
//     the words are reckoned from it ([Entry.Estimated]) until the service tells
//     ([frames.SpokenText]), if it does. Where no output reports, what was
//     sent is taken to have been heard.
//   - What contradicts itself (positions that jump, results without calls, playout
//     of unknown tracks) is never dropped in silence: see [Transcript.Issues].
//   - Memory is bounded, and says what it dropped: see [Config].
//   - Keys of a telephone ([frames.DTMFInput]) are not written down as such; as a
//     text, which keypad.NewKeys makes of them, they are, by TapCaller.
//   - Nothing that was said is logged: entries given to a slog.Logger tell their
//     state only.
//
// novasonic keeps a memory of its own, for its next stream, and not this one: it
// holds what this one cannot know (which words a stream was asked and has not
// answered), forgets what the service's limits forbid, and may not depend on
// where an application puts a processor. What both must agree on, how the words
// that were heard are reckoned and how an interruption is worded, is in one place
// (internal/spoken), and a test compares the two. To go on with a conversation on
// another service, give it [Processor.Messages] as its history.
//
// # JSON
//
// [Transcript.WriteJSON] and encoding/json write, and read, version 1:
//
//	{
//	  "version": 1,
//	  "began": "2026-03-01T09:30:00.123Z",        RFC 3339; left out if it has not
//	  "entries": [{
//	    "id": 6, "who": "agent", "state": "cut",  see Speaker and State
//	    "text": "A full service is", "unheard": "ninety pounds.",
//	    "reason": "barge-in", "estimated": true, "response": "r1",
//	    "language": "en", "typed": true,          of callers
//	    "start_ms": 4200, "end_ms": 5200,         place in milliseconds; not read
//	    "place": {"track": "caller", "rate": 24000, "start": 100800, "end": 124800},
//	    "rough": true,                            see Entry.Rough
//	    "audio": {"track": "agent", "rate": 24000, "start": 0, "end": 24000},
//	    "call": {"id": "c1", "name": "get_price", "arguments": {}, "result": {}, "elapsed_ms": 120.007},
//	    "clipped_bytes": 12
//	  }],
//	  "dropped_entries": 3,
//	  "issues": [{"kind": "position", "count": 2, "first": "…"}]
//	}
//
// What is false, empty or unknown is left out, but for id, who, state and text.
// Fields may be added; whoever reads should leave out what he does not know.
package conversation
