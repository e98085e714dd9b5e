package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtp"
	pion "github.com/pion/webrtc/v4"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/opus"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/transports/webrtc"
)

// BenchmarkWebRTCCalls holds calls in real time, both ends in this process on
// loopback sockets.
//
//   - "bare" are peers of pion that send each packet of 20 ms back as it comes: what
//     the network, encryption and the clients cost.
//   - "echo" is a pipeline that says what it hears. The caller says 20 ms in each half
//     second, and is silent otherwise. Reported is when that has come to the processor
//     behind the input ("in"), and when the packet with its echo has come back
//     ("echo"), which is what Parley adds from mouth to ear, but for what the codec
//     itself looks ahead (6.5 ms).
//   - "talk" is a caller and an agent who both speak all the time: the processor time
//     of a call (cpu-ms/s) without that of "bare" is what decoding, converting and
//     encoding cost.
//
// An operation is a second of all calls; processor time, memory and goroutines are
// those of both ends. With -short there is one call.
func BenchmarkWebRTCCalls(b *testing.B) {
	counts := []int{1, 25, 50}
	if testing.Short() {
		counts = counts[:1]
	}
	for _, calls := range counts {
		b.Run(fmt.Sprintf("calls=%d", calls), func(b *testing.B) {
			b.Run("bare", func(b *testing.B) { barePeers(b, calls) })
			b.Run("echo", func(b *testing.B) { echoPeers(b, calls) })
			b.Run("talk", func(b *testing.B) { talkingPeers(b, calls) })
		})
	}
}

var opusTrack = pion.RTPCodecCapability{MimeType: pion.MimeTypeOpus, ClockRate: 48000, Channels: 2}

// newPeer returns a peer with Opus and reports, as the server has them.
func newPeer(b *testing.B) (*pion.PeerConnection, *pion.TrackLocalStaticRTP) {
	media := &pion.MediaEngine{}
	err := media.RegisterCodec(pion.RTPCodecParameters{RTPCodecCapability: opusTrack, PayloadType: 111}, pion.RTPCodecTypeAudio)
	reports := &interceptor.Registry{}
	if err == nil {
		err = pion.ConfigureRTCPReports(reports)
	}
	var settings pion.SettingEngine
	settings.SetIncludeLoopbackCandidate(true)
	var pc *pion.PeerConnection
	if err == nil {
		pc, err = pion.NewAPI(pion.WithMediaEngine(media), pion.WithInterceptorRegistry(reports), pion.WithSettingEngine(settings)).NewPeerConnection(pion.Configuration{})
	}
	var track *pion.TrackLocalStaticRTP
	if err == nil {
		track, err = pion.NewTrackLocalStaticRTP(opusTrack, "voice", "peer")
	}
	if err == nil {
		_, err = pc.AddTrack(track)
	}
	if err != nil {
		b.Error(err)
		return nil, nil
	}
	return pc, track
}

// callServer has a call with a server until done is closed: packets are said, one
// every 20 ms, over and over. said is told when each is sent; heard what comes back.
func callServer(b *testing.B, url string, packets [][]byte, n int, m *meter, done <-chan struct{}, said func(i int, at time.Time), heard func(at time.Time, p *rtp.Packet)) {
	pc, track := newPeer(b)
	if pc == nil {
		m.waiting.Done()
		return
	}
	defer pc.GracefulClose()
	connected := make(chan struct{})
	var once sync.Once
	pc.OnConnectionStateChange(func(s pion.PeerConnectionState) {
		if s == pion.PeerConnectionStateConnected {
			once.Do(func() { close(connected) })
		}
	})
	pc.OnTrack(func(t *pion.TrackRemote, _ *pion.RTPReceiver) {
		buf := make([]byte, 1500)
		for {
			n, _, err := t.Read(buf)
			if err != nil {
				return
			}
			var p rtp.Packet
			if p.Unmarshal(buf[:n]) == nil {
				heard(time.Now(), &p)
			}
		}
	})
	err := negotiate(pc, url)
	select {
	case <-connected:
	case <-time.After(10 * time.Second):
		err = errors.Join(err, errors.New("a call was not connected in time"))
	}
	m.waiting.Done()
	if err != nil {
		b.Error(err)
		return
	}
	time.Sleep(piece * time.Duration(n%20) / 20)
	tick := time.NewTicker(piece)
	defer tick.Stop()
	p := rtp.Packet{Header: rtp.Header{Version: 2}}
	for i := 0; ; i++ {
		select {
		case <-tick.C:
			p.SequenceNumber++
			p.Timestamp += 960
			p.Payload = packets[i%len(packets)]
			said(i%len(packets), time.Now())
			if err := track.WriteRTP(&p); err != nil {
				b.Error(err)
				return
			}
		case <-done:
			return
		}
	}
}

func negotiate(pc *pion.PeerConnection, url string) error {
	if _, err := pc.CreateDataChannel("parley", nil); err != nil {
		return err
	}
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		return err
	}
	gathered := pion.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(offer); err != nil {
		return err
	}
	<-gathered
	body, err := json.Marshal(pc.LocalDescription())
	if err != nil {
		return err
	}
	resp, err := http.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("%s: %s", resp.Status, text)
	}
	var answer pion.SessionDescription
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return err
	}
	return pc.SetRemoteDescription(answer)
}

// opusOf returns packets of samples at 48 kHz.
func opusOf(b *testing.B, samples []int16) [][]byte {
	enc, err := opus.NewEncoder(opus.EncoderConfig{})
	if err != nil {
		b.Fatal(err)
	}
	var all [][]byte
	for i := 0; i+960 <= len(samples); i += 960 {
		p, err := enc.Encode(nil, samples[i:i+960])
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// sound is half a second of which the first 20 ms, or all, are loud.
func sound(all bool) []int16 {
	s := make([]int16, 24000)
	for i := range s {
		if all || i < 960 {
			s[i] = int16(i % 97 * 200)
		}
	}
	return s
}

// meter says when it is measured: not before all are connected.
type meter struct {
	waiting sync.WaitGroup
	on      atomic.Bool
}

// hold holds calls for as long as the benchmark wants, once all are connected, and
// reports the processor time that each takes a second.
func hold(b *testing.B, calls int, one func(n int, m *meter, done <-chan struct{})) {
	var m meter
	m.waiting.Add(calls)
	var running sync.WaitGroup
	done := make(chan struct{})
	for n := range calls {
		running.Go(func() { one(n, &m, done) })
	}
	m.waiting.Wait()
	time.Sleep(time.Second)
	var mem runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&mem)
	goroutines := runtime.NumGoroutine()
	m.on.Store(true)
	b.ResetTimer() // it forgets metrics, too
	before := processTime()
	time.Sleep(time.Duration(b.N) * time.Second)
	used := processTime() - before
	b.StopTimer()
	b.ReportMetric(used.Seconds()*1000/float64(b.N)/float64(calls), "cpu-ms/s")
	b.ReportMetric(float64(mem.HeapInuse+mem.StackInuse)/float64(calls)/1024, "kB/call")
	b.ReportMetric(float64(goroutines)/float64(calls), "goroutines/call")
	close(done)
	running.Wait()
}

func barePeers(b *testing.B, calls int) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pc, track := newPeer(b)
		if pc == nil {
			return
		}
		pc.OnTrack(func(t *pion.TrackRemote, _ *pion.RTPReceiver) {
			for {
				p, _, err := t.ReadRTP()
				if err != nil || track.WriteRTP(p) != nil {
					pc.GracefulClose()
					return
				}
			}
		})
		var offer pion.SessionDescription
		err := json.NewDecoder(r.Body).Decode(&offer)
		if err == nil {
			err = pc.SetRemoteDescription(offer)
		}
		answer, err2 := pc.CreateAnswer(nil)
		gathered := pion.GatheringCompletePromise(pc)
		if err == nil && err2 == nil {
			err = pc.SetLocalDescription(answer)
		}
		if err != nil || err2 != nil {
			b.Error(err, err2)
			return
		}
		<-gathered
		json.NewEncoder(w).Encode(pc.LocalDescription())
	}))
	defer web.Close()
	packets := opusOf(b, sound(true))
	var echo lateness
	hold(b, calls, func(n int, m *meter, done <-chan struct{}) {
		var mu sync.Mutex
		sent := map[int]time.Time{}
		var all []time.Duration
		callServer(b, web.URL, packets, n, m, done, func(i int, at time.Time) {
			mu.Lock()
			defer mu.Unlock()
			sent[i] = at
		}, func(at time.Time, p *rtp.Packet) {
			mu.Lock()
			defer mu.Unlock()
			if from, ok := sent[(int(p.Timestamp/960)-1)%len(packets)]; ok && m.on.Load() {
				all = append(all, at.Sub(from))
			}
		})
		echo.add(all)
	})
	echo.report(b, "echo")
}

// repeater says what it hears, if it is loud, and notes when.
type repeater struct {
	mu    sync.Mutex
	heard []time.Time
}

func (a *repeater) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if f, ok := f.(*frames.AudioInput); ok {
		if audio.RMS(f.Samples) < -30 {
			return nil
		}
		a.mu.Lock()
		// What the codec looks ahead spreads 20 ms over two packets.
		if now := time.Now(); len(a.heard) == 0 || now.Sub(a.heard[len(a.heard)-1]) > time.Second/4 {
			a.heard = append(a.heard, now)
		}
		a.mu.Unlock()
		return out.Send(ctx, &frames.AudioOutput{Audio: f.Audio}, dir)
	}
	return out.Send(ctx, f, dir)
}

func rtcServer(b *testing.B, agent func() pipeline.Processor) (url string, shut func()) {
	server, err := webrtc.NewServer(webrtc.Config{Addr: "127.0.0.1:0"}, func(c *webrtc.Call) (*pipeline.Pipeline, error) {
		return pipeline.New(pipeline.Config{}, c.Input(), agent(), c.Output()), nil
	})
	if err != nil {
		b.Fatal(err)
	}
	web := httptest.NewServer(server)
	return web.URL, func() {
		if err := server.Shutdown(context.Background()); err != nil {
			b.Error(err)
		}
		web.Close()
	}
}

func echoPeers(b *testing.B, calls int) {
	var mu sync.Mutex
	var agents []*repeater
	url, shut := rtcServer(b, func() pipeline.Processor {
		mu.Lock()
		defer mu.Unlock()
		agents = append(agents, &repeater{})
		return agents[len(agents)-1]
	})
	packets := opusOf(b, sound(false))
	var in, echo lateness
	var all []time.Time // at which something was said, by anybody
	hold(b, calls, func(n int, m *meter, done <-chan struct{}) {
		var last time.Time
		var back []time.Duration
		var own sync.Mutex
		callServer(b, url, packets, n, m, done, func(i int, at time.Time) {
			if i == 0 {
				own.Lock()
				last = at
				own.Unlock()
				mu.Lock()
				all = append(all, at)
				mu.Unlock()
			}
		}, func(at time.Time, p *rtp.Packet) {
			own.Lock()
			defer own.Unlock()
			// The first packet behind a pause is the echo.
			if p.Marker && !last.IsZero() && m.on.Load() {
				back = append(back, at.Sub(last))
			}
		})
		echo.add(back)
	})
	shut()
	// With more than one call nobody knows whose a time is.
	if calls == 1 {
		var late []time.Duration
		for _, at := range agents[0].heard {
			for _, from := range all {
				if d := at.Sub(from); d >= 0 && d < time.Second/4 {
					late = append(late, d)
					break
				}
			}
		}
		in.add(late)
		in.report(b, "in")
	}
	echo.report(b, "echo")
}

// talker speaks all the time.
type talker struct{ began bool }

func (a *talker) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if _, ok := f.(*frames.AudioInput); !ok {
		return out.Send(ctx, f, dir)
	}
	if a.began {
		return nil
	}
	a.began = true
	samples := make([]int16, audio.Rate24k.Samples(2*time.Minute))
	for i := range samples {
		samples[i] = int16(i % 97 * 200)
	}
	return out.Send(ctx, &frames.AudioOutput{Audio: frames.Audio{Format: audio.Mono(audio.Rate24k), Samples: samples, Track: "agent"}}, dir)
}

func talkingPeers(b *testing.B, calls int) {
	url, shut := rtcServer(b, func() pipeline.Processor { return &talker{} })
	packets := opusOf(b, sound(true))
	hold(b, calls, func(n int, m *meter, done <-chan struct{}) {
		callServer(b, url, packets, n, m, done, func(int, time.Time) {}, func(time.Time, *rtp.Packet) {})
	})
	shut()
}
