// File finds out who spoke when on a telephone line, from what the line left
// behind: raw µ-law without a header, out of a pipe, as fast as this machine can
// listen.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/wav"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/vad"
	"github.com/parley-go/parley/testdata/calls"
	"github.com/parley-go/parley/transports/file"
)

// listen prints when somebody speaks in a recording. It reads no more of it than
// it has listened to.
func listen(ctx context.Context, recording file.Config, to io.Writer) error {
	recording.Pace = file.Fast // nobody is answered, so nobody has to wait
	recording.HangUpAfter = time.Second
	call, err := file.New(recording)
	if err != nil {
		return err
	}
	speech := pipeline.Func(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
		switch f := f.(type) {
		case *frames.VADStarted:
			fmt.Fprintf(to, "speech from %4.1f s", f.Rate.Duration(int64(f.Position)).Seconds())
		case *frames.VADStopped:
			fmt.Fprintf(to, " to %4.1f s\n", f.Rate.Duration(int64(f.Position)).Seconds())
		}
		return out.Send(ctx, f, dir)
	})
	return pipeline.Run(ctx, call.Input(), vad.New(vad.Config{}), speech, call.Output())
}

// line is a telephone line on which a recorder has been at work: bytes, and not a
// word about what they are.
func line() (io.Reader, error) {
	shipped, err := calls.Files.Open("bargein.wav")
	if err != nil {
		return nil, err
	}
	caller, err := wav.NewReader(shipped)
	if err != nil {
		return nil, err
	}
	r, w := io.Pipe()
	go func() {
		block := make([]int16, 160)
		for {
			n, err := caller.Read(block)
			if err != nil {
				w.CloseWithError(err) // io.EOF, at the end
				return
			}
			if _, err := w.Write(audio.EncodeULaw(nil, block[:n])); err != nil {
				return // nobody listens any more
			}
		}
	}()
	return r, nil
}

func main() {
	telephone, err := file.ParseFormat("mulaw:8000:1")
	if err != nil {
		log.Fatal(err)
	}
	recording := file.Config{InputFormat: telephone}
	if len(os.Args) > 1 {
		recording.Input = os.Args[1] // "-" is standard input
	} else if recording.Reader, err = line(); err != nil {
		log.Fatal(err)
	}
	if err := listen(context.Background(), recording, os.Stdout); err != nil {
		log.Fatal(err)
	}
}
