package js

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/services/novasonic/sonictest/hearing"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// line is a line that talk.mjs prints.
type line struct {
	Name, Type, Role, Content, StopReason, Tool string
	Samples                                     int
	SHA256, Error, Message, Request             string
}

func (l line) String() string {
	return strings.Join(strings.Fields(strings.Join([]string{l.Name, l.Type, l.Role, l.StopReason, l.Tool, l.Content, l.Error}, " ")), " ")
}

// node returns the program, or skips the test if a package is missing.
func node(t *testing.T, pkg string) string {
	t.Helper()
	missing := ""
	path, err := exec.LookPath("node")
	if err != nil {
		missing = "Node.js is not installed"
	} else if _, err := os.Stat("node_modules/" + pkg); err != nil {
		missing = pkg + " is not installed: run `npm ci` in test/js"
	}
	switch {
	case missing == "":
	case os.Getenv("PARLEY_REQUIRE_TOOLS") == "1":
		t.Fatal(missing)
	default:
		t.Skip(missing)
	}
	return path
}

// talk runs talk.mjs against the server. It is on real sockets and in real
// time, since the other end is a process.
func talk(t *testing.T, srv *sonictest.Server) []line {
	t.Helper()
	program := node(t, "@aws-sdk/client-bedrock-runtime")
	if err := srv.StartTLS("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
	question := filepath.Join(t.TempDir(), "question.pcm")
	if err := os.WriteFile(question, audio.EncodePCM(nil, hearing.Speak(audio.Rate16k, "12")), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "talk.mjs", question)
	cmd.Env = srv.ChildEnviron(os.Environ())
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil && !strings.Contains(string(out), `"error"`) {
		t.Fatalf("talk.mjs: %v\n%s%s", err, out, stderr.Bytes())
	}
	var lines []line
	for _, b := range bytes.Split(bytes.TrimSpace(out), []byte("\n")) {
		var l line
		if err := json.Unmarshal(b, &l); err != nil {
			t.Fatalf("talk.mjs printed %q: %v", b, err)
		}
		lines = append(lines, l)
	}
	return lines
}

func TestTheSDKForJavaScriptHoldsAConversation(t *testing.T) {
	// What a developer may have set, and what the SDK would prefer.
	t.Setenv("AWS_PROFILE", "nobody")
	t.Setenv("AWS_BEARER_TOKEN_BEDROCK", "nothing")
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:9")
	srv := sonictest.NewServer(sonictest.Config{
		Brain: sonictest.Replies(map[string]sonictest.Answer{
			"one two":            sonictest.Call("opening_hours", `{"day":"Monday"}`),
			"tool:opening_hours": sonictest.Say("We are open."),
			"Say goodbye.":       sonictest.Say("Bye.", "Until Monday."),
		}),
		KeepAudio: true,
	})
	lines := talk(t, srv)

	var got []string
	for _, l := range lines {
		if l.Name != "audioOutput" && l.Name != "usageEvent" && l.Name != "end" && !(l.Role == "ASSISTANT" && l.Type == "TEXT") && !(l.Name == "contentEnd" && l.Type == "TEXT") {
			got = append(got, l.String())
		}
	}
	finals := map[string]bool{} // FINAL texts come when they come
	want := []string{
		"userSpeechStart", "completionStart", "userSpeechEnd",
		"contentStart TEXT USER", "textOutput USER one two",
		"contentStart TOOL TOOL", `toolUse TOOL opening_hours {"day":"Monday"}`, "contentEnd TOOL TOOL_USE",
		"textOutput ASSISTANT We are open.", "contentStart AUDIO ASSISTANT", "contentEnd AUDIO END_TURN",
		// The client writes when the answer has come, which is before it has
		// been heard: a barge-in.
		`textOutput ASSISTANT { "interrupted" : true }`,
		"textOutput ASSISTANT Bye.", "contentStart AUDIO ASSISTANT", "contentEnd AUDIO PARTIAL_TURN",
		"textOutput ASSISTANT Until Monday.", "contentStart AUDIO ASSISTANT", "contentEnd AUDIO END_TURN",
		"completionEnd END_TURN",
	}
	var planned []string
	for _, l := range got {
		if strings.HasPrefix(l, "textOutput ASSISTANT") {
			if finals[l] {
				continue
			}
			finals[l] = true
		}
		planned = append(planned, l)
	}
	if diff := cmp.Diff(want, planned); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}

	if err := srv.WaitIdle(t.Context()); err != nil {
		t.Fatal(err)
	}
	log, _ := srv.Stream(0)
	digest := sha256.New()
	for _, a := range log.Answers {
		for _, said := range a.Sentences {
			digest.Write(audio.EncodePCM(nil, said.PCM))
		}
	}
	if last := lines[len(lines)-1]; last.SHA256 != hex.EncodeToString(digest.Sum(nil)) {
		t.Errorf("the SDK received other audio than was spoken: %+v", last)
	}
	if len(log.Calls) != 1 || log.Calls[0].Result != `{"hours":"nine to five","asked":{"day":"Monday"}}` {
		t.Errorf("the tool's result arrived as %+v", log.Calls)
	}
	wantHistory := []sonictest.Message{{Role: "USER", Text: "Hello."}, {Role: "ASSISTANT", Text: "Good morning."}}
	if diff := cmp.Diff(wantHistory, log.History); diff != "" || log.Voice != "tiffany" || log.Sensitivity != "HIGH" {
		t.Errorf("the log has the voice %s, the sensitivity %s and the history (-want +got):\n%s", log.Voice, log.Sensitivity, diff)
	}
	if v := srv.Violations(); len(v) != 0 {
		t.Errorf("violations: %+v", v)
	}
	if log.End.Kind != sonictest.ClosedBoth {
		t.Errorf("the stream was %v", log.End.Kind)
	}
}

func TestTheSDKForJavaScriptUnderstandsWhatGoesWrong(t *testing.T) {
	tests := map[string]struct {
		fault sonictest.Fault
		want  string
	}{
		"an exception": {sonictest.Fault{Input: "audioInput", Nth: 3, Do: sonictest.TimedOut()}, "ModelTimeoutException"},
		"a refusal":    {sonictest.Fault{Do: sonictest.Refuse(403, "AccessDeniedException", "no")}, "AccessDeniedException"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			srv := sonictest.NewServer(sonictest.Config{Faults: []sonictest.Fault{test.fault}})
			lines := talk(t, srv)
			if last := lines[len(lines)-1]; last.Error != test.want {
				t.Errorf("the SDK reports %q: %s; want %s", last.Error, last.Message, test.want)
			}
		})
	}
}
