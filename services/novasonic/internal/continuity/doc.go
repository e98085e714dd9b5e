// Package continuity decides when a conversation moves from one stream to the
// next, and which stream has which role. It is a pure state machine: it owns no
// goroutine, no socket and no clock. Events and the time go in, decisions come
// out; novasonic carries them out.
//
//	what happened, and when ──▶ Machine.Step ──▶ what to do
//	                            Machine.Wake ──▶ when to ask again if nothing happens
//
// # Roles
//
// Up to three streams have a role, each role belongs to one stream at most:
//
//	listening   hears the user. Exactly one from the first open on, but for the
//	            time after a failure in which there is none yet
//	standby     is open and primed, hears nothing and says nothing
//	draining    listened before; speaks what it owes, and hears only silence
//
// # States
//
// The state is what is known of the listening stream and of its successor.
// Draining is beside it: a stream may drain in any of them, but a move begins
// only when none does.
//
//	              ┌────────────────────── nobody listens ──────────────────────┐
//	   Start      │                refused                                      │
//	Idle ───────▶ │ Opening ──────────────────▶ Waiting                         │──▶ Over
//	              │    ▲  ◀──────────────────────  │ the pause is over          │
//	              └────┼─────────┬─────────────────────────────────────────────┘
//	       it died     │         │ opened: cut
//	  ┌────────────────┴─────────▼─────────────────────────────────────────────┐
//	  │ Steady ──▶ Preparing ──▶ Ready ──▶ (cut) Steady                         │
//	  │              ▲    │ refused          │ too old, or out of date          │
//	  │              │    ▼                  ▼                                  │
//	  │            Pausing                Preparing        one stream listens   │
//	  └────────────────────────────────────────────────────────────────────────┘
//
// Every state against every event; "·" is nothing, "stale" is what belongs to
// an attempt that was given up, which is discarded:
//
//	            Opened        Refused         Died: listening   Died: standby  Died: draining  Ask           Stop
//	Idle        stale         ·               ·                 ·              ·               ·             Over
//	Opening     Steady (cut)  Waiting, Over   ·                 ·              role free       noted         Over
//	Waiting     stale         ·               ·                 ·              role free       noted         Over
//	Steady      stale         ·               Opening, Waiting, ·              role free       Preparing     Over
//	                                          Over
//	Preparing   Ready         Pausing, Steady Opening (goes on) ·              role free       noted, or     Over
//	                                                                                           again
//	Pausing     stale         ·               Opening           ·              role free       noted         Over
//	Ready       stale         ·               Steady (cut)      Pausing,       role free       noted, or     Over
//	                                                            Steady                         Preparing
//	Over        stale         ·               ·                 ·              ·               ·             ·
//
// Start leads from Idle to Opening, and is nothing in any other state. Drained
// frees the draining role in any of them.
//
// Beside the events, time and the situation (who speaks) move it, at each Step:
//
//	Waiting, Pausing   the pause is over: Opening, Preparing
//	Steady             a reason to move has become due, and no stream drains: Preparing
//	Ready              the moment has come: cut, Steady; or the standby is too old: Preparing
//	any                a stream has drained, or drains for too long or is about to end and is not in the middle of an answer: it is retired
//
// # Moments
//
// A move has two deadlines, prefer and force, which depend on its reason. Until
// prefer it waits until both sides are silent, everything is answered and no
// tool is at work; until force the agent may be speaking, since what it owes is
// played on while the next stream listens; from force on nothing holds it up,
// but for a second or two the answer to what the user has just said. Nothing
// holds it up, either, while the listening stream is deaf.
// A failure does not wait at all.
package continuity
