package sonictest

import (
	"encoding/binary"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/parley-go/parley/services/novasonic/sonictest/internal/protocol"
)

// dice make the random choices of one turn: how long the model takes, and in
// which pieces it speaks. They depend on the seed, on what was said, and on how
// often the user has said it before, in the history as on this stream; not on
// the stream that hears it. So a client that moves a conversation from stream to
// stream gets the same answers at the same times as one that does not, if it
// does so well.
func (s *session) dice(kind TurnKind, text string) *rand.Rand {
	before := 0
	for _, messages := range [][]Message{s.talk.history, s.talk.said} {
		for _, m := range messages {
			switch {
			case m.Role != protocol.RoleUser:
			case text == "" && m.Text == "":
				before++
			case text != "":
				before += strings.Count(m.Text, text) // clients merge messages
			}
		}
	}
	h := fnv.New64a()
	h.Write(binary.LittleEndian.AppendUint64(nil, uint64(kind)<<32|uint64(before)))
	h.Write([]byte(text)) // a hash does not fail
	return rand.New(rand.NewPCG(s.cfg.Seed, h.Sum64()))
}

// spread returns d, up to the fraction by longer or shorter. A negative
// fraction, or duration, is none.
func spread(dice *rand.Rand, d time.Duration, by float64) time.Duration {
	if d <= 0 {
		return 0
	}
	if by <= 0 {
		return d
	}
	return time.Duration(float64(d) * (1 + by*(2*dice.Float64()-1)))
}
