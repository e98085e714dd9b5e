// Package turn decides who may speak when: when the caller takes the turn and
// gives it back, whether that interrupts the agent, and what happens if nobody
// says anything.
//
//	hearing := vad.Params{Stop: 200 * time.Millisecond} // how late its word comes: see below
//	turns := turn.New(turn.Config{})
//	pipeline.Run(ctx,
//		call.Input(),
//		vad.New(vad.Config{Params: hearing}), // hears a voice
//		stt,                    // understands words
//		turns,
//		llm, tts,
//		turns.Tap(),            // shows it which functions run
//		call.Output(),
//	)
//
// # Two ideas
//
// What is known of the conversation are its [Facts], and everything that can be
// chosen is a [Condition]: a question about them that is answered by yes or no.
// Four conditions decide:
//
//	AudioInput ──────────────┐
//	VADStarted, VADStopped ──┤              ┌─ Start:     does the caller take the turn?
//	transcripts ─────────────┼──▶  Facts  ◀─┼─ End:       is it over?
//	buttons ─────────────────┤       │      ├─ Interrupt: may it interrupt?
//	BotStarted, BotStopped ──┤       ▼      └─ Mute:      is the caller not to be heard?
//	functions (by the Tap) ──┘    machine
//	                                 │
//	                                 ├──▶ UserStartedSpeaking, UserStoppedSpeaking (both ways)
//	                                 ├──▶ Interruption, PausePlayout, ResumePlayout
//	                                 ├──▶ transcripts of turns, and no others
//	                                 ├──▶ silence in place of muted audio
//	                                 └──▶ reminders
//
// [All], [Any] and [Not] make conditions of conditions, [Func] makes one of a
// function, and those of this package go anywhere: [Words] begins a turn in Start,
// and lets it interrupt in Interrupt.
//
//	turn.Config{
//		Start:     turn.Any(turn.Pressed(), turn.Wake(turn.WakeConfig{Phrases: []string{"hey parley"}})),
//		Interrupt: turn.All(turn.Words(2), turn.Not(turn.ToolRunning())),
//		Mute:      turn.Greeting(10 * time.Second),
//	}
//
// What follows from the answers is decided by one state machine, whose whole
// table is in machine.go:
//
//	          START, and it may interrupt                     END
//	quiet ─────────────────────────────────▶ talking ─────────────▶ quiet
//	  │                                         ▲
//	  │ START, but it may not,                  │ now it may, or is sure
//	  │ or may be a cough                       │
//	  └────────────────────▶ doubtful ──────────┘
//	                            │
//	                            └───── it was nothing ────────────▶ quiet
//
// Every turn that has started stops, and none starts within another, whatever
// comes in whatever order; no state lasts for ever.
//
// # Time
//
// It is reckoned by the positions of the caller's audio, so that a jam in the
// network makes no pause of speech; while no audio comes, by the wall's clock. When
// what has jammed comes at last, time stands until all of it has come. The length of
// speech ([Speech]) counts by positions alone: a jam adds nothing to it.
//
// What the caller waits for after the last word is what the detector takes to tell
// the end of the voice, and what End adds to it. [Silence] and [Semantic] count from
// the end of the voice, but cannot hold before it is told, and the detector of
// processors/vad takes 800 ms by default. In front of a turn, set its Stop to 200 ms;
// then Silence(600 ms) is 600 ms, and a model is asked after 200.
//
// # What to know
//
//   - What the caller says is kept from the model until it is known to be a turn:
//     final transcripts without one are kept back, and go on behind
//     UserStartedSpeaking or not at all. So the recogniser belongs before the
//     turn. One behind it works with a [Processor.Tap] behind it in turn, but what
//     it says can't be kept back.
//   - So it is with interim transcripts: outside of a turn none goes on, and the
//     latest goes on with the turn. What went on in a turn and is then muted or
//     dropped is withdrawn by an InterimTranscription without text.
//   - A final transcript that comes after its turn has ended passes on and starts
//     nothing. It is known by its position, or, where the recogniser does not tell,
//     by coming within two seconds, before the agent has begun to answer and before
//     there is another voice. What comes later is new.
//   - UserStoppedSpeaking is a system frame and overtakes. A turn does not end within
//     20 ms of a transcript that went on, which is enough for a next processor that
//     is not busy; one that gathers transcripts should take late ones, too.
//   - While the agent speaks or a function runs, Interrupt is asked. Otherwise a turn
//     raises an interruption without asking (reason "user turn" instead of
//     "barge-in"): an answer that is still being thought of is out of date.
//   - But not for a cough, after which nobody would ask again. While an answer is
//     awaited (until the agent speaks, for 10 s at most) or a function runs, there
//     must be words, or 700 ms of speech where nobody transcribes. Until then the
//     turn has begun and has not interrupted; with Recovery it has not begun.
//   - With [External] a service decides turns itself. Otherwise nobody else does:
//     UserStartedSpeaking and UserStoppedSpeaking of others go no further.
//   - A muted caller's audio is silence of the same length at the same place, so that
//     clocks go on. Detectors and recognisers before the turn go on hearing, but
//     what they make of it goes no further, a transcript included that is muted
//     only in part. A turn in progress ends where the mute begins.
//   - What a detector says comes from before the turn, so a mute cannot keep it from
//     working, only from being heard.
//   - A Processor is for one caller, and so for one track: that of Config.Track, or
//     else the first of which anything comes. Others are passed on and do not count,
//     and are not muted; if none was named, ErrTracks is reported, once. Give each
//     of several callers a Processor with a Track.
//   - What is pressed, said, sung or typed by the caller begins the silence anew that
//     Idle counts.
package turn
