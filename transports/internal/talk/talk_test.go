package talk

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/parley-go/parley/frames"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWhatBothSidesSay(t *testing.T) {
	for in, want := range map[string]string{
		`{"type":"message","data":{"a":1}}`: `message {"a":1}`,
		`{"type":"message"}`:                `message `,
		`{"type":"dtmf","digit":"#"}`:       "key #",
		`{"type":"dtmf","digit":"E"}`:       "is not a key",
		`{"type":"dtmf","digit":"12"}`:      "is not a key",
		`{"type":"dtmf"}`:                   "is not a key",
		`{"type":"bye"}`:                    "bye",
		`{"type":"mark","name":"7"}`:        "mark 7",
		`{}`:                                "",
		`null`:                              "",
		`[]`:                                ErrForm.Error(),
		`{"type":1}`:                        ErrForm.Error(),
		``:                                  ErrForm.Error(),
	} {
		said, f, err := Decode([]byte(in))
		got := ""
		switch f := f.(type) {
		case *frames.TransportMessageInput:
			got = "message " + string(f.Message.(json.RawMessage))
		case *frames.DTMFInput:
			got = "key " + string(f.Digit)
		case nil:
			got = strings.TrimSpace(said.Type + " " + said.Name)
		}
		if err != nil {
			got = err.Error()
		}
		if got != want && (err == nil || !strings.Contains(got, want)) || errors.Is(err, ErrForm) != strings.Contains(want, "JSON") {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

func TestWhatIsSaidIsUnderstood(t *testing.T) {
	b, err := Message(map[string]int{"a": 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, f, err := Decode(b); err != nil || string(f.(*frames.TransportMessageInput).Message.(json.RawMessage)) != `{"a":1}` {
		t.Errorf("%s: %v, %v", b, f, err)
	}
	for _, key := range []byte("0123456789*#ABCD") {
		if _, f, err := Decode(Press(key)); err != nil || f.(*frames.DTMFInput).Digit != key {
			t.Errorf("%c: %v, %v", key, f, err)
		}
	}
	if _, err := Message(func() {}); err == nil {
		t.Error("a function was made a message")
	}
}

func TestAClientIsToldOnceThatTheBotIsReady(t *testing.T) {
	var bot, client RTVI
	ready, err := client.ClientReady("7")
	if err != nil {
		t.Fatal(err)
	}
	f, answer, err := bot.Decode(ready)
	want := `{"label":"rtvi-ai","type":"bot-ready","id":"7","data":{"version":"2.1.0","about":{"library":"parley"}}}`
	if f != nil || err != nil || string(answer) != want {
		t.Errorf("%v, %s, %v; want %s", f, answer, err, want)
	}
	if f, answer, err := bot.Decode(ready); f != nil || answer != nil || err != nil {
		t.Errorf("the second time: %v, %s, %v", f, answer, err)
	}
	if f, answer, err := client.Decode([]byte(want)); f == nil || answer != nil || err != nil {
		t.Errorf("what the bot answers is the application's: %v, %s, %v", f, answer, err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{"type":"message","data":1}`, `{"type":"dtmf","digit":"1"}`, `{"label":"rtvi-ai","type":"client-ready","id":"1","data":{"version":"2"}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, frame, err := Decode(data); frame != nil && err != nil {
			t.Errorf("%q: %v and %v", data, frame, err)
		}
		var bot RTVI
		frame, answer, err := bot.Decode(data)
		if frame != nil && (answer != nil || err != nil) || len(answer) > 4096 || err == nil != json.Valid(data) && errors.Is(err, ErrForm) {
			t.Errorf("%q: %v, %q, %v", data, frame, answer, err)
		}
	})
}
