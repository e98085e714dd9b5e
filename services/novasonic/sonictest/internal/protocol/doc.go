// Package protocol is what Nova Sonic understands and says on a stream: the
// JSON events in both directions, the rules about their order, and the
// service's words when a rule is broken.
//
//	bytes ──Parse──▶ Event ──Rules.Accept──▶ nil, or a Refusal
//	                                         (exception and text, as the service sends them)
//	Output.… ──▶ bytes
//
// It has no clock, no goroutine and no opinion about what is said; the
// emulator's session adds those. Facts come from AWS's documentation, AWS's
// samples and from people who recorded the service; where these leave room,
// [Options] has a switch.
package protocol
