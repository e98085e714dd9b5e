package protocol

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const plainAudio = `{"event":{"audioInput":{"promptName":"P","contentName":"A","content":"AAECAw=="}}}`

func TestTheFastPathTakesWhatClientsSend(t *testing.T) {
	for _, b := range []string{
		plainAudio,
		`{"event":{"audioInput":{"content":"AAECAw==","contentName":"A","promptName":"P"}}}`,
	} {
		got, ok := parseFast([]byte(b))
		if !ok || got.PromptName != "P" || got.ContentName != "A" || !reflect.DeepEqual(got.PCM, []int16{0x100, 0x302}) {
			t.Errorf("%s was read as %+v, %v", b, got, ok)
		}
	}
}

func TestTheFastPathLeavesEverythingElseToTheSlowOne(t *testing.T) {
	for _, b := range []string{
		``, `{"event":{"audioInput":{`, plainAudio + " ", " " + plainAudio,
		strings.Replace(plainAudio, `"A"`, `"\u0041"`, 1),
		strings.Replace(plainAudio, `"A"`, "\"\xff\"", 1),
		strings.Replace(plainAudio, `"A"`, `""`, 1),
		strings.Replace(plainAudio, `AAECAw==`, `AAEC`, 1),
		strings.Replace(plainAudio, `AAECAw==`, `?`, 1),
		strings.Replace(plainAudio, `"contentName":"A"`, `"promptName":"A"`, 1),
		strings.Replace(plainAudio, `"content"`, `"more":"x","content"`, 1),
		strings.Replace(plainAudio, "audioInput", "textInput", 1),
	} {
		if got, ok := parseFast([]byte(b)); ok {
			t.Errorf("%s was read as %+v", b, got)
		}
	}
}

// FuzzParse: no input makes it panic, the two ways of reading agree, and a
// refusal has words.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		plainAudio, `{}`, `null`, `{"event":{}}`, `{"event":{"sessionEnd":{}}}`,
		`{"event":{"sessionStart":{"inferenceConfiguration":{"maxTokens":1,"topP":0.5,"temperature":1},"turnDetectionConfiguration":{"endpointingSensitivity":"LOW"}}}}`,
		`{"event":{"promptStart":{"promptName":"P","audioOutputConfiguration":{"mediaType":"audio/lpcm","sampleRateHertz":24000,"voiceId":"matthew"},"toolConfiguration":{"tools":[{"toolSpec":{"name":"t","inputSchema":{"json":"{}"}}}],"toolChoice":{"any":{}}}}}}`,
		`{"event":{"contentStart":{"promptName":"P","contentName":"T","type":"TOOL","toolResultInputConfiguration":{"toolUseId":"x"}}}}`,
		`{"event":{"textInput":{"promptName":"P","contentName":"C","content":"hello"}}}`,
		`{"event":{"toolResult":{"promptName":"P","contentName":"C","content":"{}"}}}`,
		"{\"event\":{\"audioInput\":{\"promptName\":\"P\",\"contentName\":\"A\",\"content\":\"AAEC\nAw==\"}}}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		name, ev, refusal := Parse(b)
		slowName, slowEvent, slowRefusal := parse(b)
		if name != slowName || !reflect.DeepEqual(ev, slowEvent) || !reflect.DeepEqual(refusal, slowRefusal) {
			t.Errorf("read fast as %q %+v %v, slowly as %q %+v %v", name, ev, refusal, slowName, slowEvent, slowRefusal)
		}
		if (ev == nil) == (refusal == nil) {
			t.Errorf("the event is %v and the refusal %v", ev, refusal)
		}
		if refusal != nil && (refusal.Exception != ExceptionValidation || refusal.Text == "") {
			t.Errorf("the refusal is %+v", refusal)
		}
		if ev != nil && (ev.Name() != name || !json.Valid(b)) {
			t.Errorf("%q was read as %q", b, name)
		}
	})
}

// FuzzRules: whatever comes in whatever order, the rules hold and end.
func FuzzRules(f *testing.F) {
	events := []string{
		`{"event":{"sessionStart":{}}}`,
		`{"event":{"promptStart":{"promptName":"P","audioOutputConfiguration":{"sampleRateHertz":24000,"voiceId":"matthew"}}}}`,
		`{"event":{"contentStart":{"promptName":"P","contentName":"S","type":"TEXT","role":"SYSTEM"}}}`,
		`{"event":{"textInput":{"promptName":"P","contentName":"S","content":"x"}}}`,
		`{"event":{"contentEnd":{"promptName":"P","contentName":"S"}}}`,
		`{"event":{"contentStart":{"promptName":"P","contentName":"A","type":"AUDIO","role":"USER","audioInputConfiguration":{"sampleRateHertz":16000}}}}`,
		plainAudio,
		`{"event":{"contentEnd":{"promptName":"P","contentName":"A"}}}`,
		`{"event":{"contentStart":{"promptName":"P","contentName":"U","type":"TEXT","role":"USER","interactive":true}}}`,
		`{"event":{"textInput":{"promptName":"P","contentName":"U","content":"x"}}}`,
		`{"event":{"contentEnd":{"promptName":"P","contentName":"U"}}}`,
		`{"event":{"contentStart":{"promptName":"P","contentName":"T","type":"TOOL","toolResultInputConfiguration":{"toolUseId":"x"}}}}`,
		`{"event":{"toolResult":{"promptName":"P","contentName":"T","content":"{}"}}}`,
		`{"event":{"contentEnd":{"promptName":"P","contentName":"T"}}}`,
		`{"event":{"promptEnd":{"promptName":"P"}}}`,
		`{"event":{"sessionEnd":{}}}`,
	}
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 6, 8, 9, 10, 11, 12, 13, 7, 14, 15})
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 8, 6})
	f.Add([]byte{0, 1, 5, 6, 7, 5, 14, 1, 15, 15})
	f.Fuzz(func(t *testing.T, order []byte) {
		model, _ := ModelOf(V2)
		rules := NewRules(model, Options{})
		rules.Issued("x")
		text := 0 // open TEXT blocks
		for i, n := range order {
			_, ev, refusal := Parse([]byte(events[int(n)%len(events)]))
			if refusal != nil {
				t.Fatalf("a good event was refused: %v", refusal)
			}
			block, refusal := rules.Accept(0, ev)
			if refusal != nil {
				return
			}
			if i == 0 && ev.Name() != "sessionStart" {
				t.Errorf("a stream may begin with %s", ev.Name())
			}
			if rules.Over() {
				return
			}
			switch ev := ev.(type) {
			case ContentStart:
				if ev.Type == TypeText {
					text++
				}
			case AudioInput:
				if text > 0 {
					t.Error("audio was accepted in a TEXT block")
				}
			case ContentEnd:
				if block.Type == TypeText {
					text--
				}
			case PromptEnd:
				if text > 0 || rules.AudioBlock() != nil {
					t.Error("promptEnd was accepted with an open block")
				}
			}
		}
	})
}

func BenchmarkParseAudioInput(b *testing.B) {
	event := []byte(`{"event":{"audioInput":{"promptName":"P","contentName":"A","content":"` + strings.Repeat("AAECAwQF", 170) + `"}}}`)
	b.Run("fast", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			Parse(event)
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			parse(event)
		}
	})
}
