package sonictest_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-go/parley/services/novasonic/sonictest"
)

// rhythm is when the pieces of an answer to something said came, from the end of
// the words on, and how long each was.
func rhythm(log sonictest.StreamLog, heard int) (r []string) {
	h := log.Heard[heard]
	for _, o := range log.Output {
		if o.Answer == h.Answer && o.Stage != "FINAL" && o.At < log.Answers[h.Answer].Done {
			r = append(r, (o.At-h.At).String()+" "+o.Name, time.Duration(o.Samples).String())
		}
	}
	return r
}

func TestAnAnswerTakesItsTimeWhicheverStreamGivesIt(t *testing.T) {
	serve(t, sonictest.Config{Seed: 1}, func(t *testing.T, srv *sonictest.Server) {
		pause := silence(4 * time.Second)
		talk(t, srv, join(pause, words("12"), pause, words("34"), pause, words("12"), pause))

		p := open(t, srv)
		p.send(opening(text("H1", "USER", false, "one two"), text("H2", "ASSISTANT", false, "You said one two."))...)
		p.pace(join(words("34"), pause, words("12"), pause))
		p.send(closing()...)
		p.closeSend()
		p.rest()

		whole, _ := srv.Stream(0)
		second, _ := srv.Stream(1)
		if len(whole.Heard) != 3 || len(second.Heard) != 2 || len(rhythm(whole, 0)) < 10 {
			t.Fatalf("the streams heard %d and %d utterances, want 3 and 2", len(whole.Heard), len(second.Heard))
		}
		for i := range 2 {
			if diff := cmp.Diff(rhythm(whole, i+1), rhythm(second, i)); diff != "" {
				t.Errorf("answer %d on one stream, and on the next with its history (-one +next):\n%s", i+1, diff)
			}
		}
		if cmp.Equal(rhythm(whole, 0), rhythm(whole, 2)) {
			t.Error("what is said twice is answered in the same time twice, to the nanosecond")
		}
	})
}
