package soak

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/parley-go/parley/internal/nearest"
	"github.com/parley-go/parley/internal/soak/oracle"
	"github.com/parley-go/parley/services/novasonic/sonictest"
)

// faultType is one thing that can go wrong on a stream.
type faultType struct {
	name string
	kind oracle.FaultKind
	do   func(rng *rand.Rand) sonictest.Action
}

func always(a sonictest.Action) func(*rand.Rand) sonictest.Action {
	return func(*rand.Rand) sonictest.Action { return a }
}

// faultTypes are all there are.
func faultTypes() []faultType {
	slow := func(make func(time.Duration) sonictest.Action) func(*rand.Rand) sonictest.Action {
		return func(rng *rand.Rand) sonictest.Action { return make(between(rng, 200*time.Millisecond, 6*time.Second)) }
	}
	return []faultType{
		{"throttled", oracle.Refuses, always(sonictest.Refuse(429, "ThrottlingException", "Too many requests, please wait before trying again."))},
		{"quota", oracle.Refuses, always(sonictest.Refuse(400, "ServiceQuotaExceededException", "Your request exceeds the service quota for your account."))},
		{"unavailable", oracle.Refuses, always(sonictest.Refuse(503, "ServiceUnavailableException", "The service is temporarily unavailable."))},
		{"slow-open", oracle.Delays, slow(sonictest.SlowOpen)},
		{"slow-headers", oracle.Delays, slow(sonictest.SlowHeaders)},
		{"instability", oracle.Ends, always(sonictest.Instability())},
		{"531", oracle.Ends, always(sonictest.Closed531())},
		{"532", oracle.Ends, always(sonictest.Idle532())},
		{"timeout", oracle.Ends, always(sonictest.TimedOut())},
		{"throttled-stream", oracle.Ends, always(sonictest.Exception("throttlingException", "Too many tokens, please wait before trying again."))},
		{"server-error", oracle.Ends, always(sonictest.Exception("internalServerException", "The system encountered an unexpected error during processing. Try your request again."))},
		{"error-message", oracle.Ends, always(sonictest.ErrorMessage("InternalFailure", "The request processing has failed."))},
		{"reset", oracle.Ends, always(sonictest.Reset())},
		{"end", oracle.Ends, always(sonictest.EndStream())},
		{"truncate", oracle.Ends, always(sonictest.Truncate())},
		{"bad-crc", oracle.Ends, always(sonictest.BadCRC())},
		{"kill", oracle.Ends, always(sonictest.KillConnection())},
		{"stall", oracle.Deafens, always(sonictest.Stall())},
		{"stall-reads", oracle.Deafens, always(sonictest.StallReads())},
		{"stall-writes", oracle.Silences, always(sonictest.StallWrites())},
		{"goaway", oracle.Harmless, always(sonictest.GoAway())},
	}
}

// credentials is the fault that is none of a stream's: keys that expire.
const credentials = "credentials"

// FaultNames lists what Options.Faults may name.
func FaultNames() []string {
	names := []string{credentials}
	for _, t := range faultTypes() {
		names = append(names, t.name)
	}
	return names
}

// faultSet is the faults that a soak test may inject.
type faultSet struct {
	types       []faultType
	credentials bool
}

// parseFaults reads "all", "none" or a list of names.
func parseFaults(s string) (faultSet, error) {
	all := faultTypes()
	switch s {
	case "none":
		return faultSet{}, nil
	case "", "all":
		return faultSet{types: all, credentials: true}, nil
	}
	var set faultSet
	for name := range strings.SplitSeq(s, ",") {
		name = strings.TrimSpace(name)
		i := slices.IndexFunc(all, func(t faultType) bool { return t.name == name })
		switch {
		case name == credentials:
			set.credentials = true
		case i >= 0:
			set.types = append(set.types, all[i])
		default:
			hint := ""
			if like := nearest.To(name, FaultNames()); like != "" {
				hint = fmt.Sprintf("did you mean %q? Else ", like)
			}
			return set, fmt.Errorf("there is no fault %q: %suse all, none, or some of %s", name, hint, strings.Join(FaultNames(), ", "))
		}
	}
	return set, nil
}

// draw plans the faults of a conversation, some of whose streams meet one.
func (s faultSet) draw(rng *rand.Rand, life time.Duration) []oracle.Fault {
	if len(s.types) == 0 {
		return nil
	}
	const streams = 400 // more than any conversation opens
	share := 0.2 + 0.6*rng.Float64()
	refused := 0 // in a row
	var faults []oracle.Fault
	for n := range streams {
		if rng.Float64() >= share {
			refused = 0
			continue
		}
		t := s.types[rng.IntN(len(s.types))]
		if n < 3 && t.name == "quota" {
			continue // an account that has no stream to spare begins no conversation
		}
		if t.kind == oracle.Refuses {
			// What lasts longer than the client's patience would end the
			// conversation, rightly.
			if refused++; refused > 2 {
				refused = 0
				continue
			}
		} else {
			refused = 0
		}
		f := sonictest.Fault{Streams: []int{n}, Do: t.do(rng)}
		if t.kind != oracle.Refuses && t.kind != oracle.Delays {
			when(rng, &f, life)
		}
		faults = append(faults, oracle.Fault{Stream: n, Name: t.name, Kind: t.kind, Cause: f})
	}
	return faults
}

// when chooses the moment: an age, while the stream is told its history, when
// the user begins to speak, and so on.
func when(rng *rand.Rand, f *sonictest.Fault, life time.Duration) {
	switch rng.IntN(8) {
	case 0: // while it is being opened, or waits
		f.After = between(rng, 0, 3*time.Second)
	case 1: // while it is told what it has to know
		f.Input, f.Nth = "*", 1+rng.IntN(12)
	case 2: // while it hears the replay, or soon after
		f.Input, f.Nth = "audioInput", 1+rng.IntN(20)
	case 3: // as the user speaks
		f.Output, f.Nth = "userSpeechStart", 1+rng.IntN(4)
	case 4: // as the user has spoken
		f.Output, f.Nth = "userSpeechEnd", 1+rng.IntN(4)
	case 5: // as the agent speaks
		f.Output, f.Nth = "audioOutput", 1+rng.IntN(200)
	case 6: // with a tool at work
		f.Output, f.Nth = "toolUse", 1+rng.IntN(2)
	default:
		f.After = between(rng, 0, life)
	}
}

// between draws a duration.
func between(rng *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(rng.Int64N(int64(most-least)+1))
}

// CheckFaults tells what is wrong with a value of Options.Faults.
func CheckFaults(s string) error {
	_, err := parseFaults(s)
	return err
}
