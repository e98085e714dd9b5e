package tool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Set is the tools that a model is offered, in that order. It must not be
// changed while a service uses it; give the service another one instead.
type Set []Tool

// Validate returns an error if the set holds something that is not a tool, or
// two tools of one name. Services call it before they open a connection.
func (s Set) Validate() error {
	seen := make(map[string]int, len(s))
	var errs []error
	for i, t := range s {
		if t.def == nil {
			errs = append(errs, fmt.Errorf("check tools: number %d is the zero Tool: make it with tool.New or tool.Raw", i+1))
			continue
		}
		if first, dup := seen[t.Name()]; dup {
			errs = append(errs, fmt.Errorf("check tools: numbers %d and %d are both named %s: a model could not tell them apart, rename one", first+1, i+1, t.Name()))
			continue
		}
		seen[t.Name()] = i
	}
	return errors.Join(errs...)
}

// Lookup returns the tool of that name.
func (s Set) Lookup(name string) (Tool, bool) {
	for _, t := range s {
		if t.def != nil && t.def.name == name {
			return t, true
		}
	}
	return Tool{}, false
}

// Names returns the names of the tools, in order.
func (s Set) Names() []string {
	names := make([]string, len(s))
	for i, t := range s {
		names[i] = t.Name()
	}
	return names
}

// Call calls the tool of that name with the arguments that a model gave; see
// [Tool.Call]. That there is no such tool is a failure like any other, which
// tells the model what there is.
func (s Set) Call(ctx context.Context, name string, args json.RawMessage) Result {
	if t, ok := s.Lookup(name); ok {
		return t.Call(ctx, args)
	}
	have := "there are none"
	if len(s) > 0 {
		have = "there are " + strings.Join(s.Names(), ", ")
	}
	return failure(name, fmt.Errorf("%w: %s", ErrUnknown, excerpt(name)), fmt.Sprintf("there is no tool %s; %s", excerpt(name), have))
}
