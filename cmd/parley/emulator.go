package main

import (
	"context"
	"fmt"
	"net"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/services/novasonic/sonictest/voice"
)

type emulatorCommand struct {
	Addr    string        `default:"127.0.0.1:8443" placeholder:"HOST:PORT" help:"Address to listen on; port 0 chooses a free one. Default: ${default}."`
	Script  string        `type:"path" placeholder:"FILE" help:"What it knows and says: a YAML file, see docs/emulator-script.md. Default: the built-in one, which knows the shipped recordings."`
	H2C     bool          `help:"Speak HTTP/2 without TLS, for debugging. Most SDKs have to be told."`
	Seed    uint64        `default:"1" help:"Of everything random."`
	Life    time.Duration `default:"480s" help:"When a connection is cut. Default: ${default}."`
	Idle    time.Duration `default:"55s" help:"How long a connection may hear nothing. Default: ${default}."`
	Load    bool          `hidden:"" help:"Answer with audio made in advance, for measurements."`
	Streams int           `default:"20" help:"How many connections may be open at once; one more is throttled. Default: ${default}."`
}

func (c *emulatorCommand) Help() string {
	return `The emulator speaks the real protocol: HTTP/2 and TLS with a CA of its own, request and chunk signatures, the service's ordering rules, limits and error texts. It is not AWS, and says so.

It prints the variables that point any AWS SDK at it. In another shell:

  eval "$(parley emulator --addr 127.0.0.1:8443 | tee /dev/stderr)"   # or copy the lines
  node my-bot.js

It runs until it gets SIGINT or SIGTERM.`
}

func (c *emulatorCommand) Run(ctx context.Context, con console) error {
	if _, _, err := net.SplitHostPort(c.Addr); err != nil {
		return usageError{fmt.Errorf("--addr %s: it is not of the form HOST:PORT", c.Addr)}
	}
	script, err := loadScript(c.Script)
	if err != nil {
		return err
	}
	cfg := sonictest.Config{
		Seed:    c.Seed,
		Brain:   script.Brain(),
		Library: script.Library(),
		Limits:  sonictest.Limits{Life: c.Life, Idle: c.Idle, Streams: c.Streams},
	}
	if c.Load {
		const text = "This is an answer that takes a few seconds to say."
		sentence := sonictest.Sentence{Text: text, Audio: voice.Synthesize(text, voice.Options{Rate: audio.Rate24k})}
		cfg.Library, cfg.KeepStreams = nil, -1
		cfg.Brain = sonictest.BrainFunc(func(*sonictest.Conversation, sonictest.Turn) sonictest.Answer {
			return sonictest.Answer{Sentences: []sonictest.Sentence{sentence}}
		})
	}
	srv := sonictest.NewServer(cfg)
	listen := srv.StartTLS
	if c.H2C {
		listen = srv.StartH2C
	}
	if err := listen(c.Addr); err != nil {
		return fmt.Errorf("listen on %s: %w", c.Addr, err)
	}
	defer srv.Close()
	fmt.Fprintf(con.err, "An emulator of Amazon Nova Sonic, not AWS, answers at %s. Point an AWS SDK at it with:\n", srv.URL())
	for _, v := range srv.Environ() {
		name, value, _ := strings.Cut(v, "=")
		fmt.Fprintf(con.out, "export %s=%s\n", name, shellQuote(value))
	}
	fmt.Fprintln(con.out, "# all variables")
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	<-ctx.Done()
	n := len(srv.Streams())
	fmt.Fprintf(con.err, "Closing; %d streams were served, and clients broke %d rules.\n", n, len(srv.Violations()))
	return nil
}

// shellQuote writes s so that a shell reads it as one word.
func shellQuote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
