package sonictest

import (
	"time"

	"github.com/parley-go/parley/services/novasonic/sonictest/hearing"
)

// The models that the emulator knows. They differ in their voices and in what
// they understand; see [Behaviour].
const (
	ModelV1  = "amazon.nova-sonic-v1:0"
	ModelV2  = "amazon.nova-2-sonic-v1:0"
	ModelV25 = "amazon.nova-2-5-sonic"
)

// Config describes a server. The zero value is a strict one in us-east-1 that
// echoes what it hears.
type Config struct {
	// Seed makes every random choice: latencies, sizes of audio pieces, ids,
	// faults with a probability. The same seed, clients and virtual time make
	// the same conversation. How a turn is answered in time depends on the seed
	// and what was said, not on the stream: a conversation that moves from
	// stream to stream is answered as one that does not.
	Seed uint64

	// Brain decides what is said. Default: Echo.
	Brain Brain

	// Library holds the recordings that the server recognises, besides DTMF
	// digits, which it always does. Default: none.
	Library *hearing.Library

	// Models are the model ids that are served. Default: all that it knows.
	Models []string

	// Region is the region that requests must be signed for. Default:
	// us-east-1.
	Region string

	// Credentials are the keys that may sign requests. Default: one random
	// pair, which AWSConfig and Environ hand out.
	Credentials []Credentials

	// Behaviour is what the real service does in one way here and in another
	// there, or what is not known of it.
	Behaviour Behaviour

	// Latency is how long the model thinks.
	Latency Latency

	// Delivery is how audio is sent.
	Delivery Delivery

	// Distance is how long everything is on its way, in each direction, once a
	// connection is open. Default: 0, the service is next door; 40 ms is across an
	// ocean.
	Distance time.Duration

	// Limits are the service's.
	Limits Limits

	// Faults are what goes wrong, and when. More can be added later, with
	// Server.AddFault.
	Faults []Fault

	// KeepAudio keeps the input audio of every stream in its StreamLog: about
	// 2 MB a minute at 16 kHz.
	KeepAudio bool

	// KeepStreams is how many streams that have ended are kept in Streams;
	// older ones are forgotten, and the same number of refused requests beside
	// them. Without its samples the record of a busy stream of eight minutes takes
	// about 1 MB. Default: 256. Negative keeps none.
	KeepStreams int

	// KeepSamples is how many bytes of samples the records hold: those of
	// answers and of utterances, which are some 3 MB a minute of speech at
	// 24 kHz. When there are more, the streams that ended first lose theirs; an
	// open stream that has an eighth of that of its own loses those of its
	// oldest turns. Nothing else in the records is lost. Default: 128 MiB.
	// Negative, or with KeepAudio, there is no limit.
	KeepSamples int
}

// Credentials are an access key that the server accepts.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string // "" for a key without token

	// Expires is when the service stops accepting them: requests are refused
	// with ExpiredTokenException, and streams that they opened break. Zero
	// means never.
	Expires time.Time

	// Denied are keys that are good but lack bedrock:InvokeModel.
	Denied bool
}

func (c Config) withDefaults() Config {
	if c.Brain == nil {
		c.Brain = Echo()
	}
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	if len(c.Models) == 0 {
		c.Models = []string{ModelV1, ModelV2, ModelV25}
	}
	if c.KeepStreams == 0 {
		c.KeepStreams = 256
	}
	orDefault(&c.KeepSamples, 128<<20)
	if c.KeepAudio {
		c.KeepSamples = -1
	}
	c.Limits = c.Limits.withDefaults()
	c.Latency = c.Latency.withDefaults()
	c.Delivery = c.Delivery.withDefaults()
	return c
}

func orDefault[T comparable](p *T, def T) {
	var zero T
	if *p == zero {
		*p = def
	}
}
