package telephony

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/transports/playout"
	"github.com/parley-go/parley/transports/websocket"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script is a peer that says what a provider says.
type script struct {
	says []string
	said []string
}

func (s *script) Read(context.Context) (websocket.Message, error) {
	if len(s.says) == 0 {
		return websocket.Message{}, io.EOF
	}
	m := said(s.says[0])
	s.says = s.says[1:]
	return m, nil
}

func (s *script) Write(_ context.Context, m websocket.Message) error {
	s.said = append(s.said, string(m.Data))
	return nil
}

// said makes a message; what begins with a brace is text.
func said(s string) websocket.Message {
	return websocket.Message{Binary: !strings.HasPrefix(s, "{"), Data: []byte(s)}
}

var (
	samples = []int16{0, 8, -8, 924, -924, 31100, -31100, 16} // which G.711 µ-law has
	ulaw    = base64.StdEncoding.EncodeToString(audio.EncodeULaw(nil, samples))
	pcm     = base64.StdEncoding.EncodeToString(audio.EncodePCM(nil, samples))
)

func heard(rate audio.SampleRate, s []int16) []frames.Frame {
	return []frames.Frame{&frames.AudioInput{Audio: frames.Audio{Format: audio.Mono(rate), Samples: s}}}
}

func pressed(digit byte) []frames.Frame { return []frames.Frame{&frames.DTMFInput{Digit: digit}} }

func played(mark string) []frames.Frame { return []frames.Frame{&websocket.Played{Mark: mark}} }

// provider is what one provider says, in the shapes of its documentation, and what
// it is to be told.
type provider struct {
	make  func() websocket.Serializer
	opens []string
	rate  audio.SampleRate
	call  websocket.Serializer // its public fields, when it is open
	says  []exchange

	audio, mark, clear, key string // what it is told
}

type exchange struct {
	message string
	means   []frames.Frame
}

func providers() map[string]provider {
	return map[string]provider{
		"Twilio": {
			make: Twilio(TwilioConfig{}),
			opens: []string{
				`{"event":"connected","protocol":"Call","version":"1.0.0"}`,
				`{"event":"start","sequenceNumber":"1","start":{"accountSid":"AC123","streamSid":"MZ18ad3ab5a668481ce02b83e7395059f0","callSid":"CA123","tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},"customParameters":{"FirstName":"Jane","LastName":"Doe"}},"streamSid":"MZ18ad3ab5a668481ce02b83e7395059f0"}`,
			},
			rate: 8000,
			call: &TwilioCall{AccountSID: "AC123", CallSID: "CA123", StreamSID: "MZ18ad3ab5a668481ce02b83e7395059f0", Parameters: map[string]string{"FirstName": "Jane", "LastName": "Doe"}},
			says: []exchange{
				{`{"event":"media","sequenceNumber":"3","media":{"track":"inbound","chunk":"1","timestamp":"5","payload":"` + ulaw + `"},"streamSid":"MZ1"}`, heard(8000, samples)},
				{`{"event":"media","sequenceNumber":"4","media":{"track":"outbound","chunk":"2","timestamp":"5","payload":"` + ulaw + `"},"streamSid":"MZ1"}`, nil},
				{`{"event":"dtmf","streamSid":"MZ1","sequenceNumber":"5","dtmf":{"track":"inbound_track","digit":"1"}}`, pressed('1')},
				{`{"event":"mark","sequenceNumber":"4","streamSid":"MZ1","mark":{"name":"my label"}}`, played("my label")},
				{`{"event":"news"}`, nil},
				{`{"event":"news","media":"none","dtmf":5}`, nil},
				{`{"event":5}`, nil},
				{`{"event":"dtmf","dtmf":{"digit":"flash"}}`, nil},
				{`{"event":"stop","sequenceNumber":"5","stop":{"accountSid":"AC123","callSid":"CA123"},"streamSid":"MZ1"}`, hungUp()},
			},
			audio: `{"event":"media","streamSid":"MZ18ad3ab5a668481ce02b83e7395059f0","media":{"payload":"` + ulaw + `"}}`,
			mark:  `{"event":"mark","streamSid":"MZ18ad3ab5a668481ce02b83e7395059f0","mark":{"name":"my \"label"}}`,
			clear: `{"event":"clear","streamSid":"MZ18ad3ab5a668481ce02b83e7395059f0"}`,
		},
		"Telnyx": {
			make: Telnyx(TelnyxConfig{}),
			opens: []string{
				`{"event":"connected","version":"1.0.0"}`,
				`{"event":"start","sequence_number":"1","start":{"user_id":"3e6f995f","call_control_id":"v3:MdI91X4l","client_state":"aGF2ZSBhIG5pY2UgZGF5ID1d","from":"+13122010094","to":"+13122123456","media_format":{"encoding":"audio/x-mulaw","sample_rate":8000,"channels":1}},"stream_id":"32de0dea"}`,
			},
			rate: 8000,
			call: &TelnyxCall{CallControlID: "v3:MdI91X4l", StreamID: "32de0dea", ClientState: "aGF2ZSBhIG5pY2UgZGF5ID1d", From: "+13122010094", To: "+13122123456"},
			says: []exchange{
				{`{"event":"media","sequence_number":"4","media":{"track":"inbound","chunk":"2","timestamp":"5","payload":"` + ulaw + `"},"stream_id":"32de0dea"}`, heard(8000, samples)},
				{`{"event":"media","sequence_number":"4","media":{"track":"outbound","chunk":"2","timestamp":"5","payload":"` + ulaw + `"},"stream_id":"32de0dea"}`, nil},
				{`{"event":"dtmf","stream_id":"32DE0DEA","occurred_at":"2025-06-05T08:54:19.698408Z","sequence_number":"5","dtmf":{"digit":"#"}}`, pressed('#')},
				{`{"event":"mark","stream_id":"32de0dea","sequence_number":"4","mark":{"name":"my label"}}`, played("my label")},
				{`{"event":"stop","sequence_number":"5","stop":{"user_id":"3e6f995f","call_control_id":"v2:T02l"},"stream_id":"32de0dea"}`, hungUp()},
			},
			audio: `{"event":"media","media":{"payload":"` + ulaw + `"}}`,
			mark:  `{"event":"mark","mark":{"name":"my \"label"}}`,
			clear: `{"event":"clear"}`,
		},
		"Telnyx with 16 bits, the high byte first": {
			make: Telnyx(TelnyxConfig{BigEndian: true}),
			opens: []string{
				`{"event":"start","start":{"call_control_id":"v3:x","media_format":{"encoding":"L16","sample_rate":"16000","channels":1}},"stream_id":"s"}`,
			},
			rate: 16000,
			call: &TelnyxCall{CallControlID: "v3:x", StreamID: "s"},
			says: []exchange{
				{`{"event":"media","media":{"track":"inbound","payload":"` + base64.StdEncoding.EncodeToString([]byte{0x12, 0x34, 0xFF, 0xFE}) + `"}}`, heard(16000, []int16{0x1234, -2})},
			},
			audio: `{"event":"media","media":{"payload":"` + base64.StdEncoding.EncodeToString([]byte{0, 0, 0, 8, 0xFF, 0xF8, 0x03, 0x9C, 0xFC, 0x64, 0x79, 0x7C, 0x86, 0x84, 0, 16}) + `"}}`,
			mark:  `{"event":"mark","mark":{"name":"my \"label"}}`,
			clear: `{"event":"clear"}`,
		},
		"Plivo": {
			make: Plivo(PlivoConfig{}),
			opens: []string{
				`{"event":"start","sequenceNumber":1,"start":{"callId":"12345678-1234","streamId":"87654321-4321","accountId":"MAXX","tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-l16","sampleRate":16000}},"extra_headers":"userId=12345;sessionId=abc-xyz"}`,
			},
			rate: 16000,
			call: &PlivoCall{AccountID: "MAXX", CallID: "12345678-1234", StreamID: "87654321-4321", ExtraHeaders: "userId=12345;sessionId=abc-xyz"},
			says: []exchange{
				{`{"event":"media","sequenceNumber":42,"streamId":"8","media":{"track":"inbound","timestamp":"1705312200000","chunk":41,"payload":"` + pcm + `"},"extra_headers":"userId=12345"}`, heard(16000, samples)},
				{`{"event":"dtmf","sequenceNumber":50,"streamId":"8","dtmf":{"track":"inbound","digit":"5","timestamp":"1705312250000"}}`, pressed('5')},
				{`{"event":"playedStream","sequenceNumber":75,"streamId":"8","name":"customer greeting audio"}`, played("customer greeting audio")},
				{`{"event":"clearedAudio","sequenceNumber":80,"streamId":"8"}`, nil},
				{`{"event":"stop"}`, hungUp()},
			},
			audio: `{"event":"playAudio","media":{"contentType":"audio/x-l16","sampleRate":16000,"payload":"` + pcm + `"}}`,
			mark:  `{"event":"checkpoint","streamId":"87654321-4321","name":"my \"label"}`,
			clear: `{"event":"clearAudio","streamId":"87654321-4321"}`,
			key:   `{"event":"sendDTMF","dtmf":"#"}`,
		},
		"Exotel": {
			make: Exotel,
			opens: []string{
				`{"event":"connected"}`,
				`{"event":"start","sequence_number":"1","stream_sid":"MZxx","start":{"stream_sid":"MZxx","call_sid":"CAxx","account_sid":"ACxx","from":"+919876543210","to":"+918047491899","custom_parameters":{"key1":"value1"},"media_format":{"encoding":"audio/x-raw","sample_rate":"8000","bit_rate":"16"}}}`,
			},
			rate: 8000,
			call: &ExotelCall{AccountSID: "ACxx", CallSID: "CAxx", StreamSID: "MZxx", From: "+919876543210", To: "+918047491899", Parameters: map[string]string{"key1": "value1"}},
			says: []exchange{
				{`{"event":"media","sequence_number":"3","stream_sid":"MZxx","media":{"chunk":"2","timestamp":"200","payload":"` + pcm + `"}}`, heard(8000, samples)},
				{`{"event":"dtmf","sequence_number":"7","stream_sid":"MZxx","dtmf":{"digit":"5","duration":"100"}}`, pressed('5')},
				{`{"event":"mark","sequence_number":"15","stream_sid":"MZxx","mark":{"name":"7"}}`, played("7")},
				{`{"event":"stop","sequence_number":"16","stream_sid":"MZxx","stop":{"call_sid":"CAxx","account_sid":"ACxx","reason":"callended"}}`, hungUp()},
			},
			audio: `{"event":"media","stream_sid":"MZxx","media":{"payload":"` + pcm + `"}}`,
			mark:  `{"event":"mark","stream_sid":"MZxx","mark":{"name":"my \"label"}}`,
			clear: `{"event":"clear","stream_sid":"MZxx"}`,
		},
		"Vonage": {
			make:  Vonage(VonageConfig{}),
			opens: []string{`{"event":"websocket:connected","content-type":"audio/l16;rate=16000","uuid":"u1","age":40}`},
			rate:  16000,
			call:  &VonageCall{Headers: map[string]json.RawMessage{"uuid": json.RawMessage(`"u1"`), "age": json.RawMessage("40")}},
			says: []exchange{
				{string(audio.EncodePCM(nil, samples)), heard(16000, samples)},
				{`{"event":"websocket:dtmf","digit":"5","duration":260}`, pressed('5')},
				{`{"event":"websocket:notify","payload":{"mark":"7"}}`, played("7")},
				{`{"event":"websocket:cleared"}`, nil},
			},
			audio: string(audio.EncodePCM(nil, samples)),
			mark:  `{"action":"notify","payload":{"mark":"my \"label"}}`,
			clear: `{"action":"clear"}`,
		},
		"Genesys": {
			make:  Genesys,
			opens: []string{genesysOpen},
			rate:  8000,
			call: &GenesysCall{
				SessionID: genesysID, OrganizationID: "d7934305-0972-4844-938e-9060eef73d05", ConversationID: "090eaa2f-72fa-480a-83e0-8667ff89c0ec",
				Participant: GenesysParticipant{ID: "883efee8-3d6c-4537-b500-6d7ca4b92fa0", ANI: "tel:+4971134000", ANIName: "Jane", DNIS: "tel:+4971134111"},
				Language:    "en-US", Inputs: map[string]string{"tier": "gold"}, CustomConfig: json.RawMessage(`{"bot":1}`),
			},
			says: []exchange{
				{string(audio.EncodeULaw(nil, samples)), heard(8000, samples)},
				{genesysSays("ping", 2, 1, `{"rtt":"PT0.05S"}`), []frames.Frame{genesysReply("pong", 2)}},
				{genesysSays("dtmf", 3, 1, `{"digit":"5"}`), pressed('5')},
				{genesysSays("playback_started", 4, 1, `{}`), nil},
				{genesysSays("playback_completed", 5, 1, `{}`), nil},
				{genesysSays("discarded", 6, 1, `{"start":"PT1.5S","discarded":"PT.25S"}`), nil},
				{genesysSays("news", 7, 0, `5`), nil},
				{genesysSays("close", 8, 1, `{"reason":"end"}`), []frames.Frame{genesysReply("closed", 8), hungUp()[0]}},
			},
			audio: string(audio.EncodeULaw(nil, samples)),
			clear: `{"version":"2","type":"event","clientseq":8,"id":"` + genesysID + `","parameters":{"entities":[{"type":"barge_in","data":{}}]}}`,
		},
	}
}

// What Genesys says, in the shapes of its reference implementations.
const (
	genesysID   = "30b0e395-84d3-4570-ac13-9a62d8f514c0"
	genesysOpen = `{"version":"2","id":"` + genesysID + `","type":"open","seq":1,"serverseq":0,"position":"PT0S","parameters":{` +
		`"organizationId":"d7934305-0972-4844-938e-9060eef73d05","conversationId":"090eaa2f-72fa-480a-83e0-8667ff89c0ec",` +
		`"participant":{"id":"883efee8-3d6c-4537-b500-6d7ca4b92fa0","ani":"tel:+4971134000","aniName":"Jane","dnis":"tel:+4971134111"},` +
		`"media":[{"type":"audio","format":"PCMU","channels":["external","internal"],"rate":8000},{"type":"audio","format":"PCMU","channels":["external"],"rate":8000},{"type":"audio","format":"L16","channels":["external"],"rate":8000}],` +
		`"language":"en-US","inputVariables":{"tier":"gold"},"customConfig":{"bot":1}}}`
)

func genesysSays(kind string, seq, serverSeq int, parameters string) string {
	return fmt.Sprintf(`{"version":"2","id":%q,"type":%q,"seq":%d,"serverseq":%d,"position":"PT1.23S","parameters":%s}`, genesysID, kind, seq, serverSeq, parameters)
}

func genesysReply(kind string, clientSeq int) *websocket.Reply {
	return &websocket.Reply{Early: true, Message: websocket.Message{Data: fmt.Appendf(nil, `{"version":"2","type":%q,"clientseq":%d,"id":%q,"parameters":{}}`, kind, clientSeq, genesysID)}}
}

// public are the exported fields of a call.
func public(s websocket.Serializer) map[string]any {
	fields := map[string]any{}
	v := reflect.ValueOf(s).Elem()
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() {
			fields[f.Name] = v.Field(i).Interface()
		}
	}
	return fields
}

func open(t *testing.T, p provider) websocket.Serializer {
	t.Helper()
	s := p.make()
	formats, err := s.Open(t.Context(), &script{says: p.opens}, "id")
	if err != nil {
		t.Fatal(err)
	}
	if want := (websocket.Formats{Input: audio.Mono(p.rate), Output: audio.Mono(p.rate)}); formats != want {
		t.Errorf("formats %v, want %v", formats, want)
	}
	return s
}

func TestEachProviderIsUnderstoodAndUnderstands(t *testing.T) {
	for name, p := range providers() {
		t.Run(name, func(t *testing.T) {
			s := open(t, p)
			if got, want := public(s), public(p.call); !reflect.DeepEqual(got, want) {
				t.Errorf("the call is %v, want %v", got, want)
			}
			for _, x := range p.says {
				if got, err := s.Decode(said(x.message)); err != nil || !reflect.DeepEqual(got, x.means) {
					t.Errorf("%s\nmeans %v, %v; want %v", x.message, got, err, x.means)
				}
			}
			told := func(what, want string, m websocket.Message, err error) {
				t.Helper()
				if err != nil || string(m.Data) != want || m.Binary != !strings.HasPrefix(want, "{") {
					t.Errorf("%s: %s, %v; want %s", what, m.Data, err, want)
				}
			}
			m, err := s.Audio([]byte("what was there before"), playout.Chunk{Format: audio.Mono(p.rate), Samples: samples})
			told("audio", p.audio, m, err)
			marker, ok := s.(websocket.Marker)
			if ok != (p.mark != "") {
				t.Fatalf("it has marks: %v", ok)
			}
			if ok {
				m, err = marker.Mark(`my "label`)
				told("mark", p.mark, m, err)
			}
			m, err = s.(websocket.Clearer).Clear()
			told("clear", p.clear, m, err)
			keypad, ok := s.(websocket.Keypad)
			if ok != (p.key != "") {
				t.Fatalf("it presses keys: %v", ok)
			}
			if ok {
				m, err = keypad.Press('#')
				told("key", p.key, m, err)
			}
		})
	}
}

func TestWhatTelnyxReportsIsReported(t *testing.T) {
	s := open(t, providers()["Telnyx"])
	for _, m := range []string{
		`{"stream_id":"32de","event":"error","sequence_number":"6","error":{"title":"rate_limit_reached","code":"100005","detail":"Too many requests"}}`,
		`{"event":"error","payload":{"code":100005,"title":"rate_limit_reached","detail":"Too many requests"}}`,
	} {
		got, err := s.Decode(said(m))
		if err != nil || len(got) != 1 || !strings.Contains(got[0].(*frames.Error).Err.Error(), "rate_limit_reached") {
			t.Errorf("%s means %v, %v", m, got, err)
		}
	}
}

func TestTelnyxMayBeSpokenOtherwiseThanItSpeaks(t *testing.T) {
	s := Telnyx(TelnyxConfig{Codec: PCM, Rate: 24000})()
	formats, err := s.Open(t.Context(), &script{says: providers()["Telnyx"].opens}, "id")
	if want := (websocket.Formats{Input: audio.Mono(8000), Output: audio.Mono(24000)}); err != nil || formats != want {
		t.Errorf("got %v, %v", formats, err)
	}
	m, err := s.Audio(nil, playout.Chunk{Samples: samples})
	if err != nil || !strings.Contains(string(m.Data), pcm) {
		t.Errorf("got %s, %v", m.Data, err)
	}
}

func TestExotelGetsLongChunks(t *testing.T) {
	if got := Exotel().(websocket.Chunker).Chunk(); got != 200*time.Millisecond { // 3,200 bytes at 8 kHz
		t.Errorf("got %v", got)
	}
}

func TestACallThatCannotBeginIsRefused(t *testing.T) {
	all := providers()
	for name, tc := range map[string]struct {
		provider string
		says     []string
		want     string
	}{
		"no JSON":              {"Twilio", []string{`{"event"`}, "not the JSON"},
		"binary":               {"Twilio", []string{"audio"}, "in text messages"},
		"nothing but noise":    {"Telnyx", slices.Repeat([]string{`{"event":"connected"}`}, 20), "none of them was Telnyx's start"},
		"it hangs up":          {"Plivo", nil, "EOF"},
		"another codec":        {"Twilio", []string{`{"event":"start","start":{"streamSid":"x","callSid":"c","accountSid":"a","mediaFormat":{"encoding":"audio/opus","sampleRate":8000,"channels":1}}}`}, `"audio/opus"`},
		"no stream":            {"Twilio", []string{`{"event":"start","start":{"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}}}`}, "which is none"},
		"Telnyx's OPUS":        {"Telnyx", []string{`{"event":"start","start":{"call_control_id":"v3:x","media_format":{"encoding":"OPUS","sample_rate":16000,"channels":1}}}`}, "ask for PCMU, PCMA or L16"},
		"Plivo's unknown":      {"Plivo", []string{`{"event":"start","start":{"accountId":"a","callId":"c","streamId":"s","mediaFormat":{"encoding":"audio/x-alaw","sampleRate":8000}}}`}, `"audio/x-alaw"`},
		"Exotel without a sid": {"Exotel", []string{`{"event":"start","start":{}}`}, `the stream_sid "", which is none`},
		"Vonage's unknown":     {"Vonage", []string{`{"event":"websocket:connected","content-type":"audio/opus"}`}, "ask for audio/l16"},
		"Vonage without rate":  {"Vonage", []string{`{"event":"websocket:connected","content-type":"audio/l16"}`}, "ask for audio/l16"},
		"all calls of Plivo's": {"Plivo", []string{`{"event":"start","start":{"accountId":"a","callId":"","streamId":"s"}}`}, `the callId "", which is none`},
		"a way up":             {"Plivo", []string{`{"event":"start","start":{"accountId":"a","callId":"..","streamId":"s"}}`}, `the callId "..", which is none`},
		"a call of Telnyx's":   {"Telnyx", []string{`{"event":"start","start":{"call_control_id":"a/b"}}`}, `"a/b", which is none`},
		"audio first":          {"Twilio", []string{`{"event":"connected"}`, `{"event":"media","media":{"payload":"AAAA"}}`}, "media came before Twilio's start"},
		"Telnyx's audio first": {"Telnyx", []string{`{"event":"media"}`}, "media came before Telnyx's start"},
		"Plivo's end first":    {"Plivo", []string{`{"event":"stop"}`}, "stop came before Plivo's start"},
		"Exotel's end first":   {"Exotel", []string{`{"event":"connected"}`, `{"event":"stop"}`}, "stop came before Exotel's start"},
		"Vonage's audio first": {"Vonage", []string{"audio"}, "audio came before Vonage's websocket:connected"},
		"a rate that is none":  {"Exotel", []string{`{"event":"start","start":{"stream_sid":"x","media_format":{"sample_rate":"fast"}}}`}, `"fast" is not a number`},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := all[tc.provider].make().Open(t.Context(), &script{says: tc.says}, "id"); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestWhatMakesNoSenseIsRefused(t *testing.T) {
	s := open(t, providers()["Twilio"])
	for m, want := range map[string]string{
		`{"event":"media","media":{"payload":"***"}}`: "not base64",
		`{"event":`: "not the JSON",
		"binary":    "in text messages",
	} {
		if got, err := s.Decode(said(m)); err == nil || !strings.Contains(err.Error(), want) || got != nil {
			t.Errorf("%s means %v, %v; want %q", m, got, err, want)
		}
	}
	if _, err := open(t, providers()["Exotel"]).Decode(said(`{"event":"media","media":{"payload":"AAAA"}}`)); err == nil || !strings.Contains(err.Error(), "3 bytes of audio") {
		t.Errorf("half a sample: %v", err)
	}
}

func TestCallsAreHungUpThroughTheProvider(t *testing.T) {
	for name, tc := range map[string]struct {
		make                 func(base string) func() websocket.Serializer
		opens                string
		method, path, body   string
		user, password, auth string
		over                 int // the call has ended already
	}{
		"Twilio": {func(base string) func() websocket.Serializer {
			return Twilio(TwilioConfig{AuthToken: "secret", BaseURL: base})
		}, "Twilio", "POST", "/2010-04-01/Accounts/AC123/Calls/CA123.json", "Status=completed", "AC123", "secret", "", 404},
		"Twilio with a key": {func(base string) func() websocket.Serializer {
			return Twilio(TwilioConfig{AuthToken: "secret", KeySID: "SK1", BaseURL: base + "/"})
		}, "Twilio", "POST", "/2010-04-01/Accounts/AC123/Calls/CA123.json", "Status=completed", "SK1", "secret", "", 404},
		"Telnyx": {func(base string) func() websocket.Serializer {
			return Telnyx(TelnyxConfig{APIKey: "KEY", BaseURL: base})
		}, "Telnyx", "POST", "/v2/calls/v3:MdI91X4l/actions/hangup", "{}", "", "", "Bearer KEY", 422},
		"Plivo": {func(base string) func() websocket.Serializer {
			return Plivo(PlivoConfig{AuthToken: "secret", BaseURL: base})
		}, "Plivo", "DELETE", "/v1/Account/MAXX/Call/12345678-1234/", "", "MAXX", "secret", "", 404},
	} {
		t.Run(name, func(t *testing.T) {
			status := http.StatusOK
			var got *http.Request
			var body []byte
			api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got = r
				body, _ = io.ReadAll(r.Body)
				w.WriteHeader(status)
				io.WriteString(w, map[bool]string{true: `{"errors":[{"code":"90018"}]}`, false: `{"message":"no"}`}[status == http.StatusUnprocessableEntity])
			}))
			defer api.Close()
			defer http.DefaultClient.CloseIdleConnections()
			p := providers()[tc.opens]
			p.make = tc.make(api.URL)
			s := open(t, p)
			if err := s.(websocket.HangUpper).HangUp(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got.Method != tc.method || got.URL.Path != tc.path || string(body) != tc.body {
				t.Errorf("the API got %s %s %q", got.Method, got.URL.Path, body)
			}
			if user, password, _ := got.BasicAuth(); user != tc.user || password != tc.password {
				t.Errorf("authenticated as %q, %q", user, password)
			}
			if auth := got.Header.Get("Authorization"); tc.auth != "" && auth != tc.auth {
				t.Errorf("authenticated with %q", auth)
			}
			status = tc.over
			if err := s.(websocket.HangUpper).HangUp(t.Context()); err != nil {
				t.Errorf("a call that has ended already: %v", err)
			}
			status = http.StatusForbidden
			if err := s.(websocket.HangUpper).HangUp(t.Context()); err == nil || !strings.Contains(err.Error(), `403 Forbidden: "{\"message\":\"no\"}"`) {
				t.Errorf("a wrong password: %v", err)
			}
		})
	}
}

func TestWithoutAKeyNothingIsHungUp(t *testing.T) {
	for name, p := range providers() {
		if h, ok := open(t, p).(websocket.HangUpper); ok {
			if err := h.HangUp(t.Context()); err != nil { // it would reach for the network
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestOnlyTwilioIsLetIn(t *testing.T) {
	// The signature is OpenSSL's: printf %s URL | openssl dgst -sha1 -hmac 12345 -binary | base64
	const url, signature = "wss://bot.example.com/twilio", "Qo623mTKSBBeQp3YeX1D4pz6VHU="
	r := httptest.NewRequest("GET", "/twilio", nil)
	if err := VerifyTwilio("12345", url)(r); err == nil || !strings.Contains(err.Error(), "no X-Twilio-Signature") {
		t.Errorf("without one: %v", err)
	}
	r.Header.Set("X-Twilio-Signature", signature)
	if err := VerifyTwilio("12345", url)(r); err != nil {
		t.Error(err)
	}
	if err := VerifyTwilio("12345", url+"/")(r); err == nil || !strings.Contains(err.Error(), "not that of wss://bot.example.com/twilio/") {
		t.Errorf("of another URL: %v", err)
	}
	if err := VerifyTwilio("", url)(r); err == nil {
		t.Error("anybody is let in where there is no token")
	}
}

// FuzzDecode sends anything to every provider's serializer.
func FuzzDecode(f *testing.F) {
	all := providers()
	for _, p := range all {
		for _, m := range p.opens {
			f.Add([]byte(m))
		}
		for _, x := range p.says {
			f.Add([]byte(x.message))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for name, p := range all {
			for _, binary := range []bool{false, true} {
				// What a peer says first opens the call, or is refused.
				first := p.make()
				peer := &script{says: []string{string(data)}}
				if formats, err := first.Open(t.Context(), peer, "id"); err == nil && (formats.Input.Channels != 1 || formats.Output.Channels != 1) {
					t.Errorf("%s: %v", name, formats)
				}
				s := open(t, p)
				was := bytes.Clone(data)
				got, err := s.Decode(websocket.Message{Binary: binary, Data: data})
				if !bytes.Equal(was, data) {
					t.Fatalf("%s changed the message", name)
				}
				if err != nil && got != nil {
					t.Errorf("%s: %v and %v", name, got, err)
				}
				for _, f := range got {
					switch f := f.(type) {
					case *frames.AudioInput:
						if len(f.Samples) == 0 {
							t.Errorf("%s: no audio", name)
						}
					case *frames.DTMFInput, *frames.End, *frames.Error, *websocket.Played, *websocket.Reply:
					default:
						t.Errorf("%s: %v", name, f)
					}
				}
			}
		}
	})
}

func TestWhatGenesysMustNotSayIsRefused(t *testing.T) {
	for name, tc := range map[string]struct{ opens, says, want string }{
		"a gap":               {"", genesysSays("ping", 3, 1, "{}"), "the seq 3, and 2 is next"},
		"a repetition":        {"", genesysSays("ping", 1, 1, "{}"), "the seq 1, and 2 is next"},
		"a look ahead":        {"", genesysSays("ping", 2, 2, "{}"), "the serverseq 2, and only 1 have been sent"},
		"another session":     {"", strings.Replace(genesysSays("ping", 2, 1, "{}"), genesysID, "x", 1), `the id "x"`},
		"another version":     {"", strings.Replace(genesysSays("ping", 2, 1, "{}"), `"2"`, `"3"`, 1), `version "3"`},
		"a second open":       {"", strings.Replace(genesysOpen, `"seq":1`, `"seq":2`, 1), "open already"},
		"no JSON":             {"", "{", "not the JSON"},
		"a seq that is none":  {"", strings.Replace(genesysSays("ping", 2, 1, "{}"), `"seq":2`, `"seq":"two"`, 1), "the seq 0"},
		"audio first":         {"audio", "", "audio came before Genesys's open"},
		"no open":             {genesysSays("ping", 1, 0, "{}"), "", "the first message has the type"},
		"an open that is not": {strings.Replace(genesysOpen, `"seq":1`, `"seq":2`, 1), "", "the seq 2, and 1 is next"},
		"an id that is none":  {strings.Replace(genesysOpen, genesysID, "../x", 1), "", "which is none"},
		"no known media":      {strings.ReplaceAll(genesysOpen, "PCMU", "OPUS"), "", "media is not known here"},
		"no caller":           {strings.ReplaceAll(genesysOpen, "external", "internal"), "", "media is not known here"},
	} {
		t.Run(name, func(t *testing.T) {
			s := Genesys()
			peer := &script{says: []string{genesysOpen}}
			if tc.opens != "" {
				peer.says[0] = tc.opens
			}
			_, err := s.Open(t.Context(), peer, "id")
			if tc.says != "" && err == nil {
				_, err = s.Decode(said(tc.says))
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if refused := strings.Contains(tc.want, "media"); refused != (len(peer.said) == 1 && strings.HasPrefix(peer.said[0], `{"seq":1,"version":"2","type":"disconnect"`)) {
				t.Errorf("told %q", peer.said)
			}
		})
	}
	both := Genesys()
	stereo := strings.Replace(genesysOpen, `{"type":"audio","format":"PCMU","channels":["external"],"rate":8000},`, "", 1)
	if _, err := both.Open(t.Context(), &script{says: []string{stereo}}, "id"); err != nil {
		t.Fatal(err)
	}
	if _, err := both.Decode(websocket.Message{Binary: true, Data: make([]byte, 3)}); err == nil || !strings.Contains(err.Error(), "3 bytes of audio") {
		t.Errorf("half a sample: %v", err)
	}
}

func TestWhatGenesysReportsIsReported(t *testing.T) {
	for parameters, want := range map[string]string{
		`{"code":429,"message":"Rate limit exceeded","retryAfter":"PT3.5S"}`: `Genesys reports 429 "Rate limit exceeded", and to try again in 3.5s`,
		`{"code":"400","message":"?","retryAfter":"P1D"}`:                    `Genesys reports 400 "?"`,
		`{"code":500,"message":"","retryAfter":".5"}`:                        `Genesys reports 500 ""`,
	} {
		got, err := open(t, providers()["Genesys"]).Decode(said(genesysSays("error", 2, 1, parameters)))
		if err != nil || len(got) != 1 || got[0].(*frames.Error).Err.Error() != want {
			t.Errorf("%s means %v, %v; want %s", parameters, got, err, want)
		}
	}
}

func TestDurationsOfGenesysAreRead(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"PT0S": 0, "PT1S": time.Second, "PT1.23S": 1230 * time.Millisecond, "PT.5S": 500 * time.Millisecond, "PT2.S": 2 * time.Second,
		"PT999999999S": 999999999 * time.Second, "PT1M": 0, "PTS": 0, "PT.S": 0, "PT-1S": 0, "1S": 0, "": 0, "PT1e3S": 0, "PT99999999999S": 0,
	} {
		var d duration
		if err := json.Unmarshal([]byte(quote(s)), &d); err != nil || time.Duration(d) != want {
			t.Errorf("%q is %v, %v; want %v", s, time.Duration(d), err, want)
		}
	}
}
