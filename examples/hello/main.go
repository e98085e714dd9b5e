// Hello is the smallest voice agent: a recording calls, Nova Sonic answers, and
// the conversation is written to a file.
package main

import (
	"context"
	"log"
	"os"

	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/services/novasonic/sonictest/script"
	"github.com/parley-go/parley/testdata/calls"
	"github.com/parley-go/parley/transports/file"
)

func main() {
	shop, err := script.Load(calls.Files, "bikeshop.yaml") // who answers, and what they know
	if err != nil {
		log.Fatal(err)
	}
	emulator := sonictest.NewServer(sonictest.Config{Brain: shop.Brain(), Library: shop.Library()})
	if err := emulator.StartPipe(); err != nil {
		log.Fatal(err)
	}
	defer emulator.Close()
	service := emulator.AWSConfig() // to talk to AWS, leave the emulator and the AWS field out

	call, err := file.New(file.Config{Input: recording(), Output: "conversation.wav"})
	if err != nil {
		log.Fatal(err)
	}
	log.Println("calling in real time: it takes about 36 s")
	sonic := novasonic.New(novasonic.Config{AWS: &service, Instructions: "You are a friendly, concise voice assistant."})
	if err := pipeline.Run(context.Background(), call.Input(), sonic, call.Output()); err != nil {
		log.Fatal(err)
	}
	log.Println("wrote conversation.wav: the caller left, the agent right")
}

// recording is the caller, from the root of the repository or from this folder.
func recording() string {
	const path = "testdata/calls/bargein.wav"
	if _, err := os.Stat(path); err == nil {
		return path
	}
	return "../../" + path
}
