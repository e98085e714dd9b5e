package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/services/novasonic/sonictest/script"
)

// agentFlags say who answers a call, and how. They are those of every command with
// an agent in it.
type agentFlags struct {
	Service string  `enum:"emulator,aws" default:"emulator" help:"Who answers: 'emulator' (built in, no account needed) or 'aws' (credentials, region and endpoint from the standard chain). Default: ${default}."`
	Script  string  `type:"path" placeholder:"FILE" help:"What the emulator knows and says: a YAML file, see docs/emulator-script.md. Default: the built-in one."`
	Seed    *uint64 `placeholder:"SEED" help:"Of everything random in the emulator. Default: 1."`

	Model        string         `type:"name" default:"${default_model}" help:"Model id. Default: ${default}."`
	Voice        string         `type:"name" default:"matthew" help:"The agent's voice; 'parley voices' lists them. Default: ${default}."`
	Language     string         `type:"name" placeholder:"TAG" help:"Language that the voice must speak, such as es or en-GB."`
	Instructions string         `placeholder:"TEXT" help:"System prompt. Default: that of the demo."`
	SpeakFirst   string         `placeholder:"TEXT" help:"Make the agent open the conversation; what it is told to do so, such as 'Greet the caller.'"`
	Endpointing  string         `type:"name" placeholder:"HOW" help:"How soon a pause ends the caller's turn: HIGH, MEDIUM or LOW. Default: the service's."`
	RotateEvery  *time.Duration `placeholder:"D" help:"Move to another stream when one is so old, from 5s to 5m30s. Calls do so in any case before the service ends a stream after eight minutes; this is to see that nobody hears it."`

	script *script.Script // that the emulator follows; nil until it is loaded
}

// check refuses values that make no sense.
func (a *agentFlags) check() error {
	if a.Script != "" && a.Service == "aws" {
		return usageError{errors.New("--script is for the emulator: AWS makes up its own answers. Leave out --script or --service aws")}
	}
	if a.Seed != nil && a.Service == "aws" {
		return usageError{errors.New("--seed is for the emulator: what AWS does cannot be repeated. Leave out --seed or --service aws")}
	}
	if a.RotateEvery != nil {
		if err := checkRotation(*a.RotateEvery); err != nil {
			return err
		}
	}
	a.Endpointing = strings.ToUpper(a.Endpointing)
	if a.Service == "emulator" { // AWS may know others, and other names for these
		if err := knownModel(a.Model); err != nil {
			return err
		}
	}
	for _, v := range novasonic.Voices(a.Model) {
		if strings.EqualFold(v.ID, a.Voice) {
			a.Voice = v.ID
		}
	}
	config := a.config()
	if err := config.Validate(); err != nil {
		return usageError{a.inFlags(err)}
	}
	return nil
}

// config is what the flags say of the service.
func (a *agentFlags) config() novasonic.Config {
	config := novasonic.Config{
		Model: a.Model, Voice: a.Voice, Language: a.Language,
		Instructions: cmp.Or(a.Instructions, demoInstructions), SpeakFirst: a.SpeakFirst,
		Endpointing: novasonic.Endpointing(a.Endpointing),
		Tools:       demoTools(),
	}
	if a.RotateEvery != nil {
		config.Continuation = rotation(*a.RotateEvery)
	}
	return config
}

// inFlags names the flags where a configuration's error names its fields.
func (a *agentFlags) inFlags(err error) error {
	var bad *novasonic.ConfigError
	if !errors.As(err, &bad) {
		return err
	}
	flags := map[string]string{
		"Voice": "--voice " + a.Voice, "Endpointing": "--endpointing " + a.Endpointing, "SpeakFirst": "--speak-first",
	}
	flag := flags[bad.Field]
	if bad.Field == "Voice" && a.Language != "" {
		flag += " --language " + a.Language
	}
	if flag == "" {
		return err
	}
	return fmt.Errorf("%s: %w", flag, bad.Err)
}

// load loads the emulator's script, once.
func (a *agentFlags) load() (err error) {
	if a.script == nil && a.Service == "emulator" {
		a.script, err = loadScript(a.Script)
	}
	return err
}

// spare refuses to write what a flag names over the script, or over an audio file
// that it names. The script is loaded first.
func (a *agentFlags) spare(flag, path string) error {
	if path == "" || a.Script == "" || a.Service != "emulator" {
		return nil
	}
	if sameFile(path, a.Script) {
		return fmt.Errorf("%s %s: it is the script that the emulator follows, and would be written over: choose another file", flag, path)
	}
	if err := a.load(); err != nil {
		return err
	}
	for _, name := range a.script.Files() {
		if sameFile(path, filepath.Join(filepath.Dir(a.Script), filepath.FromSlash(name))) {
			return fmt.Errorf("%s %s: it is %s, which the script names, and would be written over: choose another file", flag, path, name)
		}
	}
	return nil
}

// connect returns how the service is reached, who that is, in a line for people,
// and what is to be done in the end. The emulator has so many streams at once; 0
// is what AWS grants. It tells log, if there is one, what fails in its script.
func (a *agentFlags) connect(ctx context.Context, streams int, log *slog.Logger) (cfg aws.Config, who string, done func(), err error) {
	if a.Service == "aws" {
		cfg, err := loadAWS(ctx)
		if err != nil {
			return cfg, "", nil, err
		}
		return cfg, whoAnswers(ctx, cfg, a.Model), func() {}, nil
	}
	if err := a.load(); err != nil {
		return cfg, "", nil, err
	}
	s := a.script
	server := sonictest.NewServer(sonictest.Config{Seed: *cmp.Or(a.Seed, new(uint64(1))), Brain: s.LoggedBrain(log), Library: s.Library(), Limits: sonictest.Limits{Streams: streams}})
	if err := server.StartPipe(); err != nil {
		return cfg, "", nil, fmt.Errorf("start emulator: %w", err)
	}
	return server.AWSConfig(), "Emulator: the built-in one answers, not AWS; nothing leaves this machine.", func() { server.Close() }, nil
}
