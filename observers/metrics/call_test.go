package metrics_test

import (
	"context"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/observers/metrics"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/services/novasonic/sonictest/hearing"
	"github.com/parley-go/parley/tool"
	"github.com/parley-go/parley/transports/playout"
)

const rate = audio.Rate16k

// microphone sends 20 ms of audio when they have been spoken, silence unless there
// is something to say.
type microphone struct {
	mu    sync.Mutex
	sent  audio.Position
	queue []int16
	quiet []time.Duration // where on its clock each utterance ended
}

func (m *microphone) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	return out.Send(ctx, f, dir)
}

func (m *microphone) Run(ctx context.Context, out *pipeline.Port) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		piece := make([]int16, rate.Samples(20*time.Millisecond))
		m.mu.Lock()
		m.queue = m.queue[copy(piece, m.queue):]
		at := m.sent
		m.sent += audio.Position(len(piece))
		m.mu.Unlock()
		f := &frames.AudioInput{Audio: frames.Audio{Format: audio.Mono(rate), Samples: piece, Track: "caller", Position: at}}
		if out.Send(ctx, f, frames.Downstream) != nil {
			return nil
		}
	}
}

// says makes the caller say words, from the next piece on.
func (m *microphone) says(keys string) {
	words := hearing.Speak(rate, keys)
	last := len(words)
	for last > 0 && words[last-1] == 0 {
		last--
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.quiet = append(m.quiet, rate.Duration(int64(m.sent)+int64(len(m.queue)+last)))
	m.queue = append(m.queue, words...)
}

// gather returns the value of one series: of a counter or gauge, or the _sum or
// _count of a histogram or summary.
func gather(t *testing.T, reg prometheus.Gatherer, name string, labels ...string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	base, sum := strings.CutSuffix(name, "_sum")
	base, count := strings.CutSuffix(base, "_count")
	total, found := 0.0, false
	for _, f := range families {
		if f.GetName() != base {
			continue
		}
	next:
		for _, m := range f.GetMetric() {
			for i := 0; i < len(labels); i += 2 {
				fits := false
				for _, l := range m.GetLabel() {
					fits = fits || l.GetName() == labels[i] && l.GetValue() == labels[i+1]
				}
				if !fits {
					continue next
				}
			}
			found = true
			switch h, s := m.GetHistogram(), m.GetSummary(); {
			case h != nil && sum:
				total += h.GetSampleSum()
			case h != nil && count:
				total += float64(h.GetSampleCount())
			case s != nil && sum:
				total += s.GetSampleSum()
			case s != nil && count:
				total += float64(s.GetSampleCount())
			default:
				total += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	if !found {
		t.Errorf("there is no %s%v", name, labels)
	}
	return total
}

// A caller asks for a function, barges in, the conversation moves to another stream,
// and a function is called that there is not.
func TestACallIsMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const madeUp = "drop_tables\",function=\"\n"
		srv := sonictest.NewServer(sonictest.Config{Brain: sonictest.BrainFunc(func(_ *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
			switch {
			case turn.Kind == sonictest.ToolResults && turn.Results[0].Name == "get_weather":
				return sonictest.Say("It rains, and it is going to rain for quite a while, until late in the evening, or even until tomorrow morning.")
			case turn.Kind == sonictest.ToolResults:
				return sonictest.Say("I cannot do that.")
			case turn.Text == "one two":
				return sonictest.Call("get_weather", `{}`)
			case turn.Text == "six":
				return sonictest.Call(madeUp, `{}`)
			}
			return sonictest.Say("Yes.")
		})})
		if err := srv.StartPipe(); err != nil {
			t.Fatal(err)
		}
		defer srv.Close()
		aws := srv.AWSConfig()
		weather := tool.Must(tool.New("get_weather", "Tells the weather.", func(ctx context.Context, _ struct{}) (string, error) {
			time.Sleep(300 * time.Millisecond)
			return "rain", nil
		}))

		reg := prometheus.NewPedanticRegistry()
		measured, err := metrics.New(metrics.Config{Registerer: reg, Functions: []string{"get_weather"}})
		if err != nil {
			t.Fatal(err)
		}
		mic := &microphone{}
		sonic := novasonic.New(novasonic.Config{AWS: &aws, Tools: tool.Set{weather}})
		var heard []int16
		output := playout.New(playout.Config{}, playout.SinkFunc(func(_ context.Context, c playout.Chunk) error {
			heard = append(heard, c.Samples...)
			return nil
		}))
		p := pipeline.New(pipeline.Config{
			Observers: []pipeline.Observer{measured.Call("test")},
			OnError:   func(f *frames.Error) { t.Errorf("reported: %v", f) },
		}, mic, sonic, output)
		done := make(chan error, 1)
		go func() { done <- p.Run(t.Context()) }()

		time.Sleep(time.Second)
		if n := gather(t, reg, "parley_calls_running"); n != 1 {
			t.Errorf("%v calls are running", n)
		}
		mic.says("12")
		time.Sleep(5 * time.Second)
		mic.says("345") // barges in
		time.Sleep(6 * time.Second)
		if err := sonic.Rotate(t.Context(), "the test wants it"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		mic.says("6")
		time.Sleep(6 * time.Second)
		p.End("the test is over")
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}

		want := `
# HELP parley_calls_begun_total Calls whose pipeline was run.
# TYPE parley_calls_begun_total counter
parley_calls_begun_total{transport="test"} 1
# HELP parley_calls_ended_total Calls that are over, by outcome: completed (an orderly end), hung_up (the caller left), cancelled, failed.
# TYPE parley_calls_ended_total counter
parley_calls_ended_total{outcome="cancelled",transport="test"} 0
parley_calls_ended_total{outcome="completed",transport="test"} 1
parley_calls_ended_total{outcome="failed",transport="test"} 0
parley_calls_ended_total{outcome="hung_up",transport="test"} 0
# HELP parley_calls_running Calls whose pipeline runs now.
# TYPE parley_calls_running gauge
parley_calls_running{transport="test"} 0
# HELP parley_function_call_duration_seconds How long functions ran in seconds that the model called, by outcome: ok, failed.
# TYPE parley_function_call_duration_seconds histogram
parley_function_call_duration_seconds_bucket{function="get_weather",outcome="ok",transport="test",le="0.005"} 0
parley_function_call_duration_seconds_bucket{function="get_weather",outcome="ok",transport="test",le="0.01"} 0
parley_function_call_duration_seconds_bucket{function="get_weather",outcome="ok",transport="test",le="0.025"} 0
parley_function_call_duration_seconds_bucket{function="get_weather",outcome="ok",transport="test",le="0.05"} 0
parley_function_call_duration_seconds_bucket{function="get_weather",outcome="ok",transport="test",le="0.1"} 0
parley_function_call_duration_seconds_bucket{function="get_weather",outcome="ok",transport="test",le="0.25"} 0
parley_function_call_duration_seconds_bucket{function="get_weather",outcome="ok",transport="test",le="0.5"} 1
parley_function_call_duration_seconds_bucket{function="get_weather",outcome="ok",transport="test",le="1"} 1
parley_function_call_duration_seconds_bucket{function="get_weather",outcome="ok",transport="test",le="2.5"} 1
parley_function_call_duration_seconds_bucket{function="get_weather",outcome="ok",transport="test",le="5"} 1
parley_function_call_duration_seconds_bucket{function="get_weather",outcome="ok",transport="test",le="10"} 1
parley_function_call_duration_seconds_bucket{function="get_weather",outcome="ok",transport="test",le="30"} 1
parley_function_call_duration_seconds_bucket{function="get_weather",outcome="ok",transport="test",le="+Inf"} 1
parley_function_call_duration_seconds_sum{function="get_weather",outcome="ok",transport="test"} 0.3
parley_function_call_duration_seconds_count{function="get_weather",outcome="ok",transport="test"} 1
parley_function_call_duration_seconds_bucket{function="other",outcome="failed",transport="test",le="0.005"} 1
parley_function_call_duration_seconds_bucket{function="other",outcome="failed",transport="test",le="0.01"} 1
parley_function_call_duration_seconds_bucket{function="other",outcome="failed",transport="test",le="0.025"} 1
parley_function_call_duration_seconds_bucket{function="other",outcome="failed",transport="test",le="0.05"} 1
parley_function_call_duration_seconds_bucket{function="other",outcome="failed",transport="test",le="0.1"} 1
parley_function_call_duration_seconds_bucket{function="other",outcome="failed",transport="test",le="0.25"} 1
parley_function_call_duration_seconds_bucket{function="other",outcome="failed",transport="test",le="0.5"} 1
parley_function_call_duration_seconds_bucket{function="other",outcome="failed",transport="test",le="1"} 1
parley_function_call_duration_seconds_bucket{function="other",outcome="failed",transport="test",le="2.5"} 1
parley_function_call_duration_seconds_bucket{function="other",outcome="failed",transport="test",le="5"} 1
parley_function_call_duration_seconds_bucket{function="other",outcome="failed",transport="test",le="10"} 1
parley_function_call_duration_seconds_bucket{function="other",outcome="failed",transport="test",le="30"} 1
parley_function_call_duration_seconds_bucket{function="other",outcome="failed",transport="test",le="+Inf"} 1
parley_function_call_duration_seconds_sum{function="other",outcome="failed",transport="test"} 0
parley_function_call_duration_seconds_count{function="other",outcome="failed",transport="test"} 1
# HELP parley_interruptions_total How often the agent was interrupted, or its answer dropped before it was heard, by reason.
# TYPE parley_interruptions_total counter
parley_interruptions_total{reason="barge-in",transport="test"} 1
# HELP parley_novasonic_swap_steps_total Steps of moves from one stream to the next, by the reason to move: begun, retried, ready, cut, drained, and closed, gone or abandoned at the end.
# TYPE parley_novasonic_swap_steps_total counter
parley_novasonic_swap_steps_total{processor="novasonic",reason="request",step="begun",transport="test"} 1
parley_novasonic_swap_steps_total{processor="novasonic",reason="request",step="closed",transport="test"} 1
parley_novasonic_swap_steps_total{processor="novasonic",reason="request",step="cut",transport="test"} 1
parley_novasonic_swap_steps_total{processor="novasonic",reason="request",step="drained",transport="test"} 1
parley_novasonic_swap_steps_total{processor="novasonic",reason="request",step="ready",transport="test"} 1
# HELP parley_turns_total Turns of callers that are over.
# TYPE parley_turns_total counter
parley_turns_total{transport="test"} 3
`
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "parley_calls_begun_total", "parley_calls_ended_total", "parley_calls_running",
			"parley_function_call_duration_seconds", "parley_interruptions_total", "parley_novasonic_swap_steps_total", "parley_turns_total"); err != nil {
			t.Error(err)
		}
		for _, name := range []string{"prepare", "wait", "cut", "deaf", "replayed", "overlapped", "lost", "drain", "output_gap"} {
			if n := gather(t, reg, "parley_novasonic_swap_"+name+"_seconds_count", "processor", "novasonic", "reason", "request"); n != 1 {
				t.Errorf("a move's %s was measured %v times", name, n)
			}
		}
		if n := gather(t, reg, "parley_novasonic_swap_history_bytes_sum", "reason", "request"); n == 0 {
			t.Error("the next stream was told no history")
		}

		usage := sonic.Stats().Usage
		for _, u := range []struct {
			direction, modality string
			tokens              int64
		}{{"input", "speech", usage.InputSpeech}, {"input", "text", usage.InputText}, {"output", "speech", usage.OutputSpeech}, {"output", "text", usage.OutputText}} {
			if n := gather(t, reg, "parley_novasonic_tokens_total", "direction", u.direction, "modality", u.modality); int64(n) != u.tokens || n == 0 {
				t.Errorf("%v tokens of %s %s, want %d", n, u.direction, u.modality, u.tokens)
			}
		}

		// What was spoken and heard says how soon the answers came.
		var latencies time.Duration
		for _, asked := range mic.quiet {
			at := int(audio.Rate24k.Samples(asked))
			for heard[at] == 0 {
				at++
			}
			latency := audio.Rate24k.Duration(int64(at)) - asked
			t.Logf("an answer was heard after %v", latency)
			latencies += latency
		}
		if n := gather(t, reg, "parley_answer_latency_seconds_count"); n != 3 {
			t.Errorf("%v answers were timed, want 3", n)
		}
		if got := gather(t, reg, "parley_answer_latency_seconds_sum"); math.Abs(got-latencies.Seconds()) > 3*0.05 {
			t.Errorf("the answers came after %v s together, want %v", got, latencies)
		}
		sounds := 0
		for at := 0; at < len(heard); at += 480 { // a chunk has speech in it or has not
			for _, s := range heard[at : at+480] {
				if s != 0 {
					sounds++
					break
				}
			}
		}
		if got, want := gather(t, reg, "parley_speech_seconds_total", "who", "agent"), float64(sounds)*0.02; math.Abs(got-want) > 1 {
			t.Errorf("the agent spoke for %v s, want about %v", got, want)
		}
		var words float64
		for _, keys := range []string{"12", "345", "6"} {
			words += rate.Duration(int64(len(hearing.Speak(rate, keys)))).Seconds()
		}
		if got := gather(t, reg, "parley_speech_seconds_total", "who", "caller"); math.Abs(got-words) > 0.5 {
			t.Errorf("the caller spoke for %v s, want about %v", got, words)
		}
		for _, name := range []string{"parley_playout_gap_seconds_count", "parley_events_lost_total", "parley_measurements_dropped_total"} {
			if n := gather(t, reg, name); n != 0 {
				t.Errorf("%s is %v", name, n)
			}
		}
		lint(t, reg)
	})
}

// lint checks the names and helps of what is there.
func lint(t *testing.T, reg prometheus.Gatherer) {
	t.Helper()
	problems, err := testutil.GatherAndLint(reg)
	if err != nil {
		t.Error(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}
