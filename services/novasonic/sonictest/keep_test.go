package sonictest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley/services/novasonic/sonictest"
)

// kept is how many bytes of samples a record holds.
func kept(l sonictest.StreamLog) (bytes int) {
	for _, a := range l.Answers {
		for _, said := range a.Sentences {
			bytes += 2 * len(said.PCM)
		}
	}
	for _, h := range l.Heard {
		bytes += 2 * len(h.Audio)
	}
	return bytes
}

func TestTheOldestStreamsLoseTheirSamplesFirst(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	tests := map[string]struct {
		cfg     sonictest.Config
		dropped int // of twelve streams with some 300 KB each
	}{
		"by default":               {dropped: 0},
		"with 2.8 MB":              {cfg: sonictest.Config{KeepSamples: 2.8e6}, dropped: 3},
		"with room for none":       {cfg: sonictest.Config{KeepSamples: 1}, dropped: 12},
		"without a limit":          {cfg: sonictest.Config{KeepSamples: -1}, dropped: 0},
		"when all audio is wanted": {cfg: sonictest.Config{KeepSamples: 1, KeepAudio: true}, dropped: 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.cfg.Brain = sonictest.BrainFunc(func(*sonictest.Conversation, sonictest.Turn) sonictest.Answer { return long })
			serve(t, test.cfg, func(t *testing.T, srv *sonictest.Server) {
				for range 12 {
					talk(t, srv, join(words("1"), silence(8*time.Second)))
				}
				if err := srv.WaitIdle(t.Context()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				for i, log := range srv.Streams() {
					want := i >= test.dropped
					if has := kept(log) > 0; has != want {
						t.Errorf("stream %d of %d KB keeps its samples: %v, want %v", i, kept(log)>>10, has, want)
					}
					if len(log.Answers) != 1 || log.Answers[0].Sentences[1].Sent == 0 || len(log.Heard) != 1 || log.Heard[0].Text != "one" || len(log.Audio[0].Arrivals) < 200 {
						t.Errorf("stream %d has lost more than its samples", i)
					}
				}
			})
		})
	}
}

func TestAnOpenStreamKeepsTheSamplesOfItsLatestTurns(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	cfg := sonictest.Config{
		Brain:       sonictest.BrainFunc(func(*sonictest.Conversation, sonictest.Turn) sonictest.Answer { return long }),
		KeepSamples: 8 << 20,
	}
	serve(t, cfg, func(t *testing.T, srv *sonictest.Server) {
		p := open(t, srv)
		p.send(opening()...)
		for range 10 {
			p.pace(join(words("1"), silence(8*time.Second)))
		}
		log, _ := srv.Stream(0)
		if n := kept(log); n > 1<<20 || n < 1<<19 {
			t.Errorf("%d KB of samples are kept, want up to an eighth of 8 MiB", n>>10)
		}
		if n := len(log.Answers); n != 10 || log.Answers[0].Sentences[0].PCM != nil || log.Answers[n-1].Sentences[0].PCM == nil {
			t.Errorf("of %d answers the last is not the one that kept its samples", n)
		}
		for i, a := range log.Answers {
			if !a.Interrupted && (a.Done == 0 || a.Sentences[1].Sent == 0) {
				t.Errorf("answer %d was not said whole: %+v", i, a.Done)
			}
		}
	})
}

func TestRefusedRequestsDoNotPushTheRecordsOfStreamsOut(t *testing.T) {
	cfg := sonictest.Config{KeepStreams: 3, Faults: []sonictest.Fault{{Streams: []int{1, 2, 3, 4, 5}, Do: sonictest.Refuse(503, "ServiceUnavailableException", "")}}}
	serve(t, cfg, func(t *testing.T, srv *sonictest.Server) {
		for range 7 {
			p := open(t, srv)
			p.send("{}")
			p.rest()
		}
		time.Sleep(time.Second)
		var got []string
		for _, l := range srv.Streams() {
			got = append(got, fmt.Sprint(l.Number, " ", l.End.Kind))
		}
		want := "0 failed, 3 refused, 4 refused, 5 refused, 6 failed"
		if strings.Join(got, ", ") != want {
			t.Errorf("the records are of %q, want %q", got, want)
		}
	})
}

func TestWhatIsCountedDoesNotDependOnWhichRecordsAreKept(t *testing.T) {
	for _, keep := range []int{-1, 1, 256} {
		cfg := sonictest.Config{KeepStreams: keep, Faults: []sonictest.Fault{{Streams: []int{1, 3, 4}, Do: sonictest.Refuse(503, "ServiceUnavailableException", "")}}}
		serve(t, cfg, func(t *testing.T, srv *sonictest.Server) {
			for range 6 {
				p := open(t, srv)
				p.send("{}") // which breaks a rule
				p.rest()
			}
			last := open(t, srv)
			last.send(opening()...)
			last.send(`{"event":{"whatIsThis":{}}}`)
			time.Sleep(time.Second)
			if got, want := srv.Counts(), (sonictest.Counts{Requests: 7, Refused: 3, Violations: 4}); got != want {
				t.Errorf("keeping %d streams: %+v, want %+v", keep, got, want)
			}
		})
	}
}

func TestTheKeyIsNotThatOfTheSeed(t *testing.T) {
	one, two := sonictest.NewServer(sonictest.Config{Seed: 1}), sonictest.NewServer(sonictest.Config{Seed: 1})
	defer one.Close()
	defer two.Close()
	a, b := one.Credentials()[0], two.Credentials()[0]
	if a.SecretAccessKey == b.SecretAccessKey || len(a.SecretAccessKey) < 40 || a.AccessKeyID == b.AccessKeyID {
		t.Errorf("two servers with the same seed have the keys %v and %v", a, b)
	}
}

func TestWaitingCopiesNoRecordOfAStreamThatHasEnded(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	serve(t, sonictest.Config{}, func(t *testing.T, srv *sonictest.Server) {
		for range 50 {
			talk(t, srv, join(words("1"), silence(1500*time.Millisecond)))
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		bytes := func() uint64 {
			return allocated(func() {
				p := open(t, srv)
				p.send(opening()...)
				p.pace(silence(10 * time.Second))
				p.close()
			})
		}
		alone := bytes()
		checked := 0
		go func() {
			defer close(done)
			srv.Wait(ctx, func(logs []sonictest.StreamLog) bool {
				checked++
				return false
			})
		}()
		waiting := bytes()
		cancel()
		<-done
		// A record is a kilobyte; with what it refers to it was 20 KB.
		if each := float64(waiting-min(alone, waiting)) / float64(checked) / 50; checked < 300 || each > 4<<10 {
			t.Errorf("each of %d checks allocated %.0f bytes for each stream that has ended", checked, each)
		}
	})
}

func TestWhatAStreamMaySendIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	const (
		throttled = "throttlingException: RequestId=% : Too many requests, please wait before trying again."
		history   = "validationException: RequestId=% : Chat history is over max limit. Trim chat history and try again."
		parse     = "validationException: RequestId=% : Unable to parse input chunk. Please check input format contains correct format."
	)
	flood := func(d time.Duration) func(p *peer) {
		return func(p *peer) {
			for range d / (10 * time.Second) {
				p.send(audioInput("A", silence(10*time.Second)))
			}
		}
	}
	texts := func(n int) func(p *peer) {
		return func(p *peer) {
			p.send(audioInput("A", silence(time.Second)))
			for i := range n {
				p.send(text(fmt.Sprint("C", i), "USER", false, strings.Repeat("x", 700_000))...)
			}
		}
	}
	tests := map[string]struct {
		limits sonictest.Limits
		do     func(p *peer)
		want   string
	}{
		"a replay of 30 s":                    {do: flood(30 * time.Second)},
		"almost five minutes at once":         {do: flood(290 * time.Second)},
		"more than five minutes at once":      {do: flood(310 * time.Second), want: throttled},
		"as much as it likes, without limits": {limits: sonictest.Limits{Ahead: -1}, do: flood(310 * time.Second)},
		"five long texts":                     {do: texts(5)},
		"seven long texts":                    {do: texts(7), want: history},
		"seven without limits":                {limits: sonictest.Limits{Text: -1}, do: texts(7)},
		"a thousand empty pieces of audio": {limits: sonictest.Limits{Events: 500}, do: func(p *peer) {
			p.send(audioInput("A", silence(time.Second)))
			for range 1000 {
				p.send(audioInput("A", nil))
			}
		}, want: throttled},
		"a large message": {do: func(p *peer) { p.send(audioInput("A", silence(30*time.Second))) }, want: parse},
		"a large message where that is allowed": {limits: sonictest.Limits{Message: 4 << 20},
			do: func(p *peer) { p.send(audioInput("A", silence(30*time.Second))) }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			serve(t, sonictest.Config{Limits: test.limits}, func(t *testing.T, srv *sonictest.Server) {
				p := open(t, srv)
				p.send(opening()...)
				test.do(p)
				if test.want == "" {
					p.send(closing()...)
					p.closeSend()
					if got := p.failure(); got != "EOF" {
						t.Errorf("the stream ended with %q, want a clean end", got)
					}
					return
				}
				before, after, _ := strings.Cut(test.want, "%")
				if got := p.failure(); !strings.HasPrefix(got, before) || !strings.HasSuffix(got, after) {
					t.Errorf("the stream ended with %q, want %q", got, test.want)
				}
			})
		})
	}
}
