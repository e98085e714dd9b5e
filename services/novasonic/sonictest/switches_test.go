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
	chosen := withTools("["+tool("t", anObject)+"]", `{"auto":{}}`)
	unchosen := withTools("["+tool("t", anObject)+"]", "")
	object := withTools("["+tool("t", `{"type":"object","title":"T"}`)+"]", "")
	historyFirst := "Chat history should be sent completely before streaming audio."
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
		"a schema that is an object": {events(sessionStart, object, system, audioStart, frame, closing()), []way{
			{want: cannotParse}, {behaviour: sonictest.Behaviour{SchemaObjects: true}, want: "EOF"},
			{behaviour: sonictest.Behaviour{SchemaObjects: true, RefuseSchemaExtras: true}, want: invalidInput}}},
		"a toolChoice": {events(sessionStart, chosen, system, audioStart, frame, closing()), []way{
			{want: "EOF"}, {behaviour: sonictest.Behaviour{RefuseToolChoice: true}, want: cannotParse}}},
		"tools without a toolChoice": {events(sessionStart, unchosen, system, audioStart, frame, closing()), []way{
			{want: "EOF"}, {behaviour: sonictest.Behaviour{RefuseToolChoice: true}, want: "EOF"}}},
		"audio in a TEXT block": {events(opening(), frame, textStart("C", "USER", true), frame, textInput("C", "x"), contentEnd("C"), closing()), []way{
			{want: historyFirst}, {behaviour: sonictest.Behaviour{AudioInTextBlock: true}, want: "EOF"}}},
		"a history that ends with the user": {events(opening(text("H", "USER", false, "x")), frame, closing()), []way{
			{want: "EOF"}, {behaviour: sonictest.Behaviour{RefuseTrailingUser: true}, want: invalidInput}}},
		"a history that ends with a question": {events(opening(text("H", "USER", true, "x")), frame, closing()), []way{
			{behaviour: sonictest.Behaviour{RefuseTrailingUser: true}, want: "EOF"}}},
		"a history that ends with the assistant": {events(opening(text("H", "USER", false, "x"), text("I", "ASSISTANT", false, "y")), frame, closing()), []way{
			{behaviour: sonictest.Behaviour{RefuseTrailingUser: true}, want: "EOF"}}},
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

func TestASlowToolsWaitCanBeFilledWithSpeech(t *testing.T) {
	for name, test := range map[string]struct {
		behaviour sonictest.Behaviour
		wait      time.Duration // until the result comes
		want      int
	}{
		"by default":    {wait: 6 * time.Second},
		"a slow tool":   {sonictest.Behaviour{Filler: "One moment, please."}, 6 * time.Second, 1},
		"a fast one":    {sonictest.Behaviour{Filler: "One moment, please."}, time.Second, 0},
		"more patience": {sonictest.Behaviour{Filler: "One moment, please.", FillerAfter: 10 * time.Second}, 6 * time.Second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			brain := sonictest.Replies(map[string]sonictest.Answer{"one": sonictest.Call("t", "{}"), "tool:t": sonictest.Say("Here it is.")})
			serve(t, sonictest.Config{Brain: brain, Behaviour: test.behaviour}, func(t *testing.T, srv *sonictest.Server) {
				p := open(t, srv)
				p.send(opening()...)
				p.pace(join(words("1"), silence(time.Second)))
				all := p.until("toolUse")
				p.pace(silence(test.wait))
				p.send(toolStart("T", all[len(all)-1].str("toolUseId")), toolResult("T", "{}"), contentEnd("T"))
				p.pace(silence(5 * time.Second))
				p.send(closing()...)
				p.closeSend()
				p.rest()
				log, _ := srv.Stream(0)
				filled := 0
				for _, a := range log.Answers {
					for _, said := range a.Sentences {
						if said.Text == "One moment, please." && said.Sent == len(said.PCM) {
							filled++
						}
					}
				}
				last := log.Answers[len(log.Answers)-1]
				if filled != test.want || last.Sentences[0].Text != "Here it is." || last.Sentences[0].Sent == 0 {
					t.Errorf("the filler was said %d times, want %d, and the last answer is %q", filled, test.want, last.Sentences[0].Text)
				}
			})
		})
	}
}
