package sonictest_test

import (
	"encoding/base64"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/services/novasonic/sonictest"
)

// serve starts a server in memory, in virtual time, and calls f.
func serve(t *testing.T, cfg sonictest.Config, f func(t *testing.T, srv *sonictest.Server)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		srv := sonictest.NewServer(cfg)
		if err := srv.StartPipe(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := srv.Close(); err != nil {
				t.Error(err)
			}
		})
		f(t, srv)
	})
}

// pace sends 16 kHz audio on block A in real time.
func (p *peer) pace(pcm []int16) {
	for _, e := range chunks("A", pcm) {
		p.send(e)
		time.Sleep(32 * time.Millisecond)
	}
}

// shape is the events as lines, without audioOutput and usageEvent.
func shape(events []event) []string {
	var lines []string
	for _, e := range events {
		if e.name != "audioOutput" && e.name != "usageEvent" {
			lines = append(lines, e.String())
		}
	}
	return lines
}

// samples is the audio of the events.
func samples(t *testing.T, events []event) []int16 {
	t.Helper()
	var all []int16
	for _, e := range events {
		if e.name == "audioOutput" {
			raw, err := base64.StdEncoding.DecodeString(e.str("content"))
			if err != nil {
				t.Fatal(err)
			}
			all = audio.DecodePCM(all, raw)
		}
	}
	return all
}

func TestAStreamAnswersFromEndToEnd(t *testing.T) {
	serve(t, sonictest.Config{KeepAudio: true}, func(t *testing.T, srv *sonictest.Server) {
		said := join(silence(200*time.Millisecond), words("12"), silence(8*time.Second))
		p := open(t, srv)
		p.send(opening()...)
		p.pace(said)
		p.send(closing()...)
		p.closeSend()
		got := p.rest()

		want := []string{
			"userSpeechStart",
			"completionStart",
			"userSpeechEnd",
			"contentStart TEXT USER FINAL",
			`textOutput "one two"`,
			"contentEnd TEXT PARTIAL_TURN",
			"contentStart TEXT ASSISTANT SPECULATIVE",
			`textOutput "You said one two."`,
			"contentEnd TEXT PARTIAL_TURN",
			"contentStart AUDIO ASSISTANT",
			"contentEnd AUDIO END_TURN",
			"contentStart TEXT ASSISTANT FINAL",
			`textOutput "You said one two."`,
			"contentEnd TEXT END_TURN",
			"completionEnd END_TURN",
		}
		if diff := cmp.Diff(want, shape(got)); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		if err := p.end(); err != io.EOF {
			t.Errorf("the stream ended with %v, want a clean end", err)
		}
		log, ok := srv.Stream(0)
		if !ok || len(log.Audio) != 1 || len(log.Answers) != 1 {
			t.Fatalf("the log has %d blocks of audio and %d answers, want one each", len(log.Audio), len(log.Answers))
		}
		if !slices.Equal(log.Audio[0].PCM, said) {
			t.Error("the log's audio is not what was sent")
		}
		if !slices.Equal(samples(t, got), log.Answers[0].Sentences[0].PCM) {
			t.Error("the audio that arrived is not the sentence that was rendered")
		}
		if v := srv.Violations(); len(v) != 0 {
			t.Errorf("violations: %+v", v)
		}
		if log.End.Kind != sonictest.ClosedBoth {
			t.Errorf("the log says that the stream was %v", log.End.Kind)
		}
	})
}
