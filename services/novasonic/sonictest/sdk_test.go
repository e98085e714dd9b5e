package sonictest_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	"github.com/parley-go/parley/services/novasonic/internal/bedrock"
	"github.com/parley-go/parley/services/novasonic/sonictest"
)

// TestTheUnmodifiedSDKNeedsNothingButTheEnvironment is on real sockets: it is
// the client's TLS, DNS and configuration that it is about.
func TestTheUnmodifiedSDKNeedsNothingButTheEnvironment(t *testing.T) {
	srv := sonictest.NewServer(sonictest.Config{Latency: sonictest.Latency{Jitter: -1}})
	if err := srv.StartTLS("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	t.Setenv("AWS_CONFIG_FILE", "/nonexistent")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
	for _, v := range srv.Environ() {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()

	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		t.Fatal(err)
	}
	client := bedrockruntime.NewFromConfig(cfg)
	out, err := client.InvokeModelWithBidirectionalStream(ctx, &bedrockruntime.InvokeModelWithBidirectionalStreamInput{ModelId: aws.String(sonictest.ModelV2)})
	if err != nil {
		t.Fatal(err)
	}
	stream := out.GetStream()
	defer stream.Close()
	go func() {
		for _, e := range events(opening(), chunks("A", join(words("12"), silence(time.Second)))) {
			chunk := types.BidirectionalInputPayloadPart{Bytes: []byte(e)}
			if err := stream.Send(ctx, &types.InvokeModelWithBidirectionalStreamInputMemberChunk{Value: chunk}); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	var heard, said string
	for e := range stream.Events() {
		chunk, ok := e.(*types.InvokeModelWithBidirectionalStreamOutputMemberChunk)
		if !ok {
			t.Fatalf("the SDK decoded %T", e)
		}
		var envelope struct {
			Event struct {
				TextOutput struct{ Role, Content string }
				ContentEnd struct{ Type, StopReason string }
			}
		}
		if err := json.Unmarshal(chunk.Value.Bytes, &envelope); err != nil {
			t.Fatal(err)
		}
		switch text := envelope.Event.TextOutput; text.Role {
		case "USER":
			heard = text.Content
		case "ASSISTANT":
			said = text.Content
		}
		if end := envelope.Event.ContentEnd; end.Type == "AUDIO" && end.StopReason == "END_TURN" {
			break
		}
	}
	if heard != "one two" || said != "You said one two." {
		t.Errorf("heard %q, said %q, %v", heard, said, stream.Err())
	}
	if v := srv.Violations(); len(v) != 0 {
		t.Errorf("violations: %+v", v)
	}
}

func TestTheSDKDecodesEveryException(t *testing.T) {
	tests := map[string]func(error) bool{
		"modelStreamErrorException":   is[*types.ModelStreamErrorException],
		"validationException":         is[*types.ValidationException],
		"throttlingException":         is[*types.ThrottlingException],
		"modelTimeoutException":       is[*types.ModelTimeoutException],
		"internalServerException":     is[*types.InternalServerException],
		"serviceUnavailableException": is[*types.ServiceUnavailableException],
	}
	for name, matches := range tests {
		t.Run(name, func(t *testing.T) {
			serve(t, sonictest.Config{}, func(t *testing.T, srv *sonictest.Server) {
				srv.AddFault(sonictest.Fault{Input: "promptStart", Do: sonictest.Exception(name, "for a reason")})
				s, done := dial(t, srv)
				defer done()
				if err := s.Send(t.Context(), []byte(sessionStart)); err != nil {
					t.Fatal(err)
				}
				// The exception may overtake the return of the Send that provokes it.
				if err := s.Send(t.Context(), []byte(promptStart)); err != nil && !errors.Is(err, bedrock.ErrEnded) {
					t.Fatal(err)
				}
				_, err := s.Recv(t.Context())
				if !matches(err) || !strings.Contains(err.Error(), "for a reason") {
					t.Errorf("the SDK made of it %T: %v", err, err)
				}
			})
		})
	}
}

func is[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

// dial opens a stream with the SDK, and the guards that keep it from leaking.
func dial(t *testing.T, srv *sonictest.Server) (bedrock.Stream, func()) {
	t.Helper()
	dialer, err := bedrock.NewDialer(srv.AWSConfig(), bedrock.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := dialer.Dial(t.Context(), sonictest.ModelV2)
	if err != nil {
		t.Fatal(err)
	}
	return s, func() {
		s.Abort(nil)
		dialer.CloseIdleConnections()
	}
}

func TestTheSDKTalksForEightVirtualMinutes(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	serve(t, sonictest.Config{}, func(t *testing.T, srv *sonictest.Server) {
		s, done := dial(t, srv)
		defer done()
		began := time.Now()
		received := make(chan error, 1)
		var events []string
		go func() {
			for {
				b, err := s.Recv(t.Context())
				if err != nil {
					received <- err
					return
				}
				var envelope struct{ Event map[string]json.RawMessage }
				if err := json.Unmarshal(b, &envelope); err != nil {
					received <- err
					return
				}
				for name := range envelope.Event {
					events = append(events, name)
				}
			}
		}()
		send := func(e string) error { return s.Send(t.Context(), []byte(e)) }
		for _, e := range opening() {
			if err := send(e); err != nil {
				t.Fatal(err)
			}
		}
		// Every ten seconds the user says something.
		turn := chunks("A", join(words("1"), silence(10*time.Second-100*time.Millisecond)))
		var sent error
		for i := 0; sent == nil; i++ {
			sent = send(turn[i%len(turn)])
			time.Sleep(32 * time.Millisecond)
		}
		err := <-received
		if !is[*types.ModelTimeoutException](err) {
			t.Errorf("the stream ended with %v, want ModelTimeoutException", err)
		}
		if d := time.Since(began); d < 480*time.Second || d > 481*time.Second {
			t.Errorf("it ended after %v, want 480 s", d)
		}
		if !errors.Is(sent, bedrock.ErrEnded) && !errors.Is(sent, io.ErrClosedPipe) {
			t.Errorf("sending ended with %v", sent)
		}
		turns := 0
		for _, name := range events {
			if name == "userSpeechEnd" {
				turns++
			}
		}
		if turns < 45 || turns > 49 || !slices.Contains(events, "audioOutput") {
			t.Errorf("%d turns were heard in eight minutes, want one each ten seconds", turns)
		}
		if v := srv.Violations(); len(v) != 0 {
			t.Errorf("violations: %+v", v)
		}
	})
}
