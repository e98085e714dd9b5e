package sonictest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley/services/novasonic/sonictest"
)

func TestWhatIsUncertainAboutTheRulesCanBeSwitched(t *testing.T) {
	frame := audioInput("A", silence(100*time.Millisecond))
	second := strings.Replace(promptStart, `"promptName":"P"`, `"promptName":"Q"`, 1)
	anyOf := withTools("["+tool("t", `"{\"type\":\"object\",\"properties\":{\"a\":{\"anyOf\":[]}}}"`)+"]", "")
	unknown := `{"event":{"connectionEnd":{}}}`
	type way struct {
		behaviour sonictest.Behaviour
		model     string
		want      string
	}
	tests := map[string]struct {
		events []string
		ways   []way
	}{
		"roles that do not alternate": {events(opening(text("H", "ASSISTANT", false, "x"), text("I", "ASSISTANT", false, "y")), frame, closing()), []way{
			{want: invalidInput}, {behaviour: sonictest.Behaviour{AnyRoles: true}, want: "EOF"}}},
		"a second prompt": {events(opening(), frame, contentEnd("A"), promptEnd, second), []way{
			{want: "EOF"}, {model: sonictest.ModelV1, want: invalidInput},
			{behaviour: sonictest.Behaviour{SilentSecondPrompt: sonictest.Off}, want: invalidInput},
			{behaviour: sonictest.Behaviour{SilentSecondPrompt: sonictest.On}, model: sonictest.ModelV1, want: "EOF"}}},
		"a second AUDIO block": {events(opening(), frame, audioStartAt("B", 16000)), []way{
			{want: "modelStreamErrorException: "},
			{behaviour: sonictest.Behaviour{SecondAudioException: "validationException"}, want: "validationException: "}}},
		"a schema with anyOf": {events(sessionStart, anyOf, system, audioStart, frame, closing()), []way{
			{want: "EOF"}, {behaviour: sonictest.Behaviour{RefuseSchemaExtras: true}, want: invalidInput}}},
		"an unknown event": {events(opening(), unknown, frame, closing()), []way{
			{want: invalidInput}, {behaviour: sonictest.Behaviour{IgnoreUnknownEvents: true}, want: "EOF"}}},
	}
	for name, test := range tests {
		for _, way := range test.ways {
			t.Run(name, func(t *testing.T) {
				serve(t, sonictest.Config{Behaviour: way.behaviour}, func(t *testing.T, srv *sonictest.Server) {
					p := open(t, srv, func(q *request) {
						if way.model != "" {
							q.model = way.model
						}
					})
					p.send(test.events...)
					if got := p.failure(); !strings.HasPrefix(got, way.want) && !strings.HasSuffix(got, way.want) {
						t.Errorf("with %+v on %q the stream ended with %q, want %q", way.behaviour, way.model, got, way.want)
					}
				})
			})
		}
	}
}
