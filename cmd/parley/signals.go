package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// endings are the signals that end a program in order: of who has had enough, of who
// stops programs on this machine, and of a terminal that goes away, unless whoever
// started the program wants it to go on then (nohup).
func endings() []os.Signal {
	all := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		all = append(all, syscall.SIGHUP)
	}
	return all
}

// untilSignal returns a context that ends with one of the signals that are endings.
// then is called once if that happens; the next signal kills. stop has to be
// called, and returns when then has.
func untilSignal(ctx context.Context, then func()) (_ context.Context, stop func()) {
	ctx, cancel := signal.NotifyContext(ctx, endings()...)
	var telling sync.WaitGroup
	telling.Add(1)
	cut := context.AfterFunc(ctx, func() {
		defer telling.Done()
		cancel()
		then()
	})
	return ctx, func() {
		if cut() {
			telling.Done()
		}
		telling.Wait()
		cancel()
	}
}
