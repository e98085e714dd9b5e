// Package calls holds the recordings of callers, and the script of the shop that
// they call, for everything that is shown and tested with them.
package calls

import "embed"

// Files are the recordings, the script and its clips.
//
//go:embed *.mp3 *.wav *.yaml clips/*.mp3
var Files embed.FS
