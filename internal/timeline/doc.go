// Package timeline draws a call as an SVG: who spoke when, which stream of the
// service listened, which spoke, and how the call moved from one to the next.
//
//	svg := timeline.SVG(timeline.Call{…})
//
// It is a function from what happened to a picture, and knows nothing of where
// that comes from. A call is drawn like music: in rows of equal length, each with
// the same lanes, so that half an hour is as legible as half a minute:
//
//	0:00      0:10      0:20            time
//	  ████        ███        ████       caller, as spoken
//	       ███         ████             agent, as heard
//	▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒┊▓▓░        streams, each with its phases; at the top of a
//	                 ░░░░░░░┊▒▒▒        bar what it heard, at the bottom what it said
//
// Streams share lanes: one that begins when another has ended takes its place.
package timeline
