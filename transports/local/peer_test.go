//go:build cgo

package local

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gen2brain/malgo"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/noise"
)

// The peer of these tests is PulseAudio: a real sound server, with virtual devices
// in place of hardware. They run in real time.

// soundServer is a PulseAudio of the test's own.
type soundServer struct {
	t      *testing.T
	socket string
	env    []string
	server *exec.Cmd
	log    bytes.Buffer
}

// serve starts one without devices.
func serve(t *testing.T) *soundServer {
	t.Helper()
	for _, tool := range []string{"pulseaudio", "pactl", "pacat"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("PARLEY_REQUIRE_TOOLS") == "1" {
				t.Fatalf("%s is not installed, and PARLEY_REQUIRE_TOOLS is set", tool)
			}
			t.Skipf("SKIPPED: %s is not installed (Debian: pulseaudio and pulseaudio-utils)", tool)
		}
	}
	if testing.Short() && os.Getenv("PARLEY_REQUIRE_TOOLS") != "1" {
		t.Skip("it takes real time")
	}
	dir, err := os.MkdirTemp("", "parley-pulse") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "native")
	t.Setenv("PULSE_SERVER", "unix:"+socket) // this process's, too, where miniaudio looks
	s := &soundServer{t: t, socket: socket, env: append(os.Environ(), "HOME="+dir, "XDG_RUNTIME_DIR="+dir, "XDG_CONFIG_HOME="+dir, "PULSE_RUNTIME_PATH="+dir)}
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Logf("pulseaudio says:\n%s", s.log.String())
		}
	})
	s.start()
	return s
}

// stop kills the server.
func (s *soundServer) stop() {
	if s.server != nil {
		s.server.Process.Kill()
		s.server.Wait()
		s.server = nil
	}
}

func (s *soundServer) start() {
	t := s.t
	t.Helper()
	os.Remove(s.socket) // one that was killed leaves it
	s.server = exec.Command("pulseaudio", "-n", "-F", os.DevNull, "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1", "--disable-shm=yes",
		"-L", "module-native-protocol-unix auth-anonymous=1 socket="+s.socket)
	s.server.Env, s.server.Stderr = s.env, &s.log
	if err := s.server.Start(); err != nil {
		s.server = nil
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		check := exec.Command("pactl", "info")
		check.Env = s.env
		if check.Run() == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("pulseaudio does not start")
		}
	}
}

// sink makes a loudspeaker that nobody hears, and a microphone, "Monitor of" it,
// that hears what is played on it. It returns how to take it away.
func (s *soundServer) sink(name string, rate int) (unplug func()) {
	s.t.Helper()
	module := strings.TrimSpace(s.ctl("load-module", "module-null-sink", "sink_name="+name, fmt.Sprintf("rate=%d", rate), "channels=1",
		"sink_properties=device.description="+name))
	return func() { s.ctl("unload-module", module) }
}

func (s *soundServer) ctl(args ...string) string {
	s.t.Helper()
	ctl := exec.Command("pactl", args...)
	ctl.Env = s.env
	out, err := ctl.CombinedOutput()
	if err != nil {
		s.t.Fatalf("pactl %v: %v: %s", args, err, out)
	}
	return string(out)
}

// settle is how long a stream is silent before it is heard. A monitor delivers in
// other pieces when somebody begins to play on its sink, does not hear all of how
// that begins, and the transport's clocks have to come to terms with it.
const settle = 4 * time.Second

// play plays samples on a sink, with silence before and behind them. It returns
// how to wait for the end.
func (s *soundServer) play(sink string, rate int, samples []int16) (wait func()) {
	s.t.Helper()
	samples = slices.Concat(make([]int16, rate*int(settle/time.Second)), samples, make([]int16, rate/2))
	p := exec.Command("pacat", "--playback", "--raw", "--latency-msec=500", "--device="+sink, "--format=s16le", fmt.Sprintf("--rate=%d", rate), "--channels=1")
	var out bytes.Buffer
	p.Env, p.Stdin, p.Stdout, p.Stderr = s.env, bytes.NewReader(audio.EncodePCM(nil, samples)), &out, &out
	if err := p.Start(); err != nil {
		s.t.Fatal(err)
	}
	return func() {
		s.t.Helper()
		if err := p.Wait(); err != nil {
			s.t.Fatalf("pacat: %v: %s", err, out.String())
		}
	}
}

// record records what is played on a sink, until stop is called.
func (s *soundServer) record(sink string, rate int) (stop func() []int16) {
	s.t.Helper()
	r := exec.Command("pacat", "--record", "--raw", "--device="+sink+".monitor", "--format=s16le", fmt.Sprintf("--rate=%d", rate), "--channels=1", "--latency-msec=200")
	var out bytes.Buffer
	r.Env, r.Stdout = s.env, &out
	if err := r.Start(); err != nil {
		s.t.Fatal(err)
	}
	return func() []int16 {
		time.Sleep(300 * time.Millisecond)
		r.Process.Signal(os.Interrupt)
		r.Wait()
		return audio.DecodePCM(nil, out.Bytes())
	}
}

// patient is a configuration for a machine on which others compute: what is tested
// is which samples arrive, and not how soon.
func patient(cfg Config) Config {
	cfg.Period, cfg.Cushion = 50*time.Millisecond, 300*time.Millisecond
	cfg.system = pulse
	return cfg
}

func pulse() (system, error) { return newMalgo([]malgo.Backend{malgo.BackendPulseaudio}) }

// awake waits until both devices run: those of PulseAudio that sleep take two
// seconds to wake up.
func (c *call) awake() {
	c.t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for _, k := range []*keeper{c.transport.input.keeper, c.transport.speaker.keeper} {
		for l := k.line.Load(); l == nil || !l.gauge.steady.Load(); l = k.line.Load() {
			if time.Now().After(deadline) {
				c.t.Fatalf("the %v does not wake up", k.kind)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	time.Sleep(100 * time.Millisecond)
}

// attempts is how often something is tried in real time. On a machine with too much
// to do a sound server, or the recorder behind it, makes holes of its own: what
// counts as ours is wrong each time.
const attempts = 3

// eventually fails if each attempt has found something wrong.
func eventually(t *testing.T, attempt func() (wrong []string)) {
	t.Helper()
	for k := range attempts {
		wrong := attempt()
		if len(wrong) == 0 {
			return
		}
		t.Logf("attempt %d:\n%s", k+1, strings.Join(wrong, "\n"))
	}
	t.Errorf("none of %d attempts was right", attempts)
}

// inOrder tells what is wrong unless all contains the words, sample by sample. Where
// the machine was too busy to keep time, some pieces of 20 ms were made a sample
// longer or shorter; they are in their place, too, and most of the others are not
// touched.
func inOrder(who string, all, words []int16, stats DeviceStats) (wrong []string) {
	const block = 480
	moved := int(stats.Stretched + stats.Shortened)
	found, at := 0, -1
	for i := 0; i+block <= len(words); i += block {
		part := words[i : i+block]
		if at < 0 {
			if at = find(all, part); at >= 0 {
				at -= i
				found++
			}
			continue
		}
		from, to := at+i-moved, at+i+moved+block
		if k := find(all[max(0, from):min(to, len(all))], part); k >= 0 {
			found++
		}
	}
	if n := len(words) / block; found < n*7/10 || moved == 0 && found < n {
		wrong = append(wrong, fmt.Sprintf("%s: of %d pieces, %d are heard in their place; %+v", who, n, found, stats))
	}
	return wrong
}

func TestAPeersSamplesArriveAsTheyWerePlayed(t *testing.T) {
	server := serve(t)
	server.sink("Kitchen", 48000)
	server.sink("Office", 48000)
	eventually(t, func() []string {
		transport, err := New(patient(Config{Microphone: "monitor of office", Loudspeaker: "kitchen", InputRate: audio.Rate48k, OutputRate: audio.Rate48k}))
		if err != nil {
			t.Fatal(err)
		}
		words := noise.Samples(5, 2*48000)
		wait := server.play("Office", 48000, words)
		stop := server.record("Kitchen", 48000)
		c := run(t, transport)
		c.awake()
		time.Sleep(settle / 2)
		c.sayAt(audio.Rate48k, words)
		wait()
		time.Sleep(500 * time.Millisecond)
		played := stop()
		stats := transport.Stats()
		c.end()
		if stats.Microphone.Rate != audio.Rate48k || stats.Microphone.Device != "Monitor of Office" || stats.Loudspeaker.Device != "Kitchen" {
			t.Errorf("stats: %+v", stats)
		}
		return slices.Concat(inOrder("the peer, of what the agent says", played, words, stats.Loudspeaker),
			inOrder("the microphone, of what the peer plays", c.tape.all(t), words, stats.Microphone))
	})
}

// tone is a sine.
func tone(hz float64, rate, n int) []int16 {
	s := make([]int16, n)
	for i := range s {
		s[i] = int16(math.Round(10000 * math.Sin(2*math.Pi*hz*float64(i)/float64(rate))))
	}
	return s
}

// impurity is how much of samples is not a sine of so many hertz, in decibels
// below what is: a hole, a click, or another pitch.
func impurity(samples []int16, hz float64, rate int) float64 {
	var re, im float64
	for i, v := range samples {
		sin, cos := math.Sincos(2 * math.Pi * hz * float64(i) / float64(rate))
		re, im = re+float64(v)*cos, im+float64(v)*sin
	}
	n := float64(len(samples)) / 2
	re, im = re/n, im/n
	var rest float64
	for i, v := range samples {
		sin, cos := math.Sincos(2 * math.Pi * hz * float64(i) / float64(rate))
		d := float64(v) - re*cos - im*sin
		rest += d * d
	}
	return 10 * math.Log10(rest/n/(re*re+im*im))
}

func TestDevicesOfOtherRatesSoundTheSame(t *testing.T) {
	server := serve(t)
	server.sink("Kitchen", 44100)
	server.sink("Office", 44100)
	eventually(t, func() (wrong []string) {
		transport, err := New(patient(Config{Microphone: "Monitor of Office", Loudspeaker: "Kitchen"}))
		if err != nil {
			t.Fatal(err)
		}
		wait := server.play("Office", 44100, tone(500, 44100, 2*44100))
		stop := server.record("Kitchen", 44100)
		c := run(t, transport)
		c.awake()
		time.Sleep(settle / 2)
		c.say(tone(500, 24000, 2*24000))
		wait()
		time.Sleep(500 * time.Millisecond)
		played := stop()
		stats := transport.Stats()
		c.end()
		if stats.Microphone.Rate != audio.Rate44k || stats.Loudspeaker.Rate != audio.Rate44k {
			t.Errorf("stats: %+v", stats)
		}
		wrong = slices.Concat(pure("the microphone", c.tape.all(t), 16000), pure("the loudspeaker", played, 44100))
		if len(wrong) > 0 {
			wrong = append(wrong, fmt.Sprintf("stats: %+v", stats))
		}
		return wrong
	})
}

// pure tells what is wrong unless two seconds of a tone of 500 Hz are heard, without
// a hole or a click. It looks at 1.6 seconds in the middle, by pieces of ten periods:
// a hole or a click is in one of them, and a pitch that is a little off while clocks
// are brought together is not.
func pure(who string, samples []int16, rate int) (wrong []string) {
	first := slices.IndexFunc(samples, func(v int16) bool { return v > 5000 })
	if first < 0 || len(samples) < first+rate*19/10 {
		return []string{fmt.Sprintf("%s: %d samples, of which the tone begins at %d", who, len(samples), first)}
	}
	for k := range 80 {
		from := first + rate/5 + k*rate/50
		if db := impurity(samples[from:from+rate/50], 500, rate); db > -20 {
			wrong = append(wrong, fmt.Sprintf("%s: %.0f dB of piece %d are not the tone", who, db, k))
		}
	}
	return wrong
}

func TestADeviceThatIsUnpluggedComesBack(t *testing.T) {
	server := serve(t)
	unplugMic := server.sink("Office", 48000)
	unplugSpeaker := server.sink("Kitchen", 48000)
	server.sink("Cellar", 48000) // another, which is not to be taken instead
	transport, err := New(patient(Config{Microphone: "Monitor of Office", Loudspeaker: "Kitchen", InputRate: audio.Rate48k, OutputRate: audio.Rate48k}))
	if err != nil {
		t.Fatal(err)
	}
	c := run(t, transport)
	c.awake()
	unplugMic()
	unplugSpeaker()
	c.tells(2)
	if s := transport.Stats(); s.Microphone.Device != "" || s.Loudspeaker.Device != "" || s.Microphone.Lost != 1 || s.Loudspeaker.Lost != 1 {
		t.Errorf("stats: %+v", s)
	}
	c.sayAt(audio.Rate48k, noise.Samples(9, 24000)) // for nobody
	time.Sleep(time.Second)
	server.sink("Office", 44100)
	server.sink("Kitchen", 48000)
	c.tells(4)
	c.awake()
	stop := server.record("Kitchen", 48000)
	time.Sleep(settle / 2)
	words := noise.Samples(5, 48000)
	c.sayAt(audio.Rate48k, words)
	server.play("Office", 44100, tone(500, 44100, 44100))()
	time.Sleep(500 * time.Millisecond)
	played := stop()
	c.end()
	for _, wrong := range inOrder("the loudspeaker that came back", played, words, transport.Stats().Loudspeaker) {
		t.Error(wrong)
	}
	heard := c.tape.all(t) // without a hole
	if audio.Peak(heard[len(heard)-2*48000:]) < -12 {
		t.Error("the microphone that came back does not hear")
	}
	if len(c.errors) != 2 {
		t.Errorf("errors: %q", c.errors)
	}
}

func TestASoundServerThatIsRestartedIsFoundAgain(t *testing.T) {
	server := serve(t)
	server.sink("Room", 48000)
	transport, err := New(Config{system: pulse}) // the default devices
	if err != nil {
		t.Fatal(err)
	}
	c := run(t, transport)
	c.awake()
	server.stop()
	c.tells(2)
	server.start()
	server.sink("Room", 48000)
	c.tells(4)
	c.awake()
	time.Sleep(settle / 2)
	c.say(tone(500, 24000, 24000)) // the microphone hears the loudspeaker
	time.Sleep(1500 * time.Millisecond)
	c.end()
	heard := c.tape.all(t)
	c.together(heard)
	if audio.Peak(heard[len(heard)-32000:]) < -12 {
		t.Error("the devices of the new server are silent")
	}
}

// together tests that what the microphone heard of the loudspeaker has the
// position of what was played, but for what a sound server takes.
func (c *call) together(heard []int16) {
	c.t.Helper()
	from := len(heard) - 3*16000
	first := from + slices.IndexFunc(heard[from:], func(v int16) bool { return v > 1000 })
	for _, f := range c.tape.frames {
		if b, ok := f.(*frames.BotStartedSpeaking); ok {
			said, heard := b.OutputRate.Duration(int64(b.Output)), audio.Rate16k.Duration(int64(first))
			c.t.Logf("what is said at %v of the output's clock is heard at %v of the caller's: %v later", said, heard, heard-said)
			if off := heard - said; off < -50*time.Millisecond || off > 150*time.Millisecond {
				c.t.Errorf("it is off by %v", off)
			}
			return
		}
	}
	c.t.Error("nothing was said")
}

// tells waits until so many changes have been told.
func (c *call) tells(n int) {
	c.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c.tape.mu.Lock()
		told := slices.Clone(c.tape.told)
		c.tape.mu.Unlock()
		if len(told) >= n {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("only this was told: %q", told)
		}
	}
}
