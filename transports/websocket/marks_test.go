package websocket_test

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	ws "github.com/coder/websocket"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/transports/websocket"
)

// phone plays what it gets behind a delay, and sends marks back when it comes to
// them, as a telephone provider does.
type phone struct {
	*client
	delay  time.Duration
	played []int16
	clears int

	mu    sync.Mutex
	queue []item
	until time.Time // the end of what is being played
	ended time.Time // the last sample
}

// item is audio, or a mark, and when it has come through the provider's network.
type item struct {
	at      time.Time
	samples []int16
	mark    string
}

// answer conducts the call until it ends.
func (p *phone) answer() {
	var playing sync.WaitGroup
	defer playing.Wait()
	over := make(chan struct{})
	defer close(over)
	playing.Go(func() {
		for {
			select {
			case <-over:
				return
			case <-time.After(time.Millisecond):
			}
			p.play()
		}
	})
	for {
		kind, b, err := p.conn.Read(context.Background())
		if err != nil {
			return
		}
		p.mu.Lock()
		at := time.Now().Add(p.delay)
		if kind == ws.MessageBinary {
			p.queue = append(p.queue, item{at: at, samples: audio.DecodePCM(nil, b)})
		} else {
			var m struct{ Type, Name string }
			if err := json.Unmarshal(b, &m); err != nil {
				p.t.Error(err)
			}
			switch m.Type {
			case "mark":
				p.queue = append(p.queue, item{at: at, mark: string(b)})
			case "clear": // a provider sends the marks back, too
				p.clears++
				p.queue = slices.DeleteFunc(p.queue, func(i item) bool { return i.mark == "" })
			}
		}
		p.mu.Unlock()
	}
}

// play plays what is due.
func (p *phone) play() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.queue) > 0 {
		next := p.queue[0]
		if next.at.Before(p.until) {
			next.at = p.until
		}
		if time.Now().Before(next.at) {
			return
		}
		p.queue = p.queue[1:]
		if next.mark != "" {
			go p.conn.Write(context.Background(), ws.MessageText, []byte(next.mark))
			continue
		}
		p.played = append(p.played, next.samples...)
		p.until = next.at.Add(time.Duration(len(next.samples)) * time.Second / 24000)
		p.ended = p.until
	}
}

// ear notes what is told of what was heard.
type ear struct {
	mu       sync.Mutex
	began    time.Time
	playouts []*frames.Playout
	started  []time.Duration
	stopped  []time.Duration
}

func (e *ear) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if dir == frames.Upstream {
		e.mu.Lock()
		switch f := f.(type) {
		case *frames.Playout:
			e.playouts = append(e.playouts, f)
		case *frames.BotStartedSpeaking:
			e.started = append(e.started, time.Since(e.began))
		case *frames.BotStoppedSpeaking:
			e.stopped = append(e.stopped, time.Since(e.began))
		}
		e.mu.Unlock()
	}
	return out.Send(ctx, f, dir)
}

func (w *world) phone(delay time.Duration) *phone {
	c := w.connect(nil)
	c.say(`{"type":"hello","version":1,"input":{"rate":24000},"output":{"rate":24000},"marks":true}`)
	c.text()
	synctest.Wait()
	return &phone{client: c, delay: delay}
}

// What was heard is what the peer says, however far it is behind.
func TestMarksTellWhatWasHeard(t *testing.T) {
	for _, delay := range []time.Duration{0, 150 * time.Millisecond, 700 * time.Millisecond} {
		t.Run(delay.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &talker{say: 24000 * 3}
				e := &ear{began: time.Now()}
				w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor { return pipeline.Chain(a, e) })
				p := w.phone(delay)
				go func() {
					time.Sleep(5 * time.Second)
					p.talk(voice(1, 480)) // the agent speaks from now on
					time.Sleep(6 * time.Second)
					p.say(`{"type":"bye"}`)
				}()
				p.answer()
				if got := p.played; !slices.Equal(bare(got), voice(2, 24000*3)) {
					t.Errorf("%d samples were played", len(got))
				}
				e.mu.Lock()
				defer e.mu.Unlock()
				last := e.playouts[len(e.playouts)-1]
				if last.Heard != 24000*3 {
					t.Errorf("the last report: %v", last)
				}
				ended := p.ended.Sub(e.began)
				if len(e.stopped) != 1 || (e.stopped[0]-ended).Abs() > 25*time.Millisecond || (e.stopped[0]-e.started[0]-3*time.Second).Abs() > 25*time.Millisecond {
					t.Errorf("the agent is said to have spoken from %v to %v; it did to %v", e.started, e.stopped, ended)
				}
			})
		})
	}
}

// What the peer sends back for what it discards is not taken for heard.
func TestMarksOfWhatWasDiscardedAreIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &talker{say: 24000 * 10}
		e := &ear{began: time.Now()}
		w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor { return pipeline.Chain(a, e) })
		p := w.phone(700 * time.Millisecond)
		go func() {
			p.talk(voice(1, 480))
			time.Sleep(3 * time.Second)
			p.say(`{"type":"interrupt"}`)
			time.Sleep(3 * time.Second)
			p.say(`{"type":"bye"}`)
		}()
		p.answer()
		if p.clears != 1 {
			t.Errorf("%d times the peer was told to clear", p.clears)
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		var heard audio.Position
		for _, f := range e.playouts {
			heard = max(heard, f.Heard)
		}
		// To the nearest mark, and not what was on its way.
		if got := int(heard); got > len(p.played)+24000/4 || got < len(p.played)-24000/4 {
			t.Errorf("%d samples are taken for heard, and %d were", got, len(p.played))
		}
	})
}

// A peer that does not read for a while has not heard what waits for it, and never hears
// what was dropped. Whether it sends marks back or not, what is told is that.
func TestWhatWasDroppedForASlowPeerIsNotTakenForHeard(t *testing.T) {
	for name, marks := range map[string]string{"with marks": "true", "without": "false"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				said := voice(2, 24000*6)
				e := &ear{began: time.Now()}
				w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor {
					return pipeline.Chain(&talker{say: len(said)}, e)
				})
				c := w.connect(nil)
				c.say(`{"type":"hello","version":1,"input":{"rate":24000},"output":{"rate":24000},"marks":` + marks + `}`)
				c.text()
				got := make([]bool, len(said)) // what has come
				next := 0
				read := func(until time.Duration) {
					for time.Since(e.began) < until {
						kind, b, err := c.conn.Read(context.Background())
						if err != nil {
							t.Fatal(err)
						}
						if kind == ws.MessageText {
							c.say(string(b))
							continue
						}
						samples := audio.DecodePCM(nil, b)
						for !slices.Equal(samples, said[next:next+len(samples)]) {
							next += len(samples)
						}
						for range samples {
							got[next] = true
							next++
						}
					}
				}
				c.talk(voice(1, 480))
				read(time.Second)
				time.Sleep(900 * time.Millisecond)
				e.mu.Lock()
				if n := len(e.playouts); n == 0 || int(e.playouts[n-1].Heard) > next {
					t.Errorf("it waits for all but %d samples, and is told to have heard %v", next, e.playouts[n-1])
				}
				e.mu.Unlock()
				time.Sleep(1100 * time.Millisecond)
				read(5 * time.Second) // and it is late
				go func() {
					time.Sleep(3 * time.Second)
					c.say(`{"type":"bye"}`)
				}()
				for next < len(said) {
					read(time.Since(e.began) + 1)
				}
				c.rest()
				synctest.Wait()

				e.mu.Lock()
				defer e.mu.Unlock()
				heard := make([]bool, len(said))
				at, dropped := 0, 0
				for _, p := range e.playouts {
					for ; at < int(p.Heard); at++ {
						heard[at] = true
					}
					if p.Flushed != p.Dropped {
						t.Errorf("%v, and nothing was interrupted", p)
					}
					if p.Flushed {
						dropped += int(p.Queued - p.Heard)
						at = int(p.Queued)
					}
				}
				if !slices.Equal(heard, got) {
					t.Errorf("what is told to have been heard is not what was")
				}
				if stats := w.only().Stats(); dropped != int(stats.DroppedAudio)*480 || dropped < 24000/2 {
					t.Errorf("%d samples are told to have been dropped; %+v", dropped, stats)
				}
				if d := w.only().Output().Stats().Dropped; d != audio.Rate24k.Duration(int64(dropped)) {
					t.Errorf("the output says that %v were dropped", d)
				}
				if len(e.started) != 1 || len(e.stopped) != 1 {
					t.Errorf("it began to speak at %v and stopped at %v", e.started, e.stopped)
				}
			})
		})
	}
}

// A peer that is far behind makes the clock go back far at each barge-in: that is
// not lateness, and caller and agent stay together.
func TestBargeInsOfAPeerThatIsFarBehindDoNotShiftTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &talker{say: 24000 * 10}
		w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor { return a })
		p := w.phone(1500 * time.Millisecond)
		go func() {
			time.Sleep(3 * time.Second)
			for range 3 {
				a.mu.Lock()
				a.say = 24000 * 10
				a.mu.Unlock()
				p.talk(voice(1, 480))
				time.Sleep(4 * time.Second)
				p.say(`{"type":"interrupt"}`)
				time.Sleep(3 * time.Second)
			}
			if stats := w.only().Output().Stats(); stats.Slipped != 0 {
				t.Errorf("the clock was put back by %v", stats.Slipped)
			}
			p.say(`{"type":"bye"}`)
		}()
		p.answer()
	})
}
