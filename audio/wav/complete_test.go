package wav

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parley-go/parley/audio"
)

func TestAHeaderIsCompleted(t *testing.T) {
	samples := noise(1200)
	le := binary.LittleEndian
	claims := func(file []byte, outer, inner uint32) []byte {
		file = bytes.Clone(file)
		at := bytes.Index(file, []byte("data")) + 4
		le.PutUint32(file[4:], outer)
		le.PutUint32(file[at:], inner)
		return file
	}
	plain := pcmFile(audio.Stereo(audio.Rate8k), samples)
	var six memory
	write(t, &six, audio.Format{Rate: audio.Rate48k, Channels: 6}, samples)
	list := chunk("LIST", []byte("INFOISFT\x04\x00\x00\x00abc\x00"))
	format, data := fmtChunk(tagPCM, 2, 8000, 16), chunk("data", audio.EncodePCM(nil, samples))
	behind := riffFile(format, data, list)
	before := riffFile(list, format, data)
	long := riffFile(chunk("ds64", make([]byte, 28)), format, data)
	copy(long, "RF64")
	le.PutUint64(long[20+8:], uint64(2*len(samples)))
	long = claims(long, 0xFFFFFFFF, 0xFFFFFFFF)
	unfilled := bytes.Clone(long)
	clear(unfilled[20 : 20+28])
	short := claims(long, 0xFFFFFFFF, 100)
	odd := riffFile(fmtChunk(tagPCM, 1, 8000, 8), chunk("data", bytes.Repeat([]byte{0x90}, 101)))
	named := audio.EncodePCM(nil, samples)
	copy(named[100:], "LISTen to me")
	words := riffFile(format, chunk("data", named))
	for name, tc := range map[string]struct{ before, after []byte }{
		"it is behind":                {claims(plain, 36+100, 100), plain},
		"it tells of half of it":      {claims(plain, 36+200, 100), plain},
		"it tells nothing":            {claims(plain, 0, 0), plain},
		"it tells no length":          {claims(plain, 0xFFFFFFFF, 0xFFFFFFFF), plain},
		"that of sox's pipes":         {claims(plain, 0x7FFFF024, 0x7FFFF000), plain},
		"half a frame":                {append(claims(plain, 36+100, 100), 1, 2, 3), append(bytes.Clone(plain), 1, 2, 3)},
		"six channels":                {claims(six.bytes, 60+120, 120), six.bytes},
		"a chunk before the audio":    {claims(before, uint32(len(before)-8-2300), 100), before},
		"a chunk behind the audio":    {behind, behind},
		"it tells everything":         {plain, plain},
		"it tells more than there is": {claims(plain, 36+5000, 5000), claims(plain, 36+5000, 5000)},
		"RF64":                        {long, long},
		"RF64 that was not closed":    {unfilled, unfilled},
		"RF64 with a short length":    {short, short},
		"a pad byte":                  {odd, odd},
		"a chunk, and no length":      {claims(behind, 0, 2400), claims(behind, 0, 2400)},
		"a chunk, and a short length": {claims(behind, 36, 2400), claims(behind, 36, 2400)},
		"two chunks":                  {append(bytes.Clone(behind), list...), append(bytes.Clone(behind), list...)},
		"a chunk without its pad":     {append(bytes.Clone(behind), "odd \x01\x00\x00\x00x"...), append(bytes.Clone(behind), "odd \x01\x00\x00\x00x"...)},
		"audio that looks like one":   {claims(words, 36+2400, 100), words},
	} {
		path := filepath.Join(t.TempDir(), "file.wav")
		if err := os.WriteFile(path, tc.before, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := Complete(f); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		f.Close()
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, tc.after) {
			t.Errorf("%s: the file is not as it should be (%v)", name, err)
		}
		if name == "it tells more than there is" || strings.HasPrefix(name, "RF64 with") || name == "a pad byte" || name == "audio that looks like one" {
			continue // a reader finds an error, or other samples
		}
		if _, got := decode(t, tc.after); !slices.Equal(got, samples) {
			t.Errorf("%s: %d samples are read", name, len(got))
		}
	}
}

// storage is a file in memory that can be read.
type storage struct{ memory }

func (s *storage) Read(p []byte) (int, error) {
	n, err := bytes.NewReader(s.bytes).ReadAt(p, s.at)
	s.at += int64(n)
	return n, err
}

// vast is a file that claims to have a size.
type vast struct {
	storage
	size int64
}

func (v *vast) Seek(offset int64, whence int) (int64, error) {
	if whence == 2 {
		return v.size + offset, nil
	}
	return v.storage.Seek(offset, whence)
}

func (v *vast) Read(p []byte) (int, error) {
	n, _ := v.storage.Read(p)
	clear(p[n:])
	return len(p), nil
}

func TestWhatHasNoHeaderIsNotCompleted(t *testing.T) {
	plain := pcmFile(audio.Mono(audio.Rate8k), noise(100))
	for name, content := range map[string][]byte{
		"no audio file": []byte(strings.Repeat("x", 100)),
		"MP3":           append([]byte("ID3\x04\x00"), make([]byte, 100)...),
		"too short":     plain[:20],
		"nothing":       nil,
	} {
		f := &storage{memory{bytes: bytes.Clone(content)}}
		if err := Complete(f); !errors.As(err, new(*FormatError)) {
			t.Errorf("%s: %v", name, err)
		}
		if !bytes.Equal(f.bytes, content) {
			t.Errorf("%s was changed", name)
		}
	}
	large := &vast{storage{memory{bytes: bytes.Clone(plain)}}, 5 << 30}
	if err := Complete(large); !errors.Is(err, ErrTooLarge) || !bytes.Equal(large.bytes, plain) {
		t.Errorf("5 GiB: %v", err)
	}
	broken := &readOnly{storage{memory{bytes: bytes.Clone(plain)}}}
	binary.LittleEndian.PutUint32(broken.bytes[40:], 100)
	if err := Complete(broken); !errors.Is(err, errFull) {
		t.Errorf("a file that cannot be written: %v", err)
	}
}

// readOnly is a file that cannot be written.
type readOnly struct{ storage }

func (*readOnly) Write([]byte) (int, error) { return 0, errFull }
