package webrtc

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/rtp"
	"github.com/pion/transport/v4/vnet"
	pion "github.com/pion/webrtc/v4"
	"go.uber.org/goleak"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/opus"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a server on a network within the process, which virtual time can wait
// for.
type world struct {
	t      *testing.T
	server *Server
	router *vnet.Router

	mu    sync.Mutex
	calls []*Call
}

// agent makes what answers a call.
type agent func(*Call) pipeline.Processor

// listener keeps what it hears.
type listener struct {
	mu    sync.Mutex
	heard []int16
	gaps  int
	next  audio.Position
	other []frames.Frame
}

func (l *listener) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	l.mu.Lock()
	switch f := f.(type) {
	case *frames.AudioInput:
		if len(l.heard) > 0 && f.Position != l.next {
			l.gaps++
		}
		l.next = f.End()
		l.heard = append(l.heard, f.Samples...)
	case *frames.DTMFInput, *frames.TransportMessageInput, *frames.End:
		l.other = append(l.other, f)
	}
	l.mu.Unlock()
	return out.Send(ctx, f, dir)
}

func (l *listener) ProcessSystem(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if _, ok := f.(*frames.Interruption); ok {
		return nil
	}
	return l.Process(ctx, f, dir, out)
}

// parrot says what it hears, unless that is quiet.
func parrot(*Call) pipeline.Processor {
	return pipeline.On(func(ctx context.Context, f *frames.AudioInput, dir frames.Direction, out *pipeline.Port) error {
		if audio.RMS(f.Samples) < -45 {
			return nil
		}
		return out.Send(ctx, &frames.AudioOutput{Audio: f.Audio}, dir)
	})
}

// silence is an agent that says nothing.
func silence(*Call) pipeline.Processor { return &listener{} }

// serve opens a server at 10.0.0.1.
func serve(t *testing.T, cfg Config, a agent) *world {
	t.Helper()
	w := &world{t: t}
	var err error
	if w.router, err = vnet.NewRouter(&vnet.RouterConfig{CIDR: "10.0.0.0/24", LoggerFactory: loggers{cfg.withDefaults().Logger}}); err != nil {
		t.Fatal(err)
	}
	cfg.net = w.host("10.0.0.1")
	cfg.Addr = "10.0.0.1:5000"
	if err := w.router.Start(); err != nil {
		t.Fatal(err)
	}
	w.server, err = NewServer(cfg, func(c *Call) (*pipeline.Pipeline, error) {
		w.mu.Lock()
		w.calls = append(w.calls, c)
		w.mu.Unlock()
		return pipeline.New(pipeline.Config{}, c.Input(), a(c), c.Output()), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	return w
}

func (w *world) host(ip string) *vnet.Net {
	w.t.Helper()
	n, err := vnet.NewNet(&vnet.NetConfig{StaticIPs: []string{ip}})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.router.AddNet(n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

func (w *world) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := w.server.Shutdown(ctx); err != nil {
		w.t.Errorf("shut down: %v", err)
	}
	w.router.Stop()
}

// only returns the only call that an agent was made for.
func (w *world) only() *Call {
	w.t.Helper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.calls) != 1 {
		w.t.Fatalf("there were %d calls, want 1", len(w.calls))
	}
	return w.calls[0]
}

// request asks the server, and returns the status and the answer.
func (w *world) request(method string, body any, tune ...func(*http.Request)) (int, string) {
	w.t.Helper()
	b, ok := body.(string)
	if !ok {
		j, err := json.Marshal(body)
		if err != nil {
			w.t.Fatal(err)
		}
		b = string(j)
	}
	r := httptest.NewRequest(method, "http://parley.test/webrtc", strings.NewReader(b))
	for _, f := range tune {
		f(r)
	}
	rec := httptest.NewRecorder()
	w.server.ServeHTTP(rec, r)
	return rec.Code, rec.Body.String()
}

// client is a peer at an address of its own.
type client struct {
	w       *world
	net     *vnet.Net
	pc      *pion.PeerConnection
	id      string
	track   *pion.TrackLocalStaticRTP
	channel *pion.DataChannel
	opened  chan struct{}
	over    chan struct{} // the other side has closed
	state   chan pion.PeerConnectionState

	mu      sync.Mutex
	texts   []string
	packets []heardPacket

	packet      rtp.Packet
	payloadType atomic.Uint32 // of the packets, if it is to be another
	restartICE  bool
	direction   string // of the audio in the offer, if it is to be another
}

// heardPacket is a packet that a client got.
type heardPacket struct {
	at time.Time
	rtp.Packet
}

// dial makes a client whose offer is still to be made, with a data channel of that
// label, if there is one.
func (w *world) dial(ip, label string) *client {
	w.t.Helper()
	return w.redial(w.host(ip), label)
}

func (w *world) redial(n *vnet.Net, label string) *client {
	w.t.Helper()
	media := &pion.MediaEngine{}
	if err := errors.Join(media.RegisterDefaultCodecs(), media.RegisterCodec(keyCodec(48000, 105), pion.RTPCodecTypeAudio)); err != nil {
		w.t.Fatal(err)
	}
	reports := &interceptor.Registry{}
	if err := register(reports); err != nil {
		w.t.Fatal(err)
	}
	c := &client{w: w, net: n, opened: make(chan struct{}), over: make(chan struct{}), state: make(chan pion.PeerConnectionState, 32)}
	reports.Add(&retyper{c: c})
	var e pion.SettingEngine
	e.LoggerFactory = loggers{w.server.config.Logger}
	e.SetNet(n)
	e.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	e.SetICETimeouts(noTraffic, time.Minute, 2*time.Second)
	e.DisableCloseByDTLS(true)
	pc, err := pion.NewAPI(pion.WithMediaEngine(media), pion.WithInterceptorRegistry(reports), pion.WithSettingEngine(e)).NewPeerConnection(pion.Configuration{})
	if err != nil {
		w.t.Fatal(err)
	}
	c.pc = pc
	w.t.Cleanup(func() {
		// Where the server has closed, what is below the data channels has to end
		// first: pion holds a lock that its end needs, while it waits for an answer
		// that cannot come, and virtual time stands still.
		synctest.Wait()
		if w.server.Calls() == 0 {
			select {
			case <-c.over:
			case <-time.After(time.Minute):
			}
		}
		c.pc.GracefulClose()
	})
	pc.OnConnectionStateChange(func(s pion.PeerConnectionState) { c.state <- s })
	pc.SCTP().OnClose(func(error) { close(c.over) })
	if c.track, err = pion.NewTrackLocalStaticRTP(opusCodec, "mic", "caller"); err == nil {
		_, err = pc.AddTrack(c.track)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	if label != "" {
		c.listen(label)
	}
	pc.OnTrack(func(track *pion.TrackRemote, _ *pion.RTPReceiver) {
		for {
			p, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			c.mu.Lock()
			c.packets = append(c.packets, heardPacket{time.Now(), *p})
			c.mu.Unlock()
		}
	})
	c.packet.Version = 2
	return c
}

// listen opens a data channel, which the next offer has.
func (c *client) listen(label string) {
	c.w.t.Helper()
	var err error
	if c.channel, err = c.pc.CreateDataChannel(label, nil); err != nil {
		c.w.t.Fatal(err)
	}
	c.channel.OnOpen(func() { close(c.opened) })
	c.channel.OnMessage(func(m pion.DataChannelMessage) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.texts = append(c.texts, string(m.Data))
	})
}

// offer negotiates, and returns the server's status if it refuses.
func (c *client) offer(extra map[string]any) (int, string) {
	c.w.t.Helper()
	o, err := c.pc.CreateOffer(&pion.OfferOptions{ICERestart: c.restartICE})
	if err != nil {
		c.w.t.Fatal(err)
	}
	gathered := pion.GatheringCompletePromise(c.pc)
	if err := c.pc.SetLocalDescription(o); err != nil {
		c.w.t.Fatal(err)
	}
	<-gathered
	sdp := c.pc.LocalDescription().SDP
	if c.direction != "" {
		sdp = strings.Replace(sdp, "a=sendrecv", "a="+c.direction, 1)
	}
	body := map[string]any{"sdp": sdp, "type": "offer", "pc_id": nil, "restart_pc": false}
	if c.id != "" {
		body["pc_id"] = c.id
	}
	for k, v := range extra {
		body[k] = v
	}
	status, text := c.w.request("POST", body)
	if status != http.StatusOK {
		return status, text
	}
	var a answer
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		c.w.t.Fatal(err)
	}
	if a.Type != "answer" || a.ID == "" {
		c.w.t.Fatalf("the answer is %s", text)
	}
	c.id = a.ID
	if err := c.pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: a.SDP}); err != nil {
		c.w.t.Fatal(err)
	}
	return status, text
}

// connect makes the call, and waits until it is there.
func (c *client) connect() *client {
	c.w.t.Helper()
	if status, text := c.offer(nil); status != http.StatusOK {
		c.w.t.Fatalf("the offer was refused with %d: %s", status, text)
	}
	c.waitFor(pion.PeerConnectionStateConnected)
	<-c.opened
	synctest.Wait() // the pipeline runs
	return c
}

func (c *client) waitFor(want pion.PeerConnectionState) {
	c.w.t.Helper()
	for {
		select {
		case s := <-c.state:
			if s == want {
				return
			}
		case <-time.After(time.Minute):
			c.w.t.Fatalf("the connection is %v after a minute, want %v", c.pc.ConnectionState(), want)
		}
	}
}

// talk sends packets in real time.
func (c *client) talk(all []arrival) {
	c.w.t.Helper()
	began := time.Now()
	number := c.packet.SequenceNumber
	base := c.packet.Timestamp
	for _, a := range all {
		time.Sleep(time.Until(began.Add(a.at)))
		c.packet.SequenceNumber = number + uint16(a.number) + 1
		c.packet.Timestamp = base + uint32(a.time) + 960
		c.packet.Payload = a.packet
		if err := c.track.WriteRTP(&c.packet); err != nil {
			c.w.t.Fatal(err)
		}
	}
}

func (c *client) say(text string) {
	c.w.t.Helper()
	if err := c.channel.SendText(text); err != nil {
		c.w.t.Fatal(err)
	}
}

func (c *client) told() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.texts...)
}

// heard returns what the client plays of what it has got: samples at 16 kHz, by their
// timestamps, from the first one that is not silent.
func (c *client) heard() []int16 {
	c.w.t.Helper()
	dec, err := opus.NewDecoder(audio.Mono(audio.Rate16k))
	if err != nil {
		c.w.t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var s []int16
	for i, p := range c.packets {
		if i > 0 {
			for gap := p.Timestamp - c.packets[i-1].Timestamp; gap > 960; gap -= 960 {
				if s, err = dec.Conceal(s, 20*time.Millisecond); err != nil {
					c.w.t.Fatal(err)
				}
			}
		}
		if s, err = dec.Decode(s, p.Payload); err != nil {
			c.w.t.Fatal(err)
		}
	}
	return s
}
