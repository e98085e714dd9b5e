package sonictest_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/services/novasonic/sonictest/hearing"
)

const sessionStart = `{"event":{"sessionStart":{"inferenceConfiguration":{"maxTokens":4096,"topP":0.9,"temperature":0.7}}}}`

func promptStartAt(rate int, more string) string {
	return fmt.Sprintf(`{"event":{"promptStart":{"promptName":"P","textOutputConfiguration":{"mediaType":"text/plain"},`+
		`"audioOutputConfiguration":{"mediaType":"audio/lpcm","sampleRateHertz":%d,"sampleSizeBits":16,"channelCount":1,"voiceId":"matthew","encoding":"base64","audioType":"SPEECH"}%s}}}`, rate, more)
}

var promptStart = promptStartAt(24000, "")

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func textStart(name, role string, interactive bool) string {
	return fmt.Sprintf(`{"event":{"contentStart":{"promptName":"P","contentName":%s,"type":"TEXT","interactive":%v,"role":%q,"textInputConfiguration":{"mediaType":"text/plain"}}}}`, quote(name), interactive, role)
}

func textInput(name, text string) string {
	return fmt.Sprintf(`{"event":{"textInput":{"promptName":"P","contentName":%s,"content":%s}}}`, quote(name), quote(text))
}

func contentEnd(name string) string {
	return fmt.Sprintf(`{"event":{"contentEnd":{"promptName":"P","contentName":%s}}}`, quote(name))
}

// text is a whole TEXT block.
func text(name, role string, interactive bool, content string) []string {
	return []string{textStart(name, role, interactive), textInput(name, content), contentEnd(name)}
}

var system = text("S", "SYSTEM", false, "You are a voice assistant.")

func audioStartAt(name string, rate int) string {
	return fmt.Sprintf(`{"event":{"contentStart":{"promptName":"P","contentName":%s,"type":"AUDIO","interactive":true,"role":"USER",`+
		`"audioInputConfiguration":{"mediaType":"audio/lpcm","sampleRateHertz":%d,"sampleSizeBits":16,"channelCount":1,"audioType":"SPEECH","encoding":"base64"}}}}`, quote(name), rate)
}

var audioStart = audioStartAt("A", 16000)

func audioInput(name string, pcm []int16) string {
	return fmt.Sprintf(`{"event":{"audioInput":{"promptName":"P","contentName":%s,"content":"%s"}}}`,
		quote(name), base64.StdEncoding.EncodeToString(audio.EncodePCM(nil, pcm)))
}

func toolStart(name, id string) string {
	return fmt.Sprintf(`{"event":{"contentStart":{"promptName":"P","contentName":%s,"interactive":false,"type":"TOOL","role":"TOOL",`+
		`"toolResultInputConfiguration":{"toolUseId":%q,"type":"TEXT","textInputConfiguration":{"mediaType":"text/plain"}}}}}`, quote(name), id)
}

func toolResult(name, content string) string {
	return fmt.Sprintf(`{"event":{"toolResult":{"promptName":"P","contentName":%s,"content":%s}}}`, quote(name), quote(content))
}

const (
	promptEnd  = `{"event":{"promptEnd":{"promptName":"P"}}}`
	sessionEnd = `{"event":{"sessionEnd":{}}}`
)

// chunks cuts 16 kHz audio into the events of 32 ms that the guide recommends.
func chunks(name string, pcm []int16) []string {
	var events []string
	for len(pcm) > 0 {
		n := min(512, len(pcm))
		events = append(events, audioInput(name, pcm[:n]))
		pcm = pcm[n:]
	}
	return events
}

func silence(d time.Duration) []int16 { return make([]int16, audio.Rate16k.Samples(d)) }

// words says DTMF digits, which the emulator hears as words.
func words(digits string) []int16 { return hearing.Speak(audio.Rate16k, digits) }

func join(parts ...[]int16) []int16 {
	var all []int16
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func events(parts ...any) []string {
	var all []string
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			all = append(all, p)
		case []string:
			all = append(all, p...)
		}
	}
	return all
}

// opening is all that comes before the first audioInput.
func opening(more ...any) []string {
	return events(sessionStart, promptStart, system, events(more...), audioStart)
}

// closing closes a stream in order.
func closing() []string { return []string{contentEnd("A"), promptEnd, sessionEnd} }

// quote64 is text as a JSON string of base64.
func quote64(text string) string {
	return `"` + base64.StdEncoding.EncodeToString([]byte(text)) + `"`
}
