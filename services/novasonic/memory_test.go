package novasonic

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/parley-go/parley/audio"
	"pgregory.net/rapid"
)

// ramp is samples whose values tell their position.
func ramp(from audio.Position, n int) []int16 {
	s := make([]int16, n)
	for i := range s {
		s[i] = int16(int(from) + i)
	}
	return s
}

func TestRingKeepsTheNewestSamplesAtTheirPositions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// At 400 Hz a block of loudness is four samples.
		r := newRing(400, time.Duration(rapid.IntRange(1, 12).Draw(t, "size"))*levelBlock)
		var end audio.Position
		for _, n := range rapid.SliceOfN(rapid.IntRange(0, 80), 1, 10).Draw(t, "writes") {
			r.write(ramp(end, n))
			end += audio.Position(n)
		}
		ask := audio.Position(rapid.IntRange(-5, int(end)+5).Draw(t, "from"))
		got, from := r.since(ask)
		oldest := max(0, end-audio.Position(len(r.buf)))
		if want := min(max(ask, oldest), end); from != want {
			t.Fatalf("since(%d) begins at %d, want %d (kept: %d to %d)", ask, from, want, oldest, end)
		}
		if want := ramp(from, int(end-from)); !slices.Equal(got, want) {
			t.Fatalf("since(%d) = %v, want %v", ask, got, want)
		}
	})
}

func TestSoundIsFoundWhereItIs(t *testing.T) {
	loud := func(n int) []int16 { return slices.Repeat([]int16{3000, -3000}, n/2) }
	soft := func(n int) []int16 { return slices.Repeat([]int16{20, -20}, n/2) }
	noisy := func(n int) []int16 { return slices.Repeat([]int16{300, -300}, n/2) }
	for name, tc := range map[string]struct {
		pieces      [][]int16
		first, last audio.Position
	}{
		"silence":              {[][]int16{soft(16000)}, 16000, 16000},
		"going on":             {[][]int16{soft(8000), loud(1600)}, 8000, 8000},
		"with a short pause":   {[][]int16{soft(8000), loud(1600), soft(3200), loud(800)}, 8000, 8000},
		"over":                 {[][]int16{soft(8000), loud(1600), soft(8000)}, 8000, 17600},
		"after a long pause":   {[][]int16{soft(8000), loud(1600), soft(8000), loud(1600)}, 8000, 17600},
		"as the call begins":   {[][]int16{soft(160), loud(4000)}, 160, 160},
		"a noisy line":         {[][]int16{noisy(16000)}, 16000, 16000},
		"in pieces of no unit": {[][]int16{soft(7998), loud(2), loud(1600), soft(14)}, 7840, 7840},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRing(audio.Rate16k, 10*time.Second)
			for _, p := range tc.pieces {
				r.write(p)
			}
			if first, last := r.firstSound(0), r.lastSound(0); first != tc.first || last != tc.last {
				t.Errorf("first sound at %d, last at %d, want %d and %d", first, last, tc.first, tc.last)
			}
		})
	}
}

func TestClockMapTellsWhatTheUserSaidWhenTheStreamHeardIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// The oracle: the user's position for each sample that the stream heard.
		var m clockMap
		var heard []audio.Position
		user := audio.Position(rapid.IntRange(0, 1000).Draw(t, "first"))
		for range rapid.IntRange(1, 12).Draw(t, "pieces") {
			n := rapid.IntRange(1, 30).Draw(t, "samples")
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0: // the microphone is muted
				m.silence(user, n)
				for range n {
					heard = append(heard, user)
				}
			case 1: // something was lost, or is heard again
				user += audio.Position(rapid.IntRange(-20, 20).Draw(t, "jump"))
				fallthrough
			default:
				m.audio(user, n)
				for range n {
					heard = append(heard, user)
					user++
				}
			}
		}
		if m.sent != audio.Position(len(heard)) {
			t.Fatalf("%d samples sent, want %d", m.sent, len(heard))
		}
		for at, want := range heard {
			if got := m.user(audio.Position(at)); got != want {
				t.Fatalf("at %d the stream heard the user's %d, want %d (%+v)", at, got, want, m.steps)
			}
		}
	})
}

func TestHistoryIsShapedAsTheServiceAcceptsIt(t *testing.T) {
	long := strings.Repeat("é", 40_000) // 80 KB
	for _, tc := range []struct {
		name string
		in   []Message
		want []Message
	}{
		{"nothing", nil, nil},
		{"the agent spoke first", []Message{{Assistant, "Hello."}, {User, "Hi."}}, []Message{{User, "[The call begins.]"}, {Assistant, "Hello."}, {User, "Hi."}, {Assistant, "[…]"}}},
		{"neighbours of a role are merged", []Message{{User, "a"}, {User, "b"}, {Assistant, "c"}, {Assistant, "d"}},
			[]Message{{User, "a\nb"}, {Assistant, "c\nd"}}},
		{"places that were never filled are left out", []Message{{User, "a"}, {Assistant, ""}, {User, "b"}}, []Message{{User, "a\nb"}, {Assistant, "[…]"}}},
		{"a trailing message of the user's is not the last", []Message{{User, "a"}, {Assistant, "b"}, {User, "c"}},
			[]Message{{User, "a"}, {Assistant, "b"}, {User, "c"}, {Assistant, "[…]"}}},
		{"broken UTF-8 is mended", []Message{{User, "a\xffb"}}, []Message{{User, "a\uFFFDb"}, {Assistant, "[…]"}}},
		{"a long message keeps its end", []Message{{User, long}}, []Message{{User, strings.Repeat("é", 25_000)}, {Assistant, "[…]"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := shapeHistory(tc.in); !slices.Equal(got, tc.want) {
				t.Errorf("got %.200v, want %.200v", got, tc.want)
			}
		})
	}
}

func TestHistoryNeverExceedsTheLimitsAndLosesTheOldestFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		roles := []Role{User, Assistant}
		var in []Message
		for i := range rapid.IntRange(0, 30).Draw(t, "messages") {
			text := strings.Repeat("ö", rapid.IntRange(0, 30_000).Draw(t, "length")) + string(rune('a'+i%26))
			in = append(in, Message{rapid.SampledFrom(roles).Draw(t, "role"), text})
		}
		got := shapeHistory(in)
		total := 0
		for i, m := range got {
			total += len(m.Text)
			if len(m.Text) > maxMessageBytes || !utf8.ValidString(m.Text) {
				t.Fatalf("message %d has %d bytes, valid UTF-8: %v", i, len(m.Text), utf8.ValidString(m.Text))
			}
			if want := roles[i%2]; m.Role != want {
				t.Fatalf("message %d is %s, want %s", i, m.Role, want)
			}
		}
		if total > maxHistoryBytes {
			t.Fatalf("%d bytes in total", total)
		}
		if n := len(got); n > 0 && got[n-1].Role != Assistant {
			t.Fatal("the user's is the last message")
		}
		// What is kept is the end of what there was.
		if n := len(in); n > 0 && len(got) > 0 && in[n-1].Role == User {
			got = got[:len(got)-1] // it stands for the agent
		}
		if n := len(in); n > 0 && len(got) > 0 && got[len(got)-1].Role == in[n-1].Role {
			last := in[n-1].Text
			if newest := last[max(0, len(last)-1):]; !strings.HasSuffix(got[len(got)-1].Text, newest) {
				t.Fatalf("the newest message, which ends in %q, was not kept", newest)
			}
		}
	})
}

func TestWhatWasHeardOfASentenceEndsAtAWord(t *testing.T) {
	s := &sentence{reply: &reply{}, announced: "We are open until six today.", from: 1000, to: 2000, voiced: true, complete: true}
	for _, tc := range []struct {
		heard audio.Position
		want  string
		cut   bool
	}{
		{900, "", true},
		{1000, "", true},
		{1250, "We are", true}, // 7 of 28 bytes
		{1300, "We are", true}, // in the middle of "open"
		{1999, "We are open until six", true},
		{2000, "We are open until six today.", false},
		{5000, "We are open until six today.", false},
	} {
		if got, cut := s.heardPart(tc.heard, 24000); got != tc.want || cut != tc.cut {
			t.Errorf("heard up to %d: %q, cut %v; want %q, %v", tc.heard, got, cut, tc.want, tc.cut)
		}
	}
}

func TestTheMemoryIsBoundedInBytes(t *testing.T) {
	var past transcript
	for i := range 2000 {
		past.add(User, strings.Repeat("é", 5000)+" "+strings.Repeat("x", i))
	}
	total := 0
	for _, m := range past.messages() {
		total += len(m.Text)
	}
	if total < maxHistoryBytes || total > 8*maxHistoryBytes {
		t.Errorf("%d bytes are kept, want at least the %d that a stream may be told and not many times that", total, maxHistoryBytes)
	}
	if last := past.messages()[len(past.messages())-1].Text; !strings.HasSuffix(last, strings.Repeat("x", 1999)) {
		t.Error("the newest message is not kept")
	}
}
