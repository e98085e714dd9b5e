package main

type benchCommand struct {
	Density densityCommand `cmd:"" help:"How many real-time calls a core carries, beside a bare loop on the SDK."`
}
