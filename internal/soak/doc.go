// Package soak holds random conversations of many virtual hours, while streams
// fail in every way that the emulator knows, and checks that nobody could tell.
//
//	seed ─▶ plan ──▶ caller ─▶ novasonic ─▶ witness ─▶ playout ─▶ ear     (pipeline)
//	                              │ ▲
//	                        SDK, HTTP/2, in memory
//	                              ▼ │
//	                        emulator, faults, brain (package talk)
//	                                │
//	          what was said, heard, sent, played, and seen: oracle.Evidence
//	                                │
//	                        oracle.Judge ─▶ violations, figures, timeline
//
// Each conversation is a bubble of virtual time and a seed: whatever is random
// in it follows from that, so that one which failed can be held again. [Run]
// holds them on all cores, [Report] sums up. Package oracle says what is
// checked, and package talk what is talked about.
//
// # What a seed decides
//
// Sample rates, chunk sizes, how long streams live and the policy that goes with
// it; what differs from one service to another (events of speech, forms of
// barge-in, when texts of record come); what the caller does (asks, interrupts,
// goes on too soon, talks at length, types, is silent, is muted), what the
// application asks for (moves, other voices), which tools are called, and which
// streams meet which fault when.
//
// # Caveats
//
// What the service under test draws at random for itself, such as the pause
// before it tries again, is not the seed's, nor is the order in which goroutines
// run that wake at the same instant: where a violation depends on those, holding
// its conversation again may not show it.
package soak
