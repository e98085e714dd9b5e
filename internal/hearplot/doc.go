// Package hearplot draws what was heard in a recording: its waveform, how likely
// each moment is speech, and the segments and turns that were made of that, one
// above the other on one axis of time, for tuning a detector.
//
//	err := hearplot.Write(w, hearplot.SVG, hearplot.Picture{…})
package hearplot
