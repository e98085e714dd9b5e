package main

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-go/parley/examples/webrtc/phone"
	"github.com/parley-go/parley/internal/ear"
	"github.com/parley-go/parley/processors/conversation"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// It is on real sockets and in real time, as for whoever tries it.
func TestCallerAndAgentHearEachOther(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole call in real time")
	}
	said, heard := inTime(t)
	if want := []string{
		"caller: Hello, I am standing in front of your shop, and it is closed.",
		"agent: I am sorry, we are at lunch. We are back at half past one.",
		"caller: Can I leave my bicycle at the door?",
		"agent: Please don't. The bakery next door will take it in for us.",
		"caller: All right. Thank you for your help.",
		"agent: You are welcome. See you soon.",
	}; !slices.Equal(said, want) {
		t.Errorf("it was understood:\n%s", strings.Join(said, "\n"))
	}
	// What the caller has got of it, behind Opus and the network.
	sentences := ear.Listen(t, heard, phone.Rate)
	for _, s := range sentences {
		if s.Heard < s.Whole-100*time.Millisecond {
			t.Errorf("it was heard in part only: %v", s)
		}
	}
	texts := ear.Texts(sentences)
	if want := []string{
		"I am sorry, we are at lunch. We are back at half past one.",
		"Please don't. The bakery next door will take it in for us.",
		"You are welcome. See you soon.",
	}; !slices.Equal(texts, want) {
		t.Errorf("the caller heard:\n%s", strings.Join(texts, "\n"))
	}
}

// inTime holds the call, once more if this machine was too busy for it to be in time.
func inTime(t *testing.T) (said []string, heard []int16) {
	t.Helper()
	for try := 1; ; try++ {
		said = nil
		heard, err := callOnce(t.Context(), func(turn conversation.Turn) { said = append(said, string(turn.Who)+": "+turn.Text()) })
		if err == nil {
			return said, heard
		}
		if try == 3 || !errors.Is(err, phone.ErrLate) {
			t.Fatal(err)
		}
		t.Log(err)
	}
}

func TestBrowsersGetThePage(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	s, err := serve("127.0.0.1:0", func(conversation.Turn) {})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	response, err := http.Get("http://" + s.address + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK || !strings.Contains(string(b), "RTCPeerConnection") {
		t.Errorf("got %s, %v: %s", response.Status, err, b)
	}
	if kind := response.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/html") {
		t.Errorf("it is of type %q", kind)
	}
	// Nobody else calls here.
	if _, err := phone.Call(t.Context(), "http://"+s.address+"/", nil); err == nil || !strings.Contains(err.Error(), "405") {
		t.Errorf("a call to the page: %v", err)
	}
}
