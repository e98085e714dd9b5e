// Package bench measures what users feel, each figure beside its baseline in
// the same run: bare channels, encoding/json, a bare SDK loop, or a physical
// limit.
//
//	go test ./bench -run '^$' -bench .
//
// Where two things are compared they take turns, so that whatever else the
// machine does weighs on both, and the ratio is what counts.
package bench
