// Package pipeline is the engine: it moves frames through a chain of
// processors, in both directions, and starts, interrupts and ends them.
//
//	err := pipeline.Run(ctx, source, gain, service, sink)
//
//	          ┌───────────────────────────────┐
//	          │ processor                     │
//	────────▶ │ ordered lane, downstream (64) │ ─┐   data and control: in order,
//	◀──────── │ ordered lane, upstream (1024) │ ─┴▶ Process         dropped by an interruption
//	◀───────▶ │ system lane, both ways (1024) │ ──▶ ProcessSystem   system: overtakes, survives
//	          └───────────────────────────────┘
//
// A [Processor] is one method, and [On] makes one of a function:
//
//	shout := pipeline.On(func(ctx context.Context, f *frames.Text, dir frames.Direction, out *pipeline.Port) error {
//		return out.Send(ctx, &frames.Text{Text: strings.ToUpper(f.Text), Instruction: f.Instruction}, dir)
//	})
//
// More of its life is told to those who implement [Starter], [Runner] and
// [Closer]. [Chain], [Parallel] and [Switch] put processors together; they nest.
// [New] and a [Config] give what [Run] leaves at its defaults: limits, deadlines,
// heartbeats, idle detection, observers. Package pipelinetest has what tests
// need.
//
// # Lanes
//
// Frames wait in front of a processor in three bounded queues: system frames,
// data and control frames on their way downstream, and those on their way
// upstream. Within a lane and direction frames keep their order. A processor
// has one goroutine, which takes system frames first; a [SystemProcessor] has a
// second one, so that its system frames do not wait for a long call of Process.
// The one goroutine of others takes an ordered frame on its way downstream only
// when there is room in the next queue, and so has time for system and upstream
// frames while there is none, for instance while an output plays to the end
// before a Stop.
// [frames.Start] is the first frame that a processor gets; [frames.End] and
// [frames.Stop] do not overtake the system frames that arrived before them.
//
//	lane                  when it is full
//	ordered, downstream   the sender waits
//	ordered, upstream     the oldest realtime frame in it is dropped and counted;
//	system                if there is none, the run fails with an OverflowError
//
// What is queued, for how long, and what each processor is busy with is told by
// [Pipeline.Stats].
//
// # Why it cannot deadlock
//
// Frames flow both ways through bounded queues. If all senders waited for room,
// two neighbours could wait for each other. Here only one kind of Send waits:
// that of an ordered frame which goes downstream. A processor that waits
// therefore waits for the next one downstream, that one at most for the one
// after it, and so on, through branches and switches as well, which part and
// meet again but never lead back. The last processor waits for nobody, since
// frames that leave the pipeline are discarded. So whenever somebody waits there
// is, downstream, somebody who does not wait for a queue and will make room, and
// nobody can be waiting for themselves.
//
// All other lanes must then never be full. They hold a thousand frames; audio
// that comes too fast makes room for itself, being worthless when late; and a
// thousand system or upstream frames that may not be dropped pile up only in
// front of a processor which is stuck, or when every frame is answered with
// several. That is a fault which no queue can absorb, and it ends the run with
// an error that names the processor.
//
// Two ways around this are closed: an [Inline] processor runs on its
// neighbour's goroutine, so that what it sends downstream while it handles an
// upstream frame does not wait either; and [Pipeline.Send], which is for the
// outside, refuses the contexts of the pipeline's own processors.
//
// # Interruption
//
// The time between two interruptions is a generation. Each ordered frame
// belongs to one. [Port.Interrupt] replaces the run's generation by a new one,
// cancels the context of the old, and wakes every processor: the cost does not
// depend on what is queued, and nothing waits for a slow processor. Whoever takes
// a frame of an older generation from a queue drops it, unless it is
// uninterruptible, and before a processor gets anything else it is told by a
// [frames.Interruption]: after its last frame of the old generation and before
// its first of the new. A burst of interruptions arrives as the latest of them.
// A sender that waits with an old frame gets [ErrInterrupted] at once, and one
// with a new frame never waits behind old ones.
//
// Which generation a frame belongs to is said by the context that it is sent
// with. Process gets the context of the generation when it handles a frame that
// an interruption drops; when it handles one that survives, and in Run, it gets
// the context of the run, and what is sent with that belongs to the generation
// of that moment. A service that produces an answer on a goroutine of its own
// takes [Port.Generation] when the answer begins.
//
// # Life
//
//	Start    of all processors at once, within Config.StartTimeout
//	         frames.Start goes through
//	Run      of all processors that have one
//	         … frames flow …
//	         frames.End goes through, behind everything sent before,
//	         within Config.EndTimeout
//	         all contexts are cancelled; goroutines return within Config.CancelTimeout
//	Close    of all processors at once, within Config.CancelTimeout
//
// An end is asked for by [Pipeline.End], or a [frames.End] sent by a processor
// (one in a branch is sent through the whole pipeline, as a [frames.Stop] is,
// since it must come out of all branches);
// [Pipeline.Cancel], a [frames.Cancel], a fatal error, or the end of Run's
// context go straight to the cancellation. Whoever does not do in time what is
// due is named by a [StuckError], with the frame that it is busy with and since
// when.
//
// # Errors
//
// What Process returns is reported upstream as a [frames.Error], with the class
// that [Classify] gave it, and the run goes on; what is [Fatal], a panic, and
// what Run returns ends it, unless a [Switch] has another service to go on with.
// Errors that say no more than that a frame was interrupted or that the run is
// over are not reported.
package pipeline
