// Package talk is the language of a soak test: what its callers ask for, and
// what the emulated model answers, so that whoever overhears a conversation can
// tell which answer belongs to which question.
//
// A caller spells a [Request] in DTMF keys, which the emulator hears as words,
// or types it. Each begins and ends with a mark of its own, so that a part of a
// request is never taken for a whole one. What is answered follows from the
// request alone ([Request.Sentences], [Request.Calls]): every stream gives the
// same answer to the same question, in the same words, but with samples of its
// own ([Voice]).
package talk
