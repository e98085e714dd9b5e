// Package oracle judges a conversation that moved from stream to stream: were
// the guarantees of session continuation kept? It never asks the code that gave
// them. It compares what others know:
//
//	the caller     what was said, sample by sample, and when it was sent
//	the emulator   what each stream was told, received, heard, answered and sent
//	the ear        what was played, sample by sample, and when
//	the tool       which calls it got, and what it returned
//
// and, last, what the service says of its moves with all that.
//
// # What is checked
//
//	G1  Every sample of the caller's, silence included, is found in what the
//	    streams received: in order, without a hole, in one stream only, unless it
//	    was replayed; and no stream received anything else but silence while the
//	    caller was muted.
//	G2  Each request is answered once, by a stream that heard all of it, once, and
//	    in order; what was heard in part is never answered.
//	G3  The ear heard each sample that was sent for it once, in order, without a
//	    pause, and nothing else; where the caller barged in, nothing more after
//	    one chunk.
//	G4  Each answer begins when it is due, which is known since the emulator
//	    takes its time without jitter: to the piece of audio, after a planned
//	    move; within a second and a half more, after a failure.
//	G5  Each stream is told what was said before: each request and each sentence
//	    once, in order, what was cut up to where it was heard, and marked; what
//	    tools returned; and nothing that it is given to hear as well.
//	G6  Each call runs once, and its result goes to the stream that made it, or
//	    else, or if nothing was heard of it there, to another as text, once.
//	G7  Two streams at most, those that failed not counted; each is closed in
//	    order, and before the service does it.
//	G8  For each move there is a frame, whose figures are right, and an end; what
//	    the application asked for happens; nothing ends without being asked to.
//
// # What is excused
//
// A stream that failed, from then on, and what was on its way to and from it:
// audio that it had not delivered, silence (not speech) that it had not
// received, the goodbye. Speech that was no longer kept, if the service says so.
// A request that the caller went on from before it could be answered. An answer
// by a stream that a fault had silenced, which looks like one that has nothing
// to say.
package oracle
