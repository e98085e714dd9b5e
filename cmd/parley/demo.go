package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/parley-go/parley/internal/demo"
	"github.com/parley-go/parley/internal/pathfault"
	"github.com/parley-go/parley/services/novasonic/sonictest/script"
	"github.com/parley-go/parley/tool"
)

// demoInstructions is the system prompt of a call that has none of its own. The
// emulator does not read it; AWS does.
const demoInstructions = "You are the friendly voice of Riverside Bicycles, a bicycle shop and workshop. " +
	"Your answers are spoken: keep them to one or two short sentences. " +
	"Look opening hours up with the tool; do not make them up. A full service costs ninety pounds and takes two days."

// openingHours are arguments and result of the tool that the demo's agent calls.
type (
	openingDay struct {
		Day string `json:"day" jsonschema:"a day of the week in English, such as Saturday"`
	}
	openingHours struct {
		Day   string `json:"day"`
		Open  bool   `json:"open"`
		Hours string `json:"hours,omitempty"`
	}
)

// demoTools are the tools that the agent of 'parley call' may call.
func demoTools() tool.Set {
	return tool.Set{tool.Must(tool.New("get_opening_hours", "Tells when the shop is open on a day of the week.",
		func(_ context.Context, d openingDay) (openingHours, error) {
			switch d.Day {
			case "Monday", "Tuesday", "Wednesday", "Thursday", "Friday":
				return openingHours{Day: d.Day, Open: true, Hours: "nine to six"}, nil
			case "Saturday":
				return openingHours{Day: d.Day, Open: true, Hours: "ten to four"}, nil
			case "Sunday":
				return openingHours{Day: d.Day}, nil
			}
			return openingHours{}, fmt.Errorf("%q is not a day of the week", d.Day)
		}))}
}

// loadScript reads a script file for the emulator, or the built-in one.
func loadScript(path string) (*script.Script, error) {
	if path == "" {
		return demo.Script()
	}
	// What is no file is found out here: a folder's files are known to script by
	// names that are not the user's.
	f, err := os.Open(path)
	if err != nil {
		return nil, pathError("open script", path, err, false)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, fmt.Errorf("open script %s: it is a folder: name a file in it, such as %s", path, filepath.Join(path, demo.ScriptName))
	}
	s, err := script.Load(os.DirFS(filepath.Dir(path)), filepath.Base(path))
	if err != nil {
		return nil, inFile(err, path)
	}
	return s, nil
}

// inFile names a script as the user knows it in its errors.
func inFile(err error, path string) error {
	switch e := err.(type) {
	case *script.Error:
		e.File = path
	case interface{ Unwrap() []error }:
		for _, each := range e.Unwrap() {
			inFile(each, path)
		}
	case interface{ Unwrap() error }:
		inFile(e.Unwrap(), path)
	}
	return err
}

// pathError is a failure of the operating system's at a path of the user's.
func pathError(doing, path string, err error, write bool) error {
	mend, what := pathfault.Explain(err, path, write)
	if mend != "" {
		mend = ": " + mend
	}
	return fmt.Errorf("%s %s: %w%s", doing, path, what, mend)
}
