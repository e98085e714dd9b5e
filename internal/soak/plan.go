package soak

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/internal/soak/oracle"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
)

// plan is what a seed makes of a conversation, before it begins.
type plan struct {
	seed uint64

	length time.Duration
	life   time.Duration // of a stream

	input, output audio.SampleRate
	chunk         time.Duration // of the caller's audio
	outputChunk   time.Duration
	vad           bool
	speakFirst    bool

	behaviour    sonictest.Behaviour
	delivery     sonictest.Delivery
	distance     time.Duration
	continuation novasonic.Continuation
	faults       []oracle.Fault
	credentials  []sonictest.Credentials // nil: one that does not expire

	restless  float64 // how often the application asks for a move
	chains    bool    // some tools are called because of what others returned
	instructs bool    // some changes are of the instructions
}

// random is the generator of one of the things that a seed decides, so that a
// change to one leaves the others as they are.
func random(seed uint64, what string) *rand.Rand {
	var h uint64
	for _, c := range []byte(what) {
		h = h*31 + uint64(c)
	}
	return rand.New(rand.NewPCG(seed, h))
}

// chance is true so often.
func chance(rng *rand.Rand, p float64) bool { return rng.Float64() < p }

// pick draws one of several, as often as their weights say.
func pick[T any](rng *rand.Rand, choices ...weighted[T]) T {
	total := 0
	for _, c := range choices {
		total += c.weight
	}
	n := rng.IntN(total)
	for _, c := range choices {
		if n -= c.weight; n < 0 {
			return c.value
		}
	}
	panic("unreachable")
}

type weighted[T any] struct {
	weight int
	value  T
}

// draw makes the plan of one conversation. It is made in virtual time.
func draw(seed uint64, o *Options) plan {
	rng := random(seed, "plan")
	p := plan{
		seed: seed,
		life: pick(rng, weighted[time.Duration]{4, 110 * time.Second}, weighted[time.Duration]{3, 150 * time.Second},
			weighted[time.Duration]{2, 240 * time.Second}, weighted[time.Duration]{2, 480 * time.Second}),
		input:  pick(rng, weighted[audio.SampleRate]{6, audio.Rate8k}, weighted[audio.SampleRate]{5, audio.Rate16k}, weighted[audio.SampleRate]{1, audio.Rate24k}),
		output: pick(rng, weighted[audio.SampleRate]{6, audio.Rate8k}, weighted[audio.SampleRate]{2, audio.Rate16k}, weighted[audio.SampleRate]{2, audio.Rate24k}),
		chunk: pick(rng, weighted[time.Duration]{14, 100 * time.Millisecond}, weighted[time.Duration]{2, 20 * time.Millisecond},
			weighted[time.Duration]{1, 10 * time.Millisecond}, weighted[time.Duration]{2, 60 * time.Millisecond}, weighted[time.Duration]{2, 200 * time.Millisecond}),
		outputChunk: pick(rng, weighted[time.Duration]{10, 100 * time.Millisecond}, weighted[time.Duration]{2, 20 * time.Millisecond}, weighted[time.Duration]{2, 40 * time.Millisecond}),
		vad:         chance(rng, 0.4),
		speakFirst:  chance(rng, 0.25),
		restless:    pick(rng, weighted[float64]{3, 0}, weighted[float64]{3, 0.08}, weighted[float64]{2, 0.25}),
	}
	p.length = between(rng, 8*time.Minute, 20*time.Minute)
	if p.life == 480*time.Second {
		p.length = between(rng, 16*time.Minute, 30*time.Minute)
	}
	p.continuation = scaled(p.life, random(seed, "policy"))
	p.behave(random(seed, "behaviour"))
	if seed >= generation {
		p.more(random(seed, "second generation"))
	}
	if seed >= 2*generation {
		p.far(random(seed, "distance"))
	}
	if !o.faults.credentials || chance(rng, 0.8) {
		p.faults = o.faults.draw(random(seed, "faults"), p.life)
	}
	if o.faults.credentials && chance(rng, 0.25) {
		p.credentials = keys(time.Now(), p.length)
	}
	return p
}

// scaled is the policy for streams that live so long: as the default is for
// those of eight minutes, with the same half minute at the end for what has to
// be done whatever happens. The jitter is the seed's, not the service's, so that
// a conversation can be held again.
func scaled(life time.Duration, rng *rand.Rand) novasonic.Continuation {
	force := life - 30*time.Second
	prepare := force - min(2*force/3, 120*time.Second)
	return novasonic.Continuation{
		Prepare: prepare - between(rng, 0, prepare/11),
		Prefer:  force - min(force/3, 45*time.Second),
		Force:   force,
		Limit:   life,
		Jitter:  -1,
		Random:  rng.Float64,
	}
}

// keys are credentials that replace each other for so long. Each is used until
// five minutes before it expires.
func keys(now time.Time, length time.Duration) []sonictest.Credentials {
	const each = 4 * time.Minute
	var all []sonictest.Credentials
	for n := 0; ; n++ {
		k := sonictest.Credentials{
			AccessKeyID:     "PARLEYSOAK" + string(rune('A'+n%26)) + string(rune('A'+n/26)),
			SecretAccessKey: "parley-soak",
			SessionToken:    "token",
			Expires:         now.Add(6*time.Minute + time.Duration(n)*each),
		}
		if k.Expires.Sub(now) > length+time.Hour {
			k.Expires = time.Time{}
			return append(all, k)
		}
		all = append(all, k)
	}
}

// behave chooses what is not known of the service, or differs from one model
// and day to another.
func (p *plan) behave(rng *rand.Rand) {
	b := &p.behaviour
	if chance(rng, 0.2) {
		b.UserSpeech = sonictest.Off
	}
	b.CompletionPerTurn = chance(rng, 0.3)
	b.Interruption = sonictest.Interruption{
		NoMarker:         chance(rng, 0.12),
		AudioInterrupted: chance(rng, 0.2),
		FinalTruncated:   chance(rng, 0.3),
		FinalBefore:      chance(rng, 0.3),
	}
	if chance(rng, 0.2) {
		b.Interruption.Trailing = between(rng, 50*time.Millisecond, time.Second)
	}
	b.FinalText = pick(rng, weighted[sonictest.FinalText]{6, sonictest.FinalOnInputClock}, weighted[sonictest.FinalText]{2, sonictest.FinalOnWallClock},
		weighted[sonictest.FinalText]{1, sonictest.FinalAtNextInput}, weighted[sonictest.FinalText]{2, sonictest.FinalOutOfOrder}, weighted[sonictest.FinalText]{1, sonictest.FinalMissing})
	if chance(rng, 0.2) {
		b.FinalLate = between(rng, 0, 5*time.Second)
	}
	b.DoubleEncodedArguments = chance(rng, 0.1)
	b.ToolBlocksNested = chance(rng, 0.3)
	b.SplitTranscript = chance(rng, 0.2)
	b.EmptyTranscript = chance(rng, 0.2)
	b.Padding = chance(rng, 0.1)
	b.HeadersAt = pick(rng, weighted[sonictest.HeadersAt]{6, sonictest.AfterPromptStart}, weighted[sonictest.HeadersAt]{1, sonictest.AfterFirstEvent}, weighted[sonictest.HeadersAt]{1, sonictest.AtOnce})
	b.Prefix = pick(rng, weighted[sonictest.Prefix]{3, sonictest.PrefixRequestID}, weighted[sonictest.Prefix]{1, sonictest.PrefixErrors}, weighted[sonictest.Prefix]{1, sonictest.PrefixNone})
	p.delivery.Speed = pick(rng, weighted[float64]{5, 2.5}, weighted[float64]{1, 1.5}, weighted[float64]{1, 8})
}

// more is what the second generation of seeds has besides.
func (p *plan) more(rng *rand.Rand) {
	b := &p.behaviour
	p.chains = chance(rng, 0.7)
	p.instructs = chance(rng, 0.5)
	b.Interruption.CallsStand = chance(rng, 0.3)
	b.Interruption.AudioPartial = !b.Interruption.AudioInterrupted && chance(rng, 0.15)
	b.TranscriptFirst = chance(rng, 0.15)
	b.TextInParts = chance(rng, 0.1)
	if chance(rng, 0.2) {
		b.LeadingSpace = sonictest.Off
	}
}

// far puts a distance between the client and the service, which takes no time in the
// first two generations.
func (p *plan) far(rng *rand.Rand) {
	if chance(rng, 0.7) {
		p.distance = between(rng, 5*time.Millisecond, 75*time.Millisecond).Round(time.Millisecond)
	}
}

// server is the emulator's configuration.
func (p *plan) server() sonictest.Config {
	c := sonictest.Config{
		Seed:      p.seed,
		Behaviour: p.behaviour,
		// Without jitter it is known to the sample when an answer is due.
		Latency:     sonictest.Latency{Jitter: -1},
		Delivery:    p.delivery,
		Distance:    p.distance,
		Limits:      sonictest.Limits{Life: p.life},
		Credentials: p.credentials,
		KeepAudio:   true,
		KeepStreams: 4096,
	}
	for _, f := range p.faults {
		c.Faults = append(c.Faults, f.Cause)
	}
	return c
}

func (p plan) String() string {
	s := fmt.Sprintf("%v, streams of %v, %v in pieces of %v, answers at %v in chunks of %v",
		p.length.Round(time.Second), p.life, p.input, p.chunk, p.output, p.outputChunk)
	if p.distance > 0 {
		s += fmt.Sprintf(", %v from the service", p.distance)
	}
	return s
}
