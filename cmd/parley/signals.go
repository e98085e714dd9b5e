package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// untilSignal returns a context that ends when the user, or whoever stops
// programs on this machine, has had enough (SIGINT, SIGTERM). then is called once
// if that happens; the next signal kills. stop has to be called, and returns when
// then has.
func untilSignal(ctx context.Context, then func()) (_ context.Context, stop func()) {
	ctx, cancel := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
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
