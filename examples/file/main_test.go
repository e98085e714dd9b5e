package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/testdata/calls"
	"github.com/parley-go/parley/transports/file"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func Example() {
	os.Args = os.Args[:1] // they are the test's
	main()
	// Output:
	// speech from  1.0 s to  3.9 s
	// speech from 11.4 s to 14.6 s
	// speech from 19.4 s to 20.8 s
	// speech from 26.3 s to 28.7 s
}

// It is not paced by a clock: that is in real time to be seen.
func TestAFileIsHeardAsItsRecordingFasterThanItWasSpoken(t *testing.T) {
	shipped, err := fs.ReadFile(calls.Files, "bargein.wav")
	if err != nil {
		t.Fatal(err)
	}
	raw := filepath.Join(t.TempDir(), "line.ul")
	if err := os.WriteFile(raw, audio.EncodeULaw(nil, audio.DecodePCM(nil, shipped[44:])), 0o600); err != nil {
		t.Fatal(err)
	}
	var fromPipe, fromFile bytes.Buffer
	telephone := file.Format{Coding: file.ULaw}
	r, err := line()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := listen(t.Context(), file.Config{Reader: r, InputFormat: telephone}, &fromPipe); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("32 seconds took %v", took)
	}
	if err := listen(t.Context(), file.Config{Input: raw, InputFormat: telephone}, &fromFile); err != nil {
		t.Fatal(err)
	}
	if fromPipe.String() != fromFile.String() || fromPipe.Len() == 0 {
		t.Errorf("heard in the pipe:\n%sin the file:\n%s", &fromPipe, &fromFile)
	}
}
