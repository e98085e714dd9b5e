package layer3

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"testing"

	gomp3 "github.com/hajimehoshi/go-mp3"
)

// The same values sound the same in whatever table they are coded. The decoders
// have their own tables; so a code that is wrong here is heard as another value.
func TestDecodersHearTheSameInEveryTable(t *testing.T) {
	for _, group := range []struct {
		values int // each pair of values below it is coded
		tables []int
	}{
		{2, []int{1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 24}},
		{3, []int{2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 17, 25}},
		{4, []int{5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 18, 26}},
		{6, []int{7, 8, 9, 10, 11, 12, 13, 15, 19, 27}},
		{8, []int{10, 11, 12, 13, 15, 20, 28}},
		{16, []int{13, 15, 16, 21, 22, 23, 24, 29, 30, 31}},
	} {
		t.Run(fmt.Sprintf("pairs below %d", group.values), func(t *testing.T) {
			g := new(granule)
			for i := range group.values * group.values {
				g.values[2*i] = int32(i / group.values)
				g.values[2*i+1] = int32(i % group.values)
			}
			g.big = group.values * group.values
			var files [][]byte
			for _, table := range group.tables {
				g.regions = regions{ends: [2]int{7, 14}, table: [3]int{table, table, table}}
				files = append(files, fileOf(g))
			}
			allSoundAlike(t, files, group.tables)
		})
	}
	t.Run("quadruples", func(t *testing.T) {
		g := &granule{regions: noRegions, quads: 16}
		for i := range 64 {
			g.values[i] = int32(i / 4 >> (3 - i%4) & 1)
		}
		a := fileOf(g)
		g.quadsB = 1
		b := fileOf(g)
		// And as pairs.
		g.quads, g.big, g.regions = 0, 32, regions{ends: [2]int{7, 14}, table: [3]int{1, 1, 1}}
		allSoundAlike(t, [][]byte{a, b, fileOf(g)}, []int{32, 33, 1})
	})
	t.Run("escapes", func(t *testing.T) {
		g := &granule{big: 100, regions: regions{ends: [2]int{7, 14}}}
		for i := range 200 {
			g.values[i] = int32(i*i%263) % (maxValue + 1)
		}
		var files [][]byte
		tables := []int{21, 22, 23, 28, 29, 30, 31}
		for _, table := range tables {
			g.regions.table = [3]int{table, table, table}
			files = append(files, fileOf(g))
		}
		allSoundAlike(t, files, tables)
	})
}

// fileOf is a stream of a few frames that have g in their first granule.
func fileOf(g *granule) []byte {
	c := Config{Rate: 48000, Channels: 1, Bitrate: 320000}
	g.gain = 150
	s := new(spectrum)
	for i := range s.neg {
		s.neg[i] = i%3 == 0
	}
	edges := bandsAt[c.Rate]
	var file []byte
	for range 3 {
		var main, side bitWriter
		codes().write(&main, g, s, &edges)
		g.bits = 8*len(main.buf) + main.fill
		main.align()
		header := c.Header(false, false)
		side.buf = append(side.buf, header[:]...)
		writeSideInfo(&side, c, 0, []granule{*g, {gain: unitGain, regions: noRegions}})
		frame := append(side.buf, main.buf...)
		file = append(file, frame...)
		file = append(file, make([]byte, c.FrameBytes(0)-len(frame))...)
	}
	return file
}

// allSoundAlike decodes the files as one stream, the first of them twice: behind
// it, all are behind the same and have to sound the same.
func allSoundAlike(t *testing.T, files [][]byte, tables []int) {
	t.Helper()
	decoders := map[string]func(*testing.T, []byte) []byte{"go-mp3": goDecode}
	if _, err := exec.LookPath("ffmpeg"); err == nil {
		decoders["ffmpeg"] = ffmpegDecode
	} else if os.Getenv("PARLEY_REQUIRE_TOOLS") == "1" {
		t.Fatal("ffmpeg is not installed, and PARLEY_REQUIRE_TOOLS is 1")
	} else {
		t.Log("ffmpeg is not installed: one decoder less to compare with")
	}
	stream := bytes.Join(append([][]byte{files[0]}, files...), nil)
	for name, decode := range decoders {
		pcm := decode(t, stream)
		size := len(pcm) / (len(files) + 1)
		if size == 0 || size*(len(files)+1) != len(pcm) {
			t.Fatalf("%s gives %d bytes for %d files", name, len(pcm), len(files)+1)
		}
		want := pcm[size : 2*size]
		if slices.Max(want) == 0 {
			t.Fatalf("%s hears nothing", name)
		}
		for i := range files {
			if got := pcm[(i+1)*size:][:size]; !bytes.Equal(got, want) {
				t.Errorf("%s hears tables %d and %d differently", name, tables[0], tables[i])
			}
		}
	}
}

func goDecode(t *testing.T, file []byte) []byte {
	t.Helper()
	d, err := gomp3.NewDecoder(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	pcm, err := io.ReadAll(d)
	if err != nil {
		t.Fatal(err)
	}
	return pcm
}

func ffmpegDecode(t *testing.T, file []byte) []byte {
	t.Helper()
	cmd := exec.Command("ffmpeg", "-v", "error", "-f", "mp3", "-i", "pipe:", "-f", "s16le", "-")
	cmd.Stdin = bytes.NewReader(file)
	pcm, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return pcm
}
