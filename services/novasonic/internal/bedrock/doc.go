// Package bedrock opens the bidirectional streams of Amazon Bedrock that Nova
// Sonic speaks on. It carries events as bytes and knows nothing of what is in
// them; package wire does.
//
//	              Dialer                            Stream
//	novasonic ──▶ Dial(ctx, model) ───────────────▶ Send · Recv · CloseSend · Close · Abort
//	                 │
//	              SDKDialer: credentials first
//	                 │
//	              lanes.go: an HTTP/2 transport for each lane, kept warm
//	                 │
//	              guards.go: what aws-sdk-go-v2 gets wrong, put right around it
//	              framing.go: the events that are nearly all of the traffic, taken past its decoder
//	                 │
//	              bedrockruntime.InvokeModelWithBidirectionalStream
//
// [Dialer] and [Stream] are the whole of what novasonic knows, so that another
// client, or a fake, can stand in.
//
// # A stream's life
//
// [Dialer.Dial] returns before the service has been asked anything: the SDK
// sends the request in the background, and the service withholds its answer
// until it has seen the first events. So a stream that was opened is not yet
// accepted: refusals (403, 429, an unknown model) come out of Recv. Accepted
// tells when the service has agreed.
//
// The stream lives until Close or Abort, whatever becomes of the context that
// opened it. Close is for a stream that has said its goodbye: it half-closes,
// waits for the service to end its side, and only then lets go. Abort is for
// every other case, and takes no time.
//
// Recv must be called all the time that a stream is open, even if nobody wants
// its events: the service speaks faster than real time, and what is not read
// is stale audio a moment later.
//
// # Errors
//
// Everything that fails is an [*Error]: one line that says what failed, where,
// and how to mend it, with its [Verdict]: the class, the reason, and whether
// to try again. The end of a stream is io.EOF only after CloseSend; an end
// that nobody asked for is [ErrUnexpectedEnd].
package bedrock
