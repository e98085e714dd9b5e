// Package calls holds the recordings of callers, and the script of the shop that
// they call, for everything that is shown and tested with them.
package calls

import (
	"embed"
	"fmt"
	"io"
	"path"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/mp3"
	"github.com/parley-go/parley/audio/wav"
)

// Files are the recordings, the script and its clips.
//
//go:embed *.mp3 *.wav *.yaml clips/*.mp3
var Files embed.FS

// Read returns the samples of a recording or a clip, such as "order.mp3", and their
// format. All of them are mono.
func Read(name string) ([]int16, audio.Format, error) {
	f, err := Files.Open(name)
	if err != nil {
		return nil, audio.Format{}, err
	}
	defer f.Close()
	var r interface {
		Read([]int16) (int, error)
		Format() audio.Format
	}
	if path.Ext(name) == ".mp3" {
		r, err = mp3.NewReader(f)
	} else {
		r, err = wav.NewReader(f)
	}
	var samples []int16
	block := make([]int16, 1<<14)
	for err == nil {
		var n int
		n, err = r.Read(block)
		samples = append(samples, block[:n]...)
	}
	if err != io.EOF {
		return nil, audio.Format{}, fmt.Errorf("read %s: %w", name, err)
	}
	return samples, r.Format(), nil
}
