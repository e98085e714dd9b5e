// Package script lets a person write down what the emulated Nova Sonic knows
// and says, in a YAML file, without a line of Go.
//
//	name.yaml ──▶ Load ──▶ Script ──▶ Library()  what the emulator can understand
//	+ audio files              └────▶ Brain()    what it answers
//
//	s, err := script.Load(os.DirFS("testdata/calls"), "bikeshop.yaml")
//	server := sonictest.NewServer(sonictest.Config{Brain: s.Brain(), Library: s.Library()})
//
// # The format
//
//	version: 1
//	name: a bicycle shop              # optional; for people
//
//	recordings:                       # what the emulator understands, besides DTMF digits
//	  - file: order.mp3               # WAV or MP3, relative to the script
//	    utterances:
//	      - {from: 1.0, to: 4.14, text: "Hello. I would like to …"}   # seconds
//
//	clips:                            # audio for sentences, word for word as they are said
//	  - {text: "Of course.", file: clips/ofcourse.mp3}
//
//	greeting: ["Good morning."]       # the answer to the first written prompt
//
//	replies:                          # the first that fits is given
//	  - when: {contains: "open on"}
//	    say: ["One moment."]          # before the calls
//	    call:
//	      - {tool: get_opening_hours, arguments: {day: Saturday}}
//	    then: ["On {{.result.day}} we open at {{.result.opens}}."]
//	    failed: ["I cannot look that up."]
//
//	fallback:                         # when no reply fits
//	  echo: "You said:"               # and then the caller's own words are played back
//
// A reply's when has one or more conditions; all must hold:
//
//	exact:    the user's text is this
//	contains: it has this in it
//	matches:  a regular expression (RE2) is found in it; its named groups are
//	          {{.match.name}} in what is said and in the arguments of calls
//	after:    what the assistant said last has this in it
//	turn:     it is the user's nth turn in the conversation, 1 is the first
//
// Case, punctuation and the amount of space do not matter to exact, contains
// and after; case does not matter to matches. The conversation is what the
// client tells in its history and what was said on the stream, so that after
// and turn survive a move from one stream to another.
//
// Sentences and string arguments are templates (text/template) of .text (what
// the user said), .match, .turn and, in then, .result (the JSON object that the
// tool returned), .results (by the tools' names, where several are called), and
// the function title ("saturday" becomes "Saturday"). A sentence that comes out
// empty is not said. If a template needs what is not there, if a result has a
// member "error", or if the client does not offer the tool, the sentences of
// failed are said instead, or "I am sorry, I cannot do that." if there are none.
// Names that are never there, such as .match in a reply without matches, are
// refused by Load; LoggedBrain tells of templates that fail in a conversation.
//
// A sentence is spoken by the clip whose text it is; without one, by the voice
// of package voice, which nobody understands but every test can decode.
//
// # Limits
//
// A script is at most 256 KiB, of at most 10,000 entries; an audio file at most
// 64 MiB; a clip at most 2 minutes. Anchors, aliases and unknown fields are
// refused. Errors say the file, the line and the column.
package script
