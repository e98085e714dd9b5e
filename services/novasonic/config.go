package novasonic

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/tool"
)

// Endpointing is how soon the service takes a pause for the end of the user's
// turn. Nova 2 and later.
type Endpointing string

// The service's three sensitivities; the AWS user guide gives the pause that
// each waits for as about 1.5, 1.75 and 2 seconds.
const (
	EndpointingHigh   Endpointing = "HIGH"   // answers soonest
	EndpointingMedium Endpointing = "MEDIUM" // the service's default
	EndpointingLow    Endpointing = "LOW"    // gives the user most time to think
)

// ToolChoice tells the model whether to call tools.
type ToolChoice struct {
	kind string
	name string
}

// ToolAuto lets the model decide. It is the default.
func ToolAuto() ToolChoice { return ToolChoice{} }

// ToolAny makes the model call some tool.
func ToolAny() ToolChoice { return ToolChoice{kind: "any"} }

// ToolNamed makes the model call the tool of that name.
func ToolNamed(name string) ToolChoice { return ToolChoice{kind: "tool", name: name} }

// Inference holds the model's sampling settings. A nil field leaves the choice
// to the service.
type Inference struct {
	MaxTokens   *int     // budget of one response, at least 1; a long answer with tool rounds that exceeds it ends unspoken
	TopP        *float64 // 0 to 1
	Temperature *float64 // 0 to 1; AWS recommends 0 where tools are used
}

// Config describes a Nova Sonic processor. Its zero value is a conversation
// with Nova 2 Sonic in the voice "matthew", with credentials, region and
// endpoint from the environment.
type Config struct {
	// AWS is the SDK configuration: credentials, region, endpoint, HTTP
	// client. Nil loads the default one (environment, shared files, instance
	// role) when the processor starts. Its Retryer is not used: a stream
	// cannot be retried in place, so the processor opens a new one.
	AWS *aws.Config

	// Client is shared with other conversations of the process, which saves
	// connections; AWS is not used then. Default: one of the conversation's own,
	// made from AWS.
	Client *Client

	// Model is the model id. Default: ModelV2.
	Model string

	// Voice is the id of the agent's voice; see Voices. Default: "matthew". It
	// is checked if the model is one that this package knows.
	Voice string

	// Language, a BCP 47 tag such as "es" or "en-GB", makes the check stricter:
	// the voice must speak it. It is not sent to the service, which follows the
	// language that it hears. Default: any.
	Language string

	// Instructions is the system prompt. Default: DefaultInstructions, since
	// the service expects one.
	Instructions string

	// SpeechInstructions says how to speak (role SYSTEM_SPEECH), apart from
	// what to say. Nova 2 and later. Default: none.
	SpeechInstructions string

	// SpeakFirst makes the agent open the conversation: it is what the model is
	// told, as if the user had typed it, once the stream is open; for instance
	// "Greet the caller." Nova 2 and later: the first Nova Sonic can only be
	// spoken to. Default: the agent waits for the user.
	SpeakFirst string

	// History is what was said before the conversation began. It is merged,
	// ordered and cut to the service's limits (50 KB a message, 200 KB in
	// total). Default: none.
	History []Message

	// Tools are the functions that the model may call. They are called on
	// goroutines of their own, several at once if the model wishes. Default:
	// none.
	Tools tool.Set

	// ToolChoice tells the model whether to call them. Default: ToolAuto, which is
	// not sent; one user of the service was refused ("Unable to parse input chunk")
	// and blamed having sent a choice.
	ToolChoice ToolChoice

	// Endpointing is the turn-taking sensitivity. Default: the service's.
	Endpointing Endpointing

	// Inference are the sampling settings. Default: the service's.
	Inference Inference

	// InputRate is the sample rate at which user audio is sent: 8, 16 or
	// 24 kHz. Audio of any other rate or with more channels is converted.
	// Default: 16 kHz.
	InputRate audio.SampleRate

	// OutputRate is the sample rate of the agent's audio: 8, 16 or 24 kHz.
	// Default: 24 kHz.
	OutputRate audio.SampleRate

	// Track names the agent's audio track in AudioOutput and Playout frames.
	// Default: "agent".
	Track string

	// KeepAlive is how long user audio may be missing, because the microphone
	// is muted or the transport stalls, before silence is sent in its place, in
	// real time. The service closes a stream that hears nothing for 55 s, and
	// does not find the end of an utterance that nothing follows. Default:
	// 250 ms. Negative turns it off.
	KeepAlive time.Duration

	// Keep is how much of the user's most recent audio is kept, for a
	// connection that has to take over in mid-utterance. Default: 30 s.
	Keep time.Duration

	// OpenTimeout bounds one attempt to open a stream, until the service has
	// accepted it. Default: 10 s.
	OpenTimeout time.Duration

	// OpenAttempts is how often the open of the first stream is tried if it
	// fails for a passing reason (throttling, network, server) before the
	// pipeline's start fails. Default: 4.
	OpenAttempts int

	// GiveUpAfter is how long the conversation may be without a stream that
	// stays, while one after the other dies or cannot be opened, before it
	// ends. Default: 30 s.
	GiveUpAfter time.Duration

	// Continuation is when and how the conversation moves from one stream to the
	// next, before the service ends the old one. Default: see there.
	Continuation Continuation

	// DTMF is how keys that the caller presses are told to the model. Nova 2
	// and later. Default: the digits are collected until '#' or a pause of 2 s
	// and sent as the user's text "DTMF: 1234#".
	DTMF DTMFConfig

	// Logger receives what an operator wants to know: streams opened and
	// closed and why. Never credentials, audio or what was said. Default: the
	// pipeline's.
	Logger *slog.Logger

	// saboteur, if set, takes the place of the conversation's streams, so that
	// tests can break them.
	saboteur func(opener) opener
}

// DTMFConfig says how keys become text.
type DTMFConfig struct {
	Ignore  bool                       // keys are not told to the model
	Timeout time.Duration              // pause that ends a sequence; default 2 s
	Format  func(digits string) string // default: "DTMF: " and the digits
}

// DefaultInstructions is the system prompt of a Config that has none.
const DefaultInstructions = "You are a friendly voice assistant. Your answers are spoken: keep them short."

func (c Config) withDefaults() Config {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	if c.Model == "" {
		c.Model = ModelV2
	}
	if c.Voice == "" {
		c.Voice = "matthew"
	}
	if c.Instructions == "" {
		c.Instructions = DefaultInstructions
	}
	if c.InputRate == 0 {
		c.InputRate = audio.Rate16k
	}
	if c.OutputRate == 0 {
		c.OutputRate = audio.Rate24k
	}
	if c.Track == "" {
		c.Track = "agent"
	}
	def(&c.KeepAlive, 250*time.Millisecond)
	def(&c.Keep, 30*time.Second)
	def(&c.OpenTimeout, 10*time.Second)
	def(&c.GiveUpAfter, 30*time.Second)
	def(&c.DTMF.Timeout, 2*time.Second)
	if c.DTMF.Format == nil {
		c.DTMF.Format = func(digits string) string { return "DTMF: " + digits }
	}
	if c.OpenAttempts == 0 {
		c.OpenAttempts = 4
	}
	c.Continuation = c.Continuation.withDefaults()
	return c
}

// Validate reports everything in c that cannot work, without asking the
// service: nil, or an error with one line for each field.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, &ConfigError{Field: field, Err: fmt.Errorf(format, args...)})
	}
	if err := checkVoice(c.Model, c.Voice, c.Language); err != nil {
		bad("Voice", "%w", err)
	}
	rates := []audio.SampleRate{audio.Rate8k, audio.Rate16k, audio.Rate24k}
	if !slices.Contains(rates, c.InputRate) {
		bad("InputRate", "%v is not a rate of the service: use 8, 16 or 24 kHz (audio of any rate is converted to it)", c.InputRate)
	}
	if !slices.Contains(rates, c.OutputRate) {
		bad("OutputRate", "%v is not a rate of the service: use 8, 16 or 24 kHz", c.OutputRate)
	}
	if !slices.Contains([]Endpointing{"", EndpointingHigh, EndpointingMedium, EndpointingLow}, c.Endpointing) {
		bad("Endpointing", "%q is not a sensitivity: use HIGH, MEDIUM or LOW", string(c.Endpointing))
	}
	if c.Model == ModelV1 {
		for _, f := range []struct{ name, value string }{
			{"Endpointing", string(c.Endpointing)}, {"SpeakFirst", c.SpeakFirst}, {"SpeechInstructions", c.SpeechInstructions},
		} {
			if f.value != "" {
				bad(f.name, "%s does not know it: use %s, or leave it empty", ModelV1, ModelV2)
			}
		}
	}
	if n := c.Inference.MaxTokens; n != nil && *n < 1 {
		bad("Inference.MaxTokens", "%d is not at least 1", *n)
	}
	if p := c.Inference.TopP; p != nil && !(*p >= 0 && *p <= 1) {
		bad("Inference.TopP", "%g is not between 0 and 1", *p)
	}
	if t := c.Inference.Temperature; t != nil && !(*t >= 0 && *t <= 1) {
		bad("Inference.Temperature", "%g is not between 0 and 1", *t)
	}
	if c.Keep > 10*time.Minute {
		bad("Keep", "%v is more than 10 min", c.Keep)
	}
	if least := c.OpenTimeout + onsetLookBack; c.Keep < least {
		bad("Keep", "%v is shorter than the replay needs: what the user says while a stream is being opened must fit, so at least OpenTimeout and %v, which is %v", c.Keep, onsetLookBack, least)
	}
	for _, p := range c.Continuation.problems() {
		bad("Continuation."+p.field, "%s", p.text)
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"OpenTimeout", c.OpenTimeout}, {"GiveUpAfter", c.GiveUpAfter}, {"DTMF.Timeout", c.DTMF.Timeout}} {
		if d.value < 0 {
			bad(d.name, "%v is negative", d.value)
		}
	}
	if c.KeepAlive > 0 && c.KeepAlive < 20*time.Millisecond || c.KeepAlive > 30*time.Second {
		bad("KeepAlive", "%v is not between 20 ms and 30 s, nor negative to turn it off", c.KeepAlive)
	}
	if c.OpenAttempts < 1 {
		bad("OpenAttempts", "%d is not at least 1", c.OpenAttempts)
	}
	for i, m := range c.History {
		if m.Role != User && m.Role != Assistant {
			bad(fmt.Sprintf("History[%d].Role", i), "%q is not a role: use novasonic.User or novasonic.Assistant", string(m.Role))
		}
	}
	errs = append(errs, c.validateTools()...)
	return errors.Join(errs...)
}

func (c Config) validateTools() []error {
	if err := c.Tools.Validate(); err != nil {
		return []error{&ConfigError{Field: "Tools", Err: err}}
	}
	for _, t := range c.promptStart("").Tools {
		if err := t.Validate(); err != nil {
			return []error{&ConfigError{Field: "Tools", Err: err}}
		}
	}
	if c.ToolChoice.kind == "" {
		return nil
	}
	if len(c.Tools) == 0 {
		return []error{&ConfigError{Field: "ToolChoice", Err: errors.New("the model cannot be made to call a tool when there is none in Tools")}}
	}
	if name := c.ToolChoice.name; c.ToolChoice.kind == "tool" {
		if _, ok := c.Tools.Lookup(name); !ok {
			return []error{&ConfigError{Field: "ToolChoice", Err: fmt.Errorf("there is no tool %q in Tools", name)}}
		}
	}
	return nil
}
