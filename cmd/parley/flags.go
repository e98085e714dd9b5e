package main

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/parley-go/parley/internal/printing"
)

// mappers read the values of flags and arguments that kong would take empty: a
// path that is empty would be that of the current folder, and a name that is
// empty would be as if the flag had not been given. And durations: see there.
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
		kong.TypeMapper(reflect.TypeFor[time.Duration](), kong.MapperFunc(duration)),
		kong.NamedMapper("name", kong.MapperFunc(func(ctx *kong.DecodeContext, target reflect.Value) error {
			return given(ctx, target, "a value", func(s string) string { return s })
		})),
		kong.NamedMapper("names", kong.MapperFunc(func(ctx *kong.DecodeContext, target reflect.Value) error {
			list := reflect.New(reflect.TypeFor[string]()).Elem()
			if err := given(ctx, list, "a value", func(s string) string { return s }); err != nil {
				return err
			}
			for _, name := range kong.SplitEscaped(list.String(), ctx.Value.Tag.Sep) {
				if strings.TrimSpace(name) == "" {
					return fmt.Errorf("%q: there is an empty one among them", list.String())
				}
				target.Set(reflect.Append(target, reflect.ValueOf(name)))
			}
			return nil
		})),
		kong.NamedMapper("choice", kong.MapperFunc(func(ctx *kong.DecodeContext, target reflect.Value) error {
			return given(ctx, target, "a value", strings.ToLower)
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

// duration reads a duration, and refuses one that is less than its field's tag least
// says, or more than its tag most does. kong would take a negative one behind a space
// for another flag.
func duration(ctx *kong.DecodeContext, target reflect.Value) error {
	token := ctx.Scan.Pop()
	value := fmt.Sprint(token.Value)
	negative := len(value) > 1 && value[0] == '-' && strings.Contains(".0123456789", value[1:2])
	if token.IsEOL() || !token.IsValue() && !negative {
		return errNoValue{"a duration, such as 90s or 1m30s,"}
	}
	d, err := time.ParseDuration(value)
	if err != nil {
		return fmt.Errorf("%q is no duration: write it as 90s, 1m30s or 2h", value)
	}
	least, most := bound(ctx, "least", math.MinInt64), bound(ctx, "most", math.MaxInt64)
	switch {
	case d >= least && d <= most:
		target.SetInt(int64(d))
		return nil
	case most == math.MaxInt64:
		return fmt.Errorf("%v is not allowed: at least %v", d, least)
	}
	return fmt.Errorf("%v is not allowed: at least %v, at most %v", d, least, most)
}

// bound is what a field's tag says, if it has one.
func bound(ctx *kong.DecodeContext, tag string, otherwise time.Duration) time.Duration {
	d, err := time.ParseDuration(ctx.Value.Tag.Get(tag))
	if err != nil {
		return otherwise
	}
	return d
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
