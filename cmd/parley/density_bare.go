package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	"github.com/google/uuid"
	"github.com/parley-go/parley/audio"
)

// bareCaller returns the baseline: a call that does no more with the SDK than
// has to be done to send audio and to have the samples that come back. It
// appends its events, decodes what it receives with encoding/json, and knows
// nothing of turns, interruptions, playout or failures.
func bareCaller(cfg aws.Config) func(ctx context.Context, speech []int16, offset int, m *meter) error {
	transport := awshttp.NewBuildableClient().GetTransport()
	if c, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok {
		transport = c.GetTransport()
	}
	transport.HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: 1 << 20}
	transport.MaxConnsPerHost = 1 // HTTP/2 opens more where it needs them
	client := &http.Client{Transport: transport}

	return func(ctx context.Context, speech []int16, offset int, m *meter) error {
		// A client for each stream: their codec is not safe for two.
		api := bedrockruntime.NewFromConfig(cfg, func(o *bedrockruntime.Options) {
			o.HTTPClient = client
			o.Retryer = aws.NopRetryer{}
		})
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		out, err := api.InvokeModelWithBidirectionalStream(context.WithoutCancel(ctx), &bedrockruntime.InvokeModelWithBidirectionalStreamInput{
			ModelId: aws.String("amazon.nova-2-sonic-v1:0"),
		})
		if err != nil {
			return err
		}
		stream := out.GetStream()
		defer stream.Close()

		send := func(event []byte) error {
			return stream.Send(ctx, &types.InvokeModelWithBidirectionalStreamInputMemberChunk{Value: types.BidirectionalInputPayloadPart{Bytes: event}})
		}
		prompt, content := uuid.NewString(), uuid.NewString()
		for _, event := range bareOpening(prompt, content) {
			if err := send([]byte(event)); err != nil {
				return err
			}
		}
		received := make(chan error, 1)
		go func() { received <- bareReceive(stream, m) }()
		defer func() {
			stream.Close()
			<-received
		}()

		head := fmt.Sprintf(`{"event":{"audioInput":{"promptName":%q,"contentName":%q,"content":"`, prompt, content)
		var event, pcm []byte
		err = microphone(ctx, speech, offset, m, func(samples []int16, _ audio.Position) error {
			pcm = audio.EncodePCM(pcm[:0], samples)
			event = append(event[:0], head...)
			event = base64.StdEncoding.AppendEncode(event, pcm)
			event = append(event, `"}}}`...)
			return send(event)
		})
		if errors.Is(err, context.Canceled) {
			err = nil
		}
		return err
	}
}

func bareOpening(prompt, content string) []string {
	return []string{
		`{"event":{"sessionStart":{"inferenceConfiguration":{"maxTokens":1024,"topP":0.9,"temperature":0.7}}}}`,
		fmt.Sprintf(`{"event":{"promptStart":{"promptName":%q,"textOutputConfiguration":{"mediaType":"text/plain"},"audioOutputConfiguration":{"mediaType":"audio/lpcm","sampleRateHertz":24000,"sampleSizeBits":16,"channelCount":1,"voiceId":"matthew","encoding":"base64","audioType":"SPEECH"}}}}`, prompt),
		fmt.Sprintf(`{"event":{"contentStart":{"promptName":%q,"contentName":"system","type":"TEXT","interactive":false,"role":"SYSTEM","textInputConfiguration":{"mediaType":"text/plain"}}}}`, prompt),
		fmt.Sprintf(`{"event":{"textInput":{"promptName":%q,"contentName":"system","content":"Be brief."}}}`, prompt),
		fmt.Sprintf(`{"event":{"contentEnd":{"promptName":%q,"contentName":"system"}}}`, prompt),
		fmt.Sprintf(`{"event":{"contentStart":{"promptName":%q,"contentName":%q,"type":"AUDIO","interactive":true,"role":"USER","audioInputConfiguration":{"mediaType":"audio/lpcm","sampleRateHertz":16000,"sampleSizeBits":16,"channelCount":1,"audioType":"SPEECH","encoding":"base64"}}}}`, prompt, content),
	}
}

func bareReceive(stream *bedrockruntime.InvokeModelWithBidirectionalStreamEventStream, m *meter) error {
	var samples []int16
	for event := range stream.Events() {
		chunk, ok := event.(*types.InvokeModelWithBidirectionalStreamOutputMemberChunk)
		if !ok {
			continue
		}
		var e struct {
			Event struct {
				AudioOutput *struct{ Content []byte }
			}
		}
		if err := json.Unmarshal(chunk.Value.Bytes, &e); err != nil {
			return err
		}
		if e.Event.AudioOutput != nil {
			samples = audio.DecodePCM(samples[:0], e.Event.AudioOutput.Content)
			m.received()
		}
	}
	return stream.Err()
}
