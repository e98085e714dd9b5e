// Package sonictest is an emulator of Amazon Nova Sonic: a server that any AWS
// SDK talks to, unmodified, as it talks to Bedrock's
// InvokeModelWithBidirectionalStream. It is for tests, for developing without
// an AWS account, and for measuring.
//
// It is strict about the protocol, with the service's own words for every
// broken rule; it hears what it is sent and answers what it heard; it fails
// when asked to; and it remembers everything, so that a test can tell which
// stream heard which word and which sample of which sentence was sent when. It
// never pretends to be AWS: the Server header and the request ids say
// parley-emulator.
//
//	             ┌──────────────────────── Server ─────────────────────────┐
//	AWS SDK ───▶ │ HTTP/2, SigV4 ─▶ rules ─▶ ears (hearing) ─▶ turn        │
//	             │ event stream                                 │          │
//	        ◀─── │ pieces, faults ◀─ mouth (voice) ◀─ answer ◀─ Brain      │
//	             │                        ╰──▶ StreamLog ──▶ your test     │
//	             └─────────────────────────────────────────────────────────┘
//
// # In a test
//
//	srv := sonictest.NewServer(sonictest.Config{
//		Brain: sonictest.Replies(map[string]sonictest.Answer{
//			"one two": sonictest.Say("You pressed one and two."),
//		}),
//	})
//	if err := srv.StartPipe(); err != nil { … }   // in memory, fit for testing/synctest
//	defer srv.Close()
//	cfg := srv.AWSConfig()                        // for any client of the AWS SDK for Go
//
// Everything that the server does takes its time from package time, so in a
// bubble of testing/synctest, made inside it and started with StartPipe, hours
// of conversation pass in seconds, and the same Config.Seed makes the same
// conversation to the microsecond.
//
// The user's words are DTMF digits (hearing.Speak) or recordings that
// Config.Library knows. Answers are spoken by package voice, every sample of
// which can be told from every other; package script reads a Brain from a file.
//
// # Oracles
//
// [Server.Streams] tells what really happened, by sample. Which stream heard
// what the user said, and whether in whole, in part or twice:
// StreamLog.Heard for words, or, with Config.KeepAudio,
//
//	voice.Analyse(log.Audio[0].PCM, user)         // the user's samples as this stream heard them
//
// Which samples of which answer reached the caller, and whether there is a
// seam:
//
//	voice.Analyse(recording, log.Answers[0].Sentences[0].PCM, …)
//
// What the client did wrong: [Server.Violations].
//
// # For other programs
//
//	srv.StartTLS("127.0.0.1:0")
//	cmd.Env = srv.ChildEnviron(os.Environ())
//
// # What is checked, and what is a choice
//
// The order of events, the fields, the limits and the texts of errors follow
// AWS's documentation and what users recorded of the service. Where the sources
// disagree, or are silent, [Behaviour] and [Limits] have a switch whose default
// is the likeliest, or the strictest. Things that the real service lets pass
// though they are mistakes, such as interactive text that comes before any
// audio, are no errors here either, but stand in [StreamLog.Violations]: a
// client without fault has none.
//
// What goes wrong on its own in real life is asked for with [Fault], at an age
// or an event of a stream, on certain streams or with a probability.
//
// # Caveats
//
// The emulator proves a client's logic, framing and signatures. It proves
// nothing about AWS: neither the sizes of its windows, nor its load, nor that
// it orders events in just this way. Recognition of speech is that of package
// hearing: exact for what it knows, and empty for anything else.
package sonictest
