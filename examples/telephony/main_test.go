package main

import (
	"bytes"
	"encoding/xml"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/internal/ear"
	"github.com/parley-go/parley/processors/conversation"
	"github.com/parley-go/parley/transports/websocket/telephony"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// It is on real sockets and in real time, as for whoever tries it.
func TestTheCallerInterruptsTheAgentAndIsAnswered(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole call in real time")
	}
	defer http.DefaultClient.CloseIdleConnections()
	var agent, caller []string
	var interrupted []bool
	heard, err := callOnce(t.Context(), func(turn conversation.Turn) {
		if turn.Who == conversation.Caller {
			caller = append(caller, turn.Text())
			return
		}
		agent, interrupted = append(agent, turn.Text()), append(interrupted, turn.Interrupted())
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{
		"Hi there. Can you tell me how a full service works?",
		"Sorry, let me stop you there. How much does it cost?",
		"And how long does it take?",
		"That is all that I wanted to know. Goodbye.",
	}; !slices.Equal(caller, want) {
		t.Errorf("the caller was understood:\n%s", strings.Join(caller, "\n"))
	}
	if !slices.Equal(interrupted, []bool{true, false, false, false}) {
		t.Errorf("the agent was interrupted: %v in\n%s", interrupted, strings.Join(agent, "\n"))
	}

	// What came out of the telephone.
	sentences := ear.Listen(t, heard, audio.Rate8k)
	if want := []string{
		"With pleasure. First we clean the whole bicycle, and check the frame for cracks.",
		"Then we adjust the gears and the brakes, and replace every cable that is worn.", // cut off
		"A full service is ninety pounds. Parts are extra.",
		"Two days. If you bring it on Monday, you have it back on Wednesday.",
		"Goodbye, and ride safely.",
	}; !slices.Equal(ear.Texts(sentences), want) {
		t.Fatalf("the caller heard:\n%s", strings.Join(ear.Texts(sentences), "\n"))
	}
	for i, s := range sentences {
		if whole := s.Heard > s.Whole-150*time.Millisecond; whole != (i != 1) {
			t.Errorf("of sentence %d was heard: %v", i+1, s)
		}
	}
	// The transcript has no more of the sentence that was cut than was heard, but for
	// the word in which that was.
	if said, whole := agent[0], sentences[1].Text; !strings.HasPrefix(said, sentences[0].Text) || strings.HasSuffix(said, whole) {
		t.Errorf("of its first answer the agent has said: %s", said)
	}
}

func TestTheNumberOfTheCallerReachesTheAgentAsItIs(t *testing.T) {
	const number = `"<&>' sip:x@example.com`
	r := httptest.NewRequest("POST", "/answer", strings.NewReader(url.Values{"From": {number}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	connect("wss://bot.example.com/twilio").ServeHTTP(w, r)
	var todo twiML
	if err := xml.Unmarshal(w.Body.Bytes(), &todo); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	if todo.Stream.URL != "wss://bot.example.com/twilio" || !slices.Equal(todo.Stream.Parameters, []parameter{{"from", number}}) {
		t.Errorf("Twilio is told %s", w.Body)
	}
	if !bytes.HasPrefix(w.Body.Bytes(), []byte(`<Response><Connect><Stream url="wss://bot.example.com/twilio"><Parameter name="from"`)) {
		t.Errorf("it is no TwiML: %s", w.Body)
	}
}

func TestWhoeverIsNotTwilioIsNotLetIn(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := serve(listener, "ws://"+listener.Addr().String(), "secret", telephony.TwilioConfig{}, func(conversation.Turn) {})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if _, err := (&line{token: "another"}).open(t.Context(), s.public+"/twilio"); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("with another secret: %v", err)
	}
	conn, err := (&line{token: "secret"}).open(t.Context(), s.public+"/twilio")
	if err != nil {
		t.Fatalf("with the right one: %v", err)
	}
	conn.CloseNow()
}
