// Package bench measures what users feel, each figure beside its baseline in
// the same run: bare channels, straight lines, encoding/binary, or a physical
// limit.
//
//	go test ./bench -run '^$' -bench .
//
// The engine and its rivals take turns, so that whatever else the machine does
// weighs on both, every frame is a new one, and the median turn counts: the
// ratio says more than the times. What is done to audio runs on one goroutine,
// so that each side reports its fastest second, in which nothing else ran.
//
// Detectors of speech are compared in noise, with a table of what each misses and
// what it takes for speech:
//
//	go test ./bench -run TestSpeechIsFoundInNoise -v
//
// The codec of Nova Sonic's wire is measured against encoding/json, turn by
// turn as well, where Go lets it be reached, in its own package:
//
//	go test ./services/novasonic/internal/wire -run '^$' -bench . -benchmem
package bench
