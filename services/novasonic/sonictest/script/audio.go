package script

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/mp3"
	"github.com/parley-go/parley/audio/wav"
	"github.com/parley-go/parley/internal/ffmpeg"
)

const (
	maxFile = 64 << 20
	maxClip = 2 * time.Minute
)

// sound is mono audio from a file.
type sound struct {
	rate    audio.SampleRate
	samples []int16
}

func (s sound) duration() time.Duration { return s.rate.Duration(int64(len(s.samples))) }

// reader is what the audio packages have in common.
type reader interface {
	Format() audio.Format
	Read([]int16) (int, error)
}

// open opens an audio file and reads its header.
func open(fsys fs.FS, name string) (reader, fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, nil, fmt.Errorf("%q is not a path below the script's folder: write it with slashes and without \"..\"", name)
	}
	f, err := fsys.Open(name)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil, fmt.Errorf("there is no file %q beside the script", name)
		}
		return nil, nil, fmt.Errorf("open %q: %w", name, err)
	}
	r, err := header(f, name)
	if err != nil {
		f.Close()
		mend := ""
		if bad := (*wav.FormatError)(nil); errors.As(err, &bad) && bad.Err == nil {
			mend = ": " + ffmpeg.Convert(name, err)
		}
		if bad := (*mp3.FormatError)(nil); errors.As(err, &bad) && bad.Err == nil {
			mend = ": " + ffmpeg.Convert(name, err)
		}
		return nil, nil, fmt.Errorf("read %q: %w%s", name, err, mend)
	}
	return r, f, nil
}

func header(f fs.File, name string) (reader, error) {
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, errors.New("it is a folder")
	case info.Size() > maxFile:
		return nil, fmt.Errorf("it is larger than %d MiB", maxFile>>20)
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".wav":
		return wav.NewReader(f)
	case ".mp3":
		return mp3.NewReader(f)
	}
	return nil, errors.New("only .wav and .mp3 files are understood")
}

// load reads all of an audio file, mixed down to one channel.
func load(fsys fs.FS, name string, longest time.Duration) (sound, error) {
	r, f, err := open(fsys, name)
	if err != nil {
		return sound{}, err
	}
	defer f.Close()
	format := r.Format()
	limit := int(format.Rate.Samples(longest))
	s := sound{rate: format.Rate}
	buffer := make([]int16, 4096*format.Channels)
	for {
		n, err := r.Read(buffer)
		s.samples = audio.Remix(s.samples, buffer[:n], format.Channels, 1)
		switch {
		case len(s.samples) > limit:
			return sound{}, fmt.Errorf("read %q: it is longer than %v", name, longest)
		case err == io.EOF && len(s.samples) == 0:
			return sound{}, fmt.Errorf("read %q: it has no samples", name)
		case err == io.EOF:
			return s, nil
		case err != nil:
			return sound{}, fmt.Errorf("read %q: %w", name, err)
		}
	}
}

// whole finds out whether an audio file can be read to its end. An MP3 file, most
// of whose time goes into decoding, is not decoded for that.
func whole(fsys fs.FS, name string) error {
	r, f, err := open(fsys, name)
	if err != nil {
		return err
	}
	defer f.Close()
	format := r.Format()
	if m, compressed := r.(*mp3.Reader); compressed {
		if m.Frames() > format.Rate.Samples(maxClip) {
			return fmt.Errorf("read %q: it is longer than %v", name, maxClip)
		}
		again, err := fsys.Open(name)
		if err != nil {
			return fmt.Errorf("open %q: %w", name, err)
		}
		defer again.Close()
		if err := mp3.Verify(again); err != nil {
			return fmt.Errorf("read %q: %w", name, err)
		}
		return nil
	}
	buffer := make([]int16, 4096*format.Channels)
	for n, limit := int64(0), format.Rate.Samples(maxClip); n <= limit; {
		got, err := r.Read(buffer)
		n += int64(got / format.Channels)
		switch {
		case err == io.EOF && n == 0:
			return fmt.Errorf("read %q: it has no samples", name)
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("read %q: %w", name, err)
		}
	}
	return fmt.Errorf("read %q: it is longer than %v", name, maxClip)
}

// clip is a sentence's audio. It is decoded when it is first spoken: most calls
// need few of a script's clips.
type clip struct {
	decode func() (sound, error)
}

func newClip(fsys fs.FS, name string) (*clip, error) {
	if err := whole(fsys, name); err != nil {
		return nil, err
	}
	return &clip{decode: sync.OnceValues(func() (sound, error) { return load(fsys, name, maxClip) })}, nil
}
