package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/mp3"
	"github.com/parley-go/parley/audio/wav"
	"github.com/parley-go/parley/internal/demo"
	"github.com/parley-go/parley/processors/audiofile"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/services/novasonic/sonictest/voice"
)

const calls = "../../testdata/calls/"

// summaryOf runs a call with --fast --json and reads what it prints.
func summaryOf(t *testing.T, args ...string) Summary {
	t.Helper()
	status, stdout, stderr := parley(t, append([]string{"call", "--fast", "--json"}, args...)...)
	if status != 0 {
		t.Fatalf("exit status %d: %s", status, stderr)
	}
	if strings.Count(stdout, "\n") != 1 {
		t.Errorf("standard output is not one line:\n%s", stdout)
	}
	var s Summary
	if err := json.Unmarshal([]byte(stdout), &s); err != nil {
		t.Fatalf("read summary: %v\n%s", err, stdout)
	}
	return s
}

func who(s Summary, who string) []string {
	var lines []string
	for _, l := range s.Lines {
		if l.Who == who {
			lines = append(lines, l.Text)
		}
	}
	return lines
}

func TestEveryShippedRecordingMakesAConversation(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	for _, tc := range []struct {
		recording              string
		turns, bargeIns, tools int
		says                   string
		clips                  []string // what is heard, in order; the last that was begun before the barge-in is cut
		cut                    string
	}{
		{"order.mp3", 5, 0, 1, "On Saturday we are open from ten to four.", []string{"repair", "brakes", "oneday", "sat", "booked", "goodbye"}, ""},
		{"bargein.wav", 4, 1, 0, "A full service is ninety pounds. Parts are extra.", []string{"service1", "service2", "price", "twodays", "goodbye"}, "service2"},
		{"noisy.mp3", 3, 0, 0, "Please don't. The bakery next door will take it in for us.", []string{"lunch", "bakery", "welcomes"}, ""},
	} {
		t.Run(tc.recording, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "conversation.wav")
			s := summaryOf(t, calls+tc.recording, "-o", out)
			if s.Turns != tc.turns || s.BargeIns != tc.bargeIns || s.ToolCalls != tc.tools || s.Streams != 1 || s.AudioGaps != 0 || s.Dropped != 0 || s.Service != "emulator" {
				t.Errorf("summary %+v", s)
			}
			if !slices.Contains(who(s, "agent"), tc.says) {
				t.Errorf("the agent said %q", who(s, "agent"))
			}
			if n := len(s.Latency.All); n < tc.turns-1 || s.Latency.Median < 300 || s.Latency.Max > 3000 {
				t.Errorf("latencies %+v", s.Latency)
			}
			heardWhereItIsSaid(t, out, s)
			_, right, _ := stereo(t, out)
			heardSampleBySample(t, right, tc.clips, tc.cut)
		})
	}
}

// heardSampleBySample checks that the clips are in the recording one after the
// other, every sample once, but for the end of the one that was cut.
func heardSampleBySample(t *testing.T, recording []int16, clips []string, cut string) {
	t.Helper()
	var expected [][]int16
	for _, name := range clips {
		f, err := demo.Files().Open("clips/" + name + ".mp3")
		if err != nil {
			t.Fatal(err)
		}
		r, err := mp3.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		samples := audio.Remix(nil, readAll(t, r), r.Format().Channels, 1)
		f.Close()
		expected = append(expected, samples)
	}
	report := voice.Analyse(recording, expected...)
	if n := slices.Index(clips, cut); n >= 0 {
		// What is cut fades out in 5 ms, at the beginning of a chunk; its first
		// samples are hardly softer.
		const chunk, fade = 480, 120
		for _, s := range report.Segments {
			if s.Sentence == n {
				from := (s.At + s.Len()) / chunk * chunk
				faded := slices.Clone(expected[n][s.From+from-s.At:][:fade])
				audio.FadeOut(faded, 1, 0, fade)
				if end := recording[from:][:fade]; !slices.Equal(end, faded) {
					t.Errorf("%s does not fade out where it is cut: %v, want %v", cut, end, faded)
				}
				recording = slices.Clone(recording)
				clear(recording[from:][:fade])
			}
		}
		report = voice.Analyse(recording, expected...)
	}
	if !report.Seamless() {
		t.Errorf("the agent's channel is not seamless:\n%v", &report)
	}
	var heard []string
	for _, s := range report.Segments {
		heard = append(heard, clips[s.Sentence])
		if whole := s.Len() == len(expected[s.Sentence]); whole == (clips[s.Sentence] == cut) {
			t.Errorf("of %s %d of %d samples were heard", clips[s.Sentence], s.Len(), len(expected[s.Sentence]))
		}
	}
	if !slices.Equal(heard, clips) {
		t.Errorf("heard %v, want %v", heard, clips)
	}
}

func readAll(t *testing.T, r interface{ Read([]int16) (int, error) }) []int16 {
	t.Helper()
	buf := make([]int16, 4800)
	var all []int16
	for {
		n, err := r.Read(buf)
		all = append(all, buf[:n]...)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// heardWhereItIsSaid checks the recording against the transcript: each side is
// loud where its lines are, and silent elsewhere (but for the caller, who may
// have noise behind).
func heardWhereItIsSaid(t *testing.T, path string, s Summary) {
	t.Helper()
	left, right, rate := stereo(t, path)
	if got := millis(rate.Duration(int64(len(left)))); (got - s.Duration).Duration().Abs() > 100*time.Millisecond {
		t.Errorf("the file lasts %d ms, the call %d ms", got, s.Duration)
	}
	spoken := make([]bool, len(right))
	for _, l := range s.Lines {
		from, to := rate.Samples(l.Start.Duration()), min(rate.Samples(l.End.Duration()), int64(len(left)))
		channel := left
		if l.Who == "agent" {
			channel = right
			for i := max(0, from-int64(rate)/100); i < min(to+int64(rate)/20, int64(len(spoken))); i++ {
				spoken[i] = true
			}
		}
		if loud := audio.RMS(channel[from:to]); loud < -50 {
			t.Errorf("%s is at %.0f dBFS from %d to %d ms, where they say %q", l.Who, loud, l.Start, l.End, l.Text)
		}
	}
	for i, v := range right {
		if v != 0 && !spoken[i] {
			t.Fatalf("the agent is heard at %v, where the transcript has nothing", rate.Duration(int64(i)))
		}
	}
}

func stereo(t *testing.T, path string) (left, right []int16, rate audio.SampleRate) {
	t.Helper()
	r, err := audiofile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.Format().Channels != 2 {
		t.Fatalf("%s is %v", path, r.Format())
	}
	all := readAll(t, r)
	return audio.Channel(nil, all, 2, 0), audio.Channel(nil, all, 2, 1), r.Format().Rate
}

func TestFastCallsAreRepeatable(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	dir := t.TempDir()
	var files [2][]byte
	for i := range files {
		path := filepath.Join(dir, "conversation.wav")
		summaryOf(t, calls+"bargein.wav", "-o", path)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[i] = b
	}
	if !slices.Equal(files[0], files[1]) {
		t.Error("two runs wrote different conversations")
	}
}

func TestTheFirstLineSaysWhoAnswersAndTheTranscriptFollows(t *testing.T) {
	status, stdout, stderr := parley(t, "call", "--fast", calls+"noisy.mp3", "-o", filepath.Join(t.TempDir(), "c.mp3"))
	if status != 0 {
		t.Fatal(stderr)
	}
	lines := strings.Split(stdout, "\n")
	if !strings.Contains(lines[0], "Emulator") || !strings.Contains(lines[0], "not AWS") {
		t.Errorf("the first line is %q", lines[0])
	}
	if !strings.HasPrefix(lines[1], "00:01.1  caller  Hello") && !strings.HasPrefix(lines[1], "00:01.0  caller  Hello") {
		t.Errorf("the second line is %q", lines[1])
	}
	for _, want := range []string{"3 turns", "0 barge-ins", "1 stream", "audio gaps: 0", "wrote "} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
}

// write puts bytes into a file and returns its path.
func write(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// wavOf is a WAV file of silence.
func wavOf(t *testing.T, f audio.Format, samples int) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.wav")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := wav.NewWriter(file, f)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(make([]int16, samples)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file.Close()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBadInputIsRefusedAtOnceWithOneLine(t *testing.T) {
	order, err := os.ReadFile(calls + "bargein.wav")
	if err != nil {
		t.Fatal(err)
	}
	good := calls + "bargein.wav"
	out := filepath.Join(t.TempDir(), "o.wav")
	folder := filepath.Join(t.TempDir(), "folder.svg")
	if err := os.Mkdir(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name    string
		args    []string
		status  int
		mention []string
	}{
		{"no such file", []string{"nowhere.wav"}, 1, []string{"nowhere.wav", "no such file"}},
		{"not audio", []string{write(t, "caller.wav", []byte("Dear Sir or Madam, this is no audio at all."))}, 1, []string{"caller.wav", "WAV"}},
		{"zero length", []string{write(t, "caller.wav", nil)}, 1, []string{"caller.wav", "no audio"}},
		{"no samples", []string{write(t, "caller.wav", wavOf(t, audio.Mono(16000), 0))}, 1, []string{"caller.wav"}},
		{"truncated", []string{write(t, "caller.wav", order[:len(order)/2])}, 1, []string{"caller.wav"}},
		{"truncated header", []string{write(t, "caller.wav", order[:30])}, 1, []string{"caller.wav"}},
		{"96 kHz 7.1", []string{write(t, "caller.wav", wavOf(t, audio.Format{Rate: 96000, Channels: 8}, 8*9600))}, 1, []string{"caller.wav", "8 channels"}},
		{"unknown extension", []string{write(t, "caller.ogg", order)}, 1, []string{"caller.ogg", ".wav"}},
		{"a folder", []string{t.TempDir()}, 1, []string{"folder"}},
		{"unwritable output", []string{good, "-o", "/nowhere/at/all.wav"}, 1, []string{"/nowhere/at/all.wav"}},
		{"output of unknown kind", []string{good, "-o", "x.flac"}, 2, []string{"--output", "x.flac", ".wav"}},
		{"output over input", []string{good, "-o", good}, 1, []string{"bargein.wav"}},
		{"unknown voice", []string{good, "--voice", "joanna"}, 2, []string{"--voice joanna", "joanna", "matthew"}},
		{"voice and language", []string{good, "--voice", "amy", "--language", "es"}, 2, []string{"--voice amy --language es", "amy", "lupe"}},
		{"unknown model", []string{good, "--model", "amazon.nova-9"}, 2, []string{"--model amazon.nova-9: it is not known: try amazon.nova-2-sonic-v1:0"}},
		{"WAV that is MP3", []string{calls + "order.mp3", "--input-format", "wav"}, 1, []string{"it is an MP3 file: leave out --input-format, which says wav"}},
		{"script that is no text", []string{good, "--script", calls + "order.mp3"}, 1, []string{"order.mp3: it is not a text file in UTF-8: name a script, which is YAML\n"}},
		{"no such script", []string{good, "--script", "nowhere.yaml"}, 1, []string{string(filepath.Separator) + "nowhere.yaml", "check the path"}},
		{"script with an error", []string{good, "--script", write(t, "s.yaml", []byte("version: 1\nreplies:\n  - when: {contains: x}\n    sya: [hello]\n"))}, 1, []string{"s.yaml:4:5"}},
		{"script that is not YAML", []string{good, "--script", write(t, "s.yaml", []byte("version: 1\nreplies: [\n"))}, 1, []string{"s.yaml:"}},
		{"moves that follow too soon", []string{good, "--rotate-every", "4s"}, 2, []string{"--rotate-every", "at least 5s"}},
		{"moves that never come", []string{good, "--rotate-every", "10m"}, 2, []string{"--rotate-every", "at most 5m30s"}},
		{"moves of no time", []string{good, "--rotate-every", "0"}, 2, []string{"--rotate-every"}},
		{"timeline of unknown kind", []string{good, "--timeline", "x.png"}, 2, []string{"--timeline", "x.png", ".svg"}},
		{"unwritable timeline", []string{good, "--timeline", "/nowhere/at/all.svg"}, 1, []string{"/nowhere/at/all.svg", "make the folder"}},
		{"timeline that is a folder", []string{good, "--timeline", folder}, 1, []string{folder, "folder"}},
		{"transcript of unknown kind", []string{good, "--transcript", "x.srt"}, 2, []string{"--transcript", "x.srt", ".json, .vtt or .txt"}},
		{"transcript without extension", []string{good, "--transcript", "said"}, 2, []string{"--transcript", "said: its name", ".vtt"}},
		{"unwritable transcript", []string{good, "--transcript", "/nowhere/at/all.vtt"}, 1, []string{"create transcript", "/nowhere/at/all.vtt", "make the folder"}},
		{"empty transcript", []string{good, "--transcript="}, 2, []string{"--transcript", "empty"}},
		{"output below a file", []string{good, "-o", filepath.Join(good, "x.wav")}, 1, []string{"is a file, not a folder"}},
		{"empty output", []string{good, "--output="}, 2, []string{"--output", "empty", "parley call --help"}},
		{"empty recording", []string{""}, 2, []string{"empty"}},
		{"empty timeline", []string{good, "--timeline="}, 2, []string{"--timeline", "empty"}},
		{"empty script", []string{good, "--script="}, 2, []string{"--script", "empty"}},
		{"empty voice", []string{good, "--voice="}, 2, []string{"--voice", "empty"}},
		{"empty model", []string{good, "--model="}, 2, []string{"--model", "empty"}},
		{"no output", []string{good, "--output"}, 2, []string{"--output: it needs a file behind it. Try parley call --help"}},
		{"no seed", []string{good, "-o", out, "--seed"}, 2, []string{"--seed: it needs a value behind it"}},
		{"script that is a folder", []string{good, "--script", filepath.Dir(folder)}, 1, []string{filepath.Dir(folder), "it is a folder", "bikeshop.yaml"}},
		{"unknown sensitivity", []string{good, "--endpointing", "often"}, 2, []string{"--endpointing OFTEN", "use HIGH, MEDIUM or LOW"}},
		{"lying description", []string{write(t, "caller.wav", bytes.Replace(order, []byte("fmt "), []byte("LIST\xff\xff\xff\x00fmt "), 1))}, 1, []string{"LIST", "damaged", "ffmpeg"}},
		{"fast and AWS", []string{good, "--service", "aws"}, 2, []string{"--fast"}},
		{"unknown service", []string{good, "--service", "azure"}, 2, []string{"emulator"}},
		{"unknown flag", []string{good, "--loud"}, 2, []string{"--loud"}},
		{"raw audio of no format", []string{write(t, "line.ulaw", order)}, 1, []string{"line.ulaw", "raw audio", "--input-format, for instance mulaw:8000:1"}},
		{"raw audio of no rate", []string{good, "--input-format", "s16le"}, 2, []string{"--input-format", "the rate of raw s16le"}},
		{"raw audio of a kind unheard of", []string{good, "--input-format", "s24le:8000:1"}, 2, []string{"--input-format", "s24le", "use wav or mp3, or raw s16le"}},
		{"raw output by its name", []string{good, "-o", "x.raw"}, 2, []string{"x.raw", "--output-format"}},
		{"output of two rates", []string{good, "--output-format", "s16le:100"}, 2, []string{"--output-format", "100 Hz"}},
		{"raw output of three channels", []string{good, "--output-format", "s16le:8000:3"}, 2, []string{"--output-format", "3 channels"}},
		{"mono that is stereo", []string{good, "--mono", "--output-format", "s16le:8000:2"}, 2, []string{"--output-format", "--mono"}},
		{"repeated less than never", []string{good, "--repeat=-1"}, 2, []string{"--repeat"}},
		{"repeated for ever, fast", []string{good, "--repeat", "0"}, 2, []string{"--repeat=0", "--max-duration"}},
		{"a gap that is none", []string{good, "--repeat-gap=-1s"}, 2, []string{"--repeat-gap"}},
		{"a gap between nothing", []string{good, "--repeat-gap", "2s"}, 2, []string{"--repeat-gap", "--repeat how often"}},
		{"silence that lasts, fast", []string{good, "--hang-up-after", "1000h"}, 2, []string{"--hang-up-after=1000h", "--max-duration"}},
		{"nothing piped in", []string{os.DevNull}, 1, []string{os.DevNull, "no audio"}},
		{"no recording", nil, 2, []string{"caller"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			began := time.Now()
			args := append([]string{"call", "--fast"}, tc.args...)
			if !slices.Contains(args, "-o") {
				args = append(args, "-o", out)
			}
			status, stdout, stderr := parley(t, args...)
			if status != tc.status {
				t.Errorf("exit status %d, want %d", status, tc.status)
			}
			if strings.Count(stderr, "\n") != 1 || strings.Contains(stdout, "audio gaps") {
				t.Errorf("not one line:\n%s%s", stdout, stderr)
			}
			for _, m := range tc.mention {
				if !strings.Contains(stderr, m) {
					t.Errorf("%q does not mention %q", stderr, m)
				}
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestACallerWhoWaitsLongerThanAMinuteDoes(t *testing.T) {
	silence := write(t, "silence.wav", wavOf(t, audio.Mono(8000), 8000))
	if s := summaryOf(t, silence, "--hang-up-after", "90s"); s.Ended != "the agent has been silent for 1m30s" {
		t.Errorf("the call ended because %s, after %v", s.Ended, s.Duration.Duration())
	}
}

func TestEachMistakeInAScriptHasItsLine(t *testing.T) {
	path := write(t, "s.yaml", []byte("version: 1\nreplies:\n  - when: {exakt: x}\n    sya: [hello]\n"))
	want := "parley: " + path + `:3:12: unknown field "exakt": did you mean "exact"?` + "\nparley: " + path + `:4:5: unknown field "sya": did you mean "say"?` + "\n"
	if status, _, stderr := parley(t, "call", "--fast", calls+"bargein.wav", "--script", path); status != 1 || stderr != want {
		t.Errorf("exit status %d: %s; want %s", status, stderr, want)
	}
}

// awsCall calls with --service aws, which finds the given environment, in a
// process of its own: proxies are read from the environment once. It uses real
// sockets on loopback, since they are what is in question.
func awsCall(t *testing.T, environ ...string) (status int, stdout, stderr string) {
	t.Helper()
	for _, v := range environ {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, self, "call", calls+"bargein.wav", "--service", "aws", "--max-duration", "1s", "-o", filepath.Join(t.TempDir(), "o.wav"))
	cmd.Env = append(os.Environ(), runMain+"=1")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	if ctx.Err() != nil {
		t.Fatal("it hangs")
	}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

func tlsEmulator(t *testing.T, cfg sonictest.Config) *sonictest.Server {
	t.Helper()
	srv := sonictest.NewServer(cfg)
	if err := srv.StartTLS("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Close() })
	return srv
}

func TestTheRealServicePathWorksAgainstAnEndpointFromTheEnvironment(t *testing.T) {
	srv := tlsEmulator(t, sonictest.Config{})
	status, stdout, stderr := awsCall(t, srv.Environ()...)
	if want := "answers at " + srv.URL() + ", the endpoint that your AWS configuration names."; status != 0 || !strings.Contains(stdout, want) {
		t.Fatalf("exit status %d, no %q in %s%s", status, want, stdout, stderr)
	}
	if n := len(srv.Streams()); n != 1 {
		t.Errorf("%d streams", n)
	}
}

func TestWhatIsWrongWithAWSIsSaidInOneLine(t *testing.T) {
	keys := []string{"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY=example"}
	for _, tc := range []struct {
		name    string
		environ func(t *testing.T) []string
		mention []string
	}{
		{"no region", func(*testing.T) []string { return keys[1:] }, []string{"region", "AWS_REGION"}},
		{"no credentials", func(*testing.T) []string { return keys[:1] }, []string{"credentials"}},
		{"wrong credentials", func(t *testing.T) []string {
			srv := tlsEmulator(t, sonictest.Config{})
			return append(srv.Environ(), "AWS_SECRET_ACCESS_KEY=wrong")
		}, []string{"AWS_SECRET_ACCESS_KEY"}},
		{"expired token", func(t *testing.T) []string {
			key := sonictest.Credentials{AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: "example", SessionToken: "token", Expires: time.Now().Add(-time.Hour)}
			return tlsEmulator(t, sonictest.Config{Credentials: []sonictest.Credentials{key}}).Environ()
		}, []string{"expired", "renew"}},
		{"wrong region", func(t *testing.T) []string {
			srv := tlsEmulator(t, sonictest.Config{Region: "us-east-1"})
			return append(srv.Environ(), "AWS_REGION=ap-southeast-2")
		}, []string{"ap-southeast-2", "set AWS_REGION to the region that the endpoint is in"}},
		{"a region that is none", func(*testing.T) []string { return append(keys, "AWS_REGION=us east 1") }, []string{"check AWS_REGION"}},
		{"an endpoint that is none", func(*testing.T) []string { return append(keys, "AWS_ENDPOINT_URL=garbage") }, []string{"AWS_ENDPOINT_URL"}},
		{"an endpoint that hangs up", func(t *testing.T) []string {
			return append(keys, "AWS_ENDPOINT_URL=https://"+answering(t, ""))
		}, []string{"the connection was lost: it was closed before anything came; a proxy or a firewall has cut the connection", "the endpoint's URL", "amazon.nova-2-sonic-v1:0", "us-east-1"}},
		{"an endpoint without TLS that hangs up", func(t *testing.T) []string {
			return append(keys, "AWS_ENDPOINT_URL=http://"+answering(t, ""))
		}, []string{"the endpoint's URL", "amazon.nova-2-sonic-v1:0", "us-east-1"}},
		{"a proxy that hangs up", func(t *testing.T) []string {
			return append(keys, "HTTPS_PROXY=http://"+answering(t, ""))
		}, []string{"a proxy or a firewall has cut the connection", "HTTPS_PROXY", "NO_PROXY"}},
		{"a proxy that wants to know who asks", func(t *testing.T) []string {
			return append(keys, "HTTPS_PROXY=http://"+answering(t, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"))
		}, []string{"407", "user and password in HTTPS_PROXY"}},
		{"a region that does not exist", func(*testing.T) []string { return append(keys, "AWS_REGION=moon-base-1") }, []string{"moon-base-1"}},
		{"nobody listens", func(t *testing.T) []string {
			return append(keys, "AWS_ENDPOINT_URL_BEDROCK_RUNTIME=https://"+closedPort(t))
		}, []string{"refused"}},
		{"an endpoint that speaks only HTTP/1.1", func(t *testing.T) []string {
			srv := httptest.NewServer(http.NotFoundHandler())
			t.Cleanup(srv.Close)
			return append(keys, "AWS_ENDPOINT_URL_BEDROCK_RUNTIME="+srv.URL)
		}, []string{"HTTP/2", "endpoint"}},
		{"a TLS endpoint that speaks only HTTP/1.1", func(t *testing.T) []string {
			srv := httptest.NewTLSServer(http.NotFoundHandler())
			t.Cleanup(srv.Close)
			ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
			return append(keys, "AWS_ENDPOINT_URL_BEDROCK_RUNTIME="+srv.URL, "AWS_CA_BUNDLE="+write(t, "ca.pem", ca))
		}, []string{"HTTP/2", "proxy"}},
		{"a profile that is not there", func(*testing.T) []string { return append(keys, "AWS_PROFILE=nosuch") }, []string{"AWS_PROFILE=nosuch", "~/.aws/config"}},
		{"a CA bundle that is not there", func(*testing.T) []string { return append(keys, "AWS_CA_BUNDLE=/nowhere.pem") }, []string{"AWS_CA_BUNDLE=/nowhere.pem", "PEM"}},
		{"a CA bundle that is none", func(t *testing.T) []string {
			return append(keys, "AWS_CA_BUNDLE="+write(t, "ca.pem", []byte("no certificate")))
		}, []string{"AWS_CA_BUNDLE=", "PEM"}},
		{"a proxy that is not there", func(t *testing.T) []string { return append(keys, "HTTPS_PROXY=http://"+closedPort(t)) }, []string{"refused", "HTTPS_PROXY", "NO_PROXY"}},
		{"a proxy that does not tunnel", func(t *testing.T) []string {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, "no tunnels here", http.StatusMethodNotAllowed)
			}))
			t.Cleanup(srv.Close)
			return append(keys, "HTTPS_PROXY="+srv.URL)
		}, []string{"proxy"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status, stdout, stderr := awsCall(t, tc.environ(t)...)
			if stdout != "" {
				t.Errorf("who answers is not known, and it says %s", stdout)
			}
			lines := strings.Split(strings.TrimSpace(stderr), "\n")
			if status != 1 || len(lines) != 1 {
				t.Errorf("exit status %d:\n%s", status, stderr)
			}
			for _, m := range tc.mention {
				if !strings.Contains(stderr, m) {
					t.Errorf("%q does not mention %q", stderr, m)
				}
			}
		})
	}
}

// answering is an address at which everybody gets an answer, whatever they ask, and
// is hung up on.
func answering(t *testing.T, answer string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Read(make([]byte, 4096)) // hanging up is the point
			io.WriteString(c, answer)
			c.Close()
		}
	})
	t.Cleanup(func() {
		l.Close()
		serving.Wait()
	})
	return l.Addr().String()
}

// closedPort is an address of this machine at which nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestAFailureHalfWayKeepsWhatWasRecorded(t *testing.T) {
	srv := tlsEmulator(t, sonictest.Config{Faults: []sonictest.Fault{{After: time.Second, Do: sonictest.Exception("accessDeniedException", "Your access was revoked.")}}})
	for _, v := range srv.Environ() {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	out := filepath.Join(t.TempDir(), "o.wav")
	status, stdout, stderr := parley(t, "call", "--json", calls+"bargein.wav", "--service", "aws", "-o", out)
	if status != 1 || !strings.Contains(stderr, "revoked") {
		t.Errorf("exit status %d: %s", status, stderr)
	}
	var s Summary
	if err := json.Unmarshal([]byte(stdout), &s); err != nil || !strings.Contains(s.Error, "revoked") {
		t.Errorf("summary: %v\n%s", err, stdout)
	}
	left, _, rate := stereo(t, out)
	if d := rate.Duration(int64(len(left))); d < 500*time.Millisecond {
		t.Errorf("%v was kept", d)
	}
}

func TestACallWhoseServiceDoesNotComeBackFails(t *testing.T) {
	srv := tlsEmulator(t, sonictest.Config{})
	for _, v := range srv.Environ() {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	gone := time.AfterFunc(2*time.Second, func() { srv.Close() }) // in real time, on real sockets
	defer gone.Stop()
	caller := write(t, "caller.wav", wavOf(t, audio.Mono(audio.Rate16k), 16_000*5))
	status, stdout, stderr := parley(t, "call", "--json", caller, "--service", "aws", "--hang-up-after", "1s")
	var s Summary
	if err := json.Unmarshal([]byte(stdout), &s); err != nil {
		t.Fatalf("read summary: %v\n%s", err, stdout)
	}
	if status != 1 || !strings.Contains(stderr, "did not come back") || !strings.Contains(s.Error, "did not come back") || s.Duration < 5000 || len(s.Errors) >= s.Streams {
		t.Errorf("exit status %d after %v: %s\n%s", status, s.Duration.Duration(), stderr, stdout)
	}
}

func TestAFileThatCouldNotBeWrittenIsNotSaidToBe(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("SKIPPED: this system has no /dev/full, which plays a full disk (Linux has)")
	}
	for name, flag := range map[string]string{"full.wav": "--output", "full.mp3": "--output", "full.svg": "--timeline", "full.vtt": "--transcript"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			if err := os.Symlink("/dev/full", path); err != nil {
				t.Fatal(err)
			}
			status, stdout, stderr := parley(t, "call", "--fast", calls+"bargein.wav", flag, path)
			if status != 1 || strings.Contains(stdout, "wrote ") || strings.Count(stderr, "no space left on device: make room") != 1 {
				t.Errorf("exit status %d: %s%s", status, stdout, stderr)
			}
			_, stdout, _ = parley(t, "call", "--fast", "--json", calls+"bargein.wav", flag, path)
			var s Summary
			if err := json.Unmarshal([]byte(stdout), &s); err != nil || s.Output != "" || s.Timeline != "" || s.Saved != "" || s.Error == "" {
				t.Errorf("output %q, timeline %q, transcript %q, error %q (%v)", s.Output, s.Timeline, s.Saved, s.Error, err)
			}
		})
	}
}

// full is a disk that is.
type full struct{}

func (full) Write([]byte) (int, error) {
	return 0, &os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.ENOSPC}
}

func TestOutputThatCannotBePrintedIsAFailure(t *testing.T) {
	for _, args := range [][]string{{"call", "--fast", calls + "bargein.wav"}, {"voices"}, {"--version"}, {"call", "--help"}} {
		var stderr bytes.Buffer
		status := run(context.Background(), args, console{out: full{}, err: &stderr})
		if status != 1 || !strings.Contains(stderr.String(), "no space left on device") || strings.Count(stderr.String(), "\n") != 1 {
			t.Errorf("%v: exit status %d: %s", args, status, stderr.String())
		}
	}
}

func TestACallInWhichNobodyWasHeardSaysWhy(t *testing.T) {
	silence := write(t, "silence.wav", wavOf(t, audio.Mono(8000), 8000))
	for want, args := range map[string][]string{
		"is there speech in the recording?": {silence},
		"leave out --max-duration":          {calls + "bargein.wav", "--max-duration", "100ms"},
	} {
		if _, stdout, _ := parley(t, append([]string{"call", "--fast"}, args...)...); !strings.Contains(stdout, want) {
			t.Errorf("no %q in %s", want, stdout)
		}
	}
	var out bytes.Buffer
	(&Summary{Ended: endedByUser, Output: "a\n\x1b[31mb.wav"}).print(&out)
	if !strings.Contains(out.String(), "\nwrote a \ufffd[31mb.wav\n") {
		t.Errorf("a file's name steers the terminal: %q", out.String())
	}
	if strings.Contains(out.String(), "recording?") || strings.Contains(out.String(), "interrupted") { // its error says that
		t.Errorf("an interrupted call says %s", out.String())
	}
}

func TestACallThatDoesNotBeginLeavesAnEarlierRecordingAlone(t *testing.T) {
	keep := write(t, "keep.wav", []byte("precious"))
	if status, _, stderr := parley(t, "call", calls+"bargein.wav", "--service", "aws", "-o", keep); status != 1 || !strings.Contains(stderr, "AWS_REGION") {
		t.Errorf("exit status %d: %s", status, stderr)
	}
	if b, err := os.ReadFile(keep); err != nil || string(b) != "precious" {
		t.Errorf("the file now holds %d bytes (%v)", len(b), err)
	}
}

func TestTheCallersRecordingIsNotWrittenOverThroughALink(t *testing.T) {
	b, err := os.ReadFile(calls + "bargein.wav")
	if err != nil {
		t.Fatal(err)
	}
	in := write(t, "in.wav", b)
	for name, link := range map[string]func(string, string) error{"soft.wav": os.Symlink, "hard.wav": os.Link} {
		out := filepath.Join(filepath.Dir(in), name)
		if err := link(in, out); err != nil {
			t.Skipf("links cannot be made here: %v", err)
		}
		status, _, stderr := parley(t, "call", "--fast", in, "-o", out)
		if after, err := os.ReadFile(in); status != 1 || err != nil || !bytes.Equal(after, b) {
			t.Errorf("%s: exit status %d, the recording has %d bytes of %d: %s", name, status, len(after), len(b), stderr)
		}
	}
}

func TestNothingIsWrittenOverTheScriptNorWhatItNames(t *testing.T) {
	recording, err := os.ReadFile(calls + "bargein.wav")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	texts := map[string][]byte{
		"s.yaml":   []byte("version: 1\ngreeting: [a]\nrecordings: [{file: call.wav}]\nclips: [{text: a, file: call.svg.wav}]\n"),
		"call.wav": recording, "call.svg.wav": recording,
	}
	for name, text := range texts {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for link, of := range map[string]string{"o.wav": "s.yaml", "t.json": "s.yaml", "t.svg": "call.svg.wav", "hard.txt": "call.wav"} {
		make := os.Symlink
		if link == "hard.txt" {
			make = os.Link
		}
		if err := make(filepath.Join(dir, of), filepath.Join(dir, link)); err != nil {
			t.Skipf("links cannot be made here: %v", err)
		}
	}
	for _, c := range []struct{ flag, name, want string }{
		{"--output", "o.wav", "it is the script"},
		{"--output", "call.wav", "it is call.wav, which the script names"},
		{"--transcript", "t.json", "it is the script"},
		{"--transcript", "hard.txt", "it is call.wav, which the script names"},
		{"--timeline", "t.svg", "it is call.svg.wav, which the script names"},
	} {
		path := filepath.Join(dir, c.name)
		status, _, stderr := parley(t, "call", "--fast", calls+"noisy.mp3", "--max-duration", "1s", "--script", filepath.Join(dir, "s.yaml"), c.flag, path)
		if status != 1 || !strings.Contains(stderr, c.flag+" "+path+": "+c.want) {
			t.Errorf("%s %s: exit status %d: %s", c.flag, c.name, status, stderr)
		}
		for name, text := range texts {
			if after, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Equal(after, text) {
				t.Errorf("%s %s: %s has been written over", c.flag, c.name, name)
			}
		}
	}
}

func TestAFlagThatWouldDoNothingIsRefused(t *testing.T) {
	for line, want := range map[string]string{
		"--output-format wav":      "name a file with --output",
		"--mono":                   "--mono says how the conversation is written",
		"--repeat-gap 2s":          "say with --repeat how often",
		"--service aws --seed 2":   "--seed is for the emulator",
		"--service aws --script x": "--script is for the emulator",
	} {
		status, _, stderr := parley(t, append([]string{"call", calls + "bargein.wav"}, strings.Fields(line)...)...)
		if status != 2 || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit status %d: %s", line, status, stderr)
		}
	}
}

func TestStandardOutputHasOtherNames(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("not everywhere has standard output these names")
	}
	for _, name := range []string{"/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"} {
		status, stdout, stderr := piped(t, all(nil), whole, "--fast", calls+"bargein.wav", "--max-duration", "2s", "-o", name)
		if status != 0 || !bytes.HasPrefix(stdout, []byte("RIFF")) || !strings.Contains(stderr, "audio gaps") {
			t.Fatalf("%s: exit status %d, %q: %s", name, status, stdout[:min(40, len(stdout))], stderr)
		}
		if left := len(inWAV(t, stdout)) / 2; left < 2*24000 || left > 5*24000 {
			t.Errorf("%s: %d samples came out", name, left)
		}
	}
}

// firstWrite tells when something is written for the first time.
type firstWrite struct {
	written bytes.Buffer // not embedded: its ReadFrom would be used in place of Write
	once    sync.Once
	seen    chan struct{}
}

func (w *firstWrite) Write(p []byte) (int, error) {
	defer w.once.Do(func() { close(w.seen) })
	return w.written.Write(p)
}

// interrupted is signalled with an interrupt.
func interrupted(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	return signalled(t, os.Interrupt, args...)
}

// signalled runs the program, sends it a signal a second after it has said
// something on standard error, and returns its exit status and output. It uses a
// process and real time because signals do.
func signalled(t *testing.T, signal os.Signal, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env = append(os.Environ(), runMain+"=1")
	var out bytes.Buffer
	said := &firstWrite{seen: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &out, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var interrupter sync.WaitGroup
	interrupter.Go(func() {
		select {
		case <-said.seen:
			time.Sleep(time.Second) // the signal is to find a process of its own, in real time, at work
			cmd.Process.Signal(signal)
		case <-ctx.Done():
		}
	})
	err = cmd.Wait()
	if ctx.Err() != nil {
		t.Fatalf("it did not end: %v", err)
	}
	said.once.Do(func() { close(said.seen) })
	interrupter.Wait()
	return cmd.ProcessState.ExitCode(), out.String(), said.written.String()
}

func TestAnInterruptEndsACallInOrder(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot be sent an interrupt on Windows")
	}
	long := write(t, "long.wav", wavOf(t, audio.Mono(8000), 8000*3600*2))
	for name, args := range map[string][]string{
		"in real time":    {calls + "bargein.wav"},
		"in virtual time": {"--fast", long},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "o.wav")
			status, stdout, stderr := interrupted(t, append([]string{"call", "--json", "-o", out}, args...)...)
			var s Summary
			if err := json.Unmarshal([]byte(stdout), &s); status != interruptedStatus || err != nil || s.Ended != "interrupted" || !strings.Contains(stderr, "parley: interrupted") {
				t.Fatalf("exit status %d, ended %q (%v): %s", status, s.Ended, err, stderr)
			}
			left, _, rate := stereo(t, out)
			if d := rate.Duration(int64(len(left))); d < 500*time.Millisecond {
				t.Errorf("%v was kept", d)
			}
		})
	}
	t.Run("before it begins", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and says nothing
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		t.Setenv("AWS_REGION", "us-east-1")
		t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "example")
		t.Setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "https://"+l.Addr().String())
		began := time.Now()
		status, _, stderr := interrupted(t, "call", "--json", "--verbose", calls+"bargein.wav", "--service", "aws")
		if took := time.Since(began); status != interruptedStatus || took > 30*time.Second || !strings.Contains(stderr, "interrupted: the call had not begun") {
			t.Errorf("exit status %d after %v: %s", status, took, stderr)
		}
	})
}

// piped runs the program in a process of its own, since standard input and output
// belong to one, with something piped into it. feed writes that, and returns when
// no more is to come; what it is given ends with the process. read is what reads
// the output.
func piped(t *testing.T, feed func(w io.WriteCloser, p *os.Process), read func(r io.ReadCloser) []byte, args ...string) (status int, stdout []byte, stderr string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, append([]string{"call"}, args...)...)
	cmd.Env = append(os.Environ(), runMain+"=1")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	in, inErr := cmd.StdinPipe()
	out, outErr := cmd.StdoutPipe()
	if err := errors.Join(inErr, outErr, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	var feeding sync.WaitGroup
	feeding.Go(func() { feed(in, cmd.Process) })
	stdout = read(out)
	err = cmd.Wait() // closes in
	feeding.Wait()
	if ctx.Err() != nil {
		t.Fatalf("it does not end: %v: %s", err, &errs)
	}
	return cmd.ProcessState.ExitCode(), stdout, errs.String()
}

func all(b []byte) func(io.WriteCloser, *os.Process) {
	return func(w io.WriteCloser, _ *os.Process) {
		w.Write(b) // fails if nobody reads to the end, which the test sees by other means
		w.Close()
	}
}

func whole(r io.ReadCloser) []byte {
	b, err := io.ReadAll(r)
	if err != nil {
		b = nil
	}
	return b
}

func inWAV(t *testing.T, content []byte) []int16 {
	t.Helper()
	r, err := wav.NewReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return readAll(t, r)
}

func TestACallThroughPipesIsThatOfFilesToTheSample(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	recording, err := os.ReadFile(calls + "bargein.wav")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "o.wav")
	want := summaryOf(t, calls+"bargein.wav", "-o", path)
	written, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	samples := inWAV(t, written)
	for name, c := range map[string]struct {
		bytes []byte
		args  []string
	}{
		"WAV": {recording, nil},
		"raw": {audio.EncodePCM(nil, inWAV(t, recording)), []string{"--input-format", "s16le:8000:1"}},
	} {
		t.Run(name, func(t *testing.T) {
			status, stdout, stderr := piped(t, all(c.bytes), whole, append(c.args, "--fast", "-", "-o", "-")...)
			if status != 0 || !bytes.HasPrefix(stdout, []byte("RIFF\xff\xff\xff\xffWAVE")) {
				t.Fatalf("exit status %d, %d bytes: %s", status, len(stdout), stderr)
			}
			if got := inWAV(t, stdout); !slices.Equal(got, samples) {
				t.Errorf("%d values came out, not the %d of the file", len(got), len(samples))
			}
			for _, said := range []string{"Emulator", "caller  Hi there.", "4 turns, 1 barge-in"} {
				if !strings.Contains(stderr, said) {
					t.Errorf("standard error does not say %q: %s", said, stderr)
				}
			}
		})
	}
	t.Run("with a summary", func(t *testing.T) {
		status, stdout, stderr := piped(t, all(recording), whole, "--fast", "-", "-o", "-", "--json", "--output-format", "s16le")
		lines := strings.Split(strings.TrimSpace(stderr), "\n")
		var s Summary
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &s); status != 0 || err != nil || s.Turns != want.Turns || s.Duration != want.Duration || s.Output != "-" || s.InputStalls != 0 {
			t.Errorf("exit status %d, %+v, %v: %s", status, s, err, stderr)
		}
		if !bytes.Equal(stdout, audio.EncodePCM(nil, samples)) {
			t.Errorf("%d bytes came out, want %d", len(stdout), 2*len(samples))
		}
	})
}

func TestAReaderOfStandardOutputThatGoesAwayEndsTheCallInOrder(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	said := filepath.Join(t.TempDir(), "said.json")
	some := func(r io.ReadCloser) []byte {
		b := make([]byte, 1_000_000)
		n, _ := io.ReadFull(r, b)
		r.Close()
		return b[:n]
	}
	status, stdout, stderr := piped(t, all(nil), some, "--fast", calls+"bargein.wav", "-o", "-", "--transcript", said)
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	if last := lines[len(lines)-1]; status != 1 || len(stdout) != 1_000_000 || !strings.Contains(last, "write standard output: its reader has gone: broken pipe") {
		t.Errorf("exit status %d, %d bytes: %s", status, len(stdout), last)
	}
	if b, err := os.ReadFile(said); err != nil || !bytes.Contains(b, []byte("full service")) {
		t.Errorf("the transcript is not kept: %v, %s", err, b)
	}
}

func TestWhatIsWrittenIsWholeThoughNobodyReadsTheTranscript(t *testing.T) {
	dir := t.TempDir()
	caller, out, said := write(t, "caller.wav", wavOf(t, audio.Mono(8000), 8000)), filepath.Join(dir, "o.wav"), filepath.Join(dir, "said.txt")
	nothing := func(r io.ReadCloser) []byte {
		r.Close()
		return nil
	}
	status, _, stderr := piped(t, all(nil), nothing, "--fast", caller, "-o", out, "--transcript", said)
	if status != 1 || !strings.HasSuffix(strings.TrimSpace(stderr), "parley: write standard output: broken pipe: send it elsewhere") {
		t.Errorf("exit status %d: %s", status, stderr)
	}
	content, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	r, err := wav.NewReader(bytes.NewReader(content))
	if err != nil || r.Frames() < 8000 || len(content) != 44+4*int(r.Frames()) {
		t.Errorf("%v: %d bytes, of which the header tells of %d frames", err, len(content), r.Frames())
	}
	if _, err := os.Stat(said); err != nil {
		t.Error(err)
	}
}

func TestAnInterruptEndsACallWhoseProducerSaysNothing(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere a read of standard input that waits is not called back: the second interrupt ends it")
	}
	beginning := wavOf(t, audio.Mono(8000), 8000)
	beginning = append(append(beginning[:40:40], 0xFF, 0xFF, 0xFF, 0xFF), beginning[44:]...)
	for name, c := range map[string]struct {
		bytes []byte
		args  []string
		say   string
	}{
		"before it begins":                 {nil, nil, "the call had not begun"},
		"before it begins in virtual time": {nil, []string{"--fast"}, "the call had not begun"},
		"in real time":                     {beginning, nil, "the call was ended before its time"},
		"in virtual time":                  {beginning, []string{"--fast"}, "the call was ended before its time"},
	} {
		t.Run(name, func(t *testing.T) {
			feed := func(w io.WriteCloser, p *os.Process) { // and leaves w open
				w.Write(c.bytes)
				time.Sleep(1500 * time.Millisecond) // a signal is to find a process in real time, at work
				p.Signal(os.Interrupt)
			}
			began := time.Now()
			status, _, stderr := piped(t, feed, whole, append(c.args, "-")...)
			if status != interruptedStatus || !strings.Contains(stderr, c.say) {
				t.Errorf("exit status %d: %s", status, stderr)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestAFileThatTheShellMakesStandardInputIsPlayedAgain(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(calls + "bargein.wav")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	cmd := exec.CommandContext(t.Context(), self, "call", "--fast", "--json", "-", "--repeat", "2", "--repeat-gap", "2s")
	cmd.Env, cmd.Stdin = append(os.Environ(), runMain+"=1"), in
	out, err := cmd.Output()
	var s Summary
	if err := errors.Join(err, json.Unmarshal(out, &s)); err != nil || s.Turns != 8 || s.BargeIns != 2 {
		t.Errorf("%v: %s", err, out)
	}
}

func TestALateProducerIsInTheSummary(t *testing.T) {
	// More audio than the pipe holds and the process reads ahead: once it is written,
	// the call has begun, however long that took.
	beginning := wavOf(t, audio.Mono(48000), 4*48000)
	beginning = append(append(beginning[:40:40], 0xFF, 0xFF, 0xFF, 0xFF), beginning[44:]...)
	feed := func(w io.WriteCloser, _ *os.Process) { // in real time, as it is a process
		w.Write(beginning)
		time.Sleep(2500 * time.Millisecond) // as late as a producer is: the process lives in real time
		w.Close()
	}
	status, stdout, stderr := piped(t, feed, whole, "-", "--json", "--hang-up-after", "100ms")
	var s Summary
	if err := json.Unmarshal(stdout, &s); status != 0 || err != nil || s.InputStalls == 0 || s.InputSilence < 200 || s.InputSilence > 2500 {
		t.Errorf("exit status %d, %+v, %v: %s", status, s, err, stderr)
	}
	var out bytes.Buffer
	s.print(&out)
	if !strings.Contains(out.String(), "the recording came late: ") {
		t.Errorf("it says %s", out.String())
	}
}

func TestARepeatedRecordingIsHeardAgain(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	once := who(summaryOf(t, calls+"noisy.mp3"), "caller")
	twice := who(summaryOf(t, calls+"noisy.mp3", "--repeat", "2", "--repeat-gap", "3s"), "caller")
	if !slices.Equal(twice, append(slices.Clone(once), once...)) {
		t.Errorf("heard %q, want %q twice", twice, once)
	}
	s := summaryOf(t, calls+"noisy.mp3", "--repeat", "0", "--max-duration", "2m")
	if s.Duration < 120_000 || s.Duration > 130_000 || s.Turns < 2*len(once) {
		t.Errorf("%d turns in %v", s.Turns, s.Duration.Duration())
	}
}
