package main

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/parley-go/parley/internal/printing"
)

// mappers read the values of flags and arguments that kong would take empty: a
// path that is empty would be that of the current folder, and a name that is
// empty would be as if the flag had not been given.
func mappers() []kong.Option {
	return []kong.Option{
		kong.NamedMapper("path", kong.MapperFunc(func(ctx *kong.DecodeContext, target reflect.Value) error {
			return given(ctx, target, "a file", func(s string) string {
				if s == "-" {
					return s
				}
				return kong.ExpandPath(s)
			})
		})),
		kong.NamedMapper("name", kong.MapperFunc(func(ctx *kong.DecodeContext, target reflect.Value) error {
			return given(ctx, target, "a value", func(s string) string { return s })
		})),
	}
}

// given sets target to the value that follows on the command line.
func given(ctx *kong.DecodeContext, target reflect.Value, what string, of func(string) string) error {
	var value string
	if err := ctx.Scan.PopValueInto(what, &value); err != nil {
		return errNoValue{what}
	}
	if strings.TrimSpace(value) == "" {
		if ctx.Value.Flag == nil {
			return fmt.Errorf("it is empty: name %s", what)
		}
		return fmt.Errorf("it is empty: name %s, or leave it out", what)
	}
	target.SetString(of(value))
	return nil
}

// errNoValue is a flag at the end of the line.
type errNoValue struct{ what string }

func (e errNoValue) Error() string { return "it needs " + e.what + " behind it" }

// explain words an error of kong's for people, with the help that explains more.
func explain(err error) string {
	help := "parley --help"
	text := err.Error()
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil {
		var running bool // a program: emulator has one
		for _, p := range parse.Context.Path {
			if p.Command != nil {
				help = "parley " + p.Command.Path() + " --help"
			}
			running = running || p.Positional != nil
		}
		if running && strings.Contains(help, "emulator") && strings.HasPrefix(text, "unknown flag") {
			text, _, _ = strings.Cut(text, ", did you mean")
			text += "; if it is the program's, write -- before the program: parley emulator -- COMMAND"
		}
	}
	// kong's name for the end of the line.
	if before, _, found := strings.Cut(text, ` value but got "EOL"`); found {
		before, _, _ := strings.Cut(before, ": expected ")
		text = before + ": it needs a value behind it"
	}
	if !strings.HasSuffix(text, "?") {
		text += "."
	}
	return printing.OneLine(fmt.Sprintf("%s Try %s", text, help))
}
